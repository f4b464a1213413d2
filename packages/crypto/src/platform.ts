/**
 * The set of primitives that this program uses, chosen once when it starts.
 *
 * @module
 */
import { nativePrimitives } from "./native-primitives.ts"
import { noblePrimitives } from "./noble-primitives.ts"
import type { Primitives } from "./primitives.ts"

export const primitives: Primitives = nativePrimitives() ?? noblePrimitives
