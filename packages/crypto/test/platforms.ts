/**
 * Both sets of primitives, for tests that hold them to one standard.
 *
 * @module
 */
import { nativePrimitives } from "../src/native-primitives.ts"
import { noblePrimitives } from "../src/noble-primitives.ts"
import type { Primitives } from "../src/primitives.ts"

const native = nativePrimitives()
if (native === undefined) throw new Error("the tests need a Node with all of the primitives")

export const nativeSet: Primitives = native
export const platforms: readonly { readonly name: string; readonly set: Primitives }[] = [
  { name: "native", set: native },
  { name: "noble", set: noblePrimitives },
]
