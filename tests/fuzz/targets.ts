/**
 * All that is fuzzed: every decoder and every state machine's input.
 *
 * @module
 */
import type { FuzzTarget } from "./target.ts"
import { codecTargets } from "./targets/codec.ts"
import { logTargets } from "./targets/log.ts"
import { netTargets } from "./targets/net.ts"

export const TARGETS: readonly FuzzTarget[] = [...codecTargets, ...netTargets, ...logTargets]

/** @throws {RangeError} There is none of that name. */
export function targetNamed(name: string): FuzzTarget {
  const target = TARGETS.find((one) => one.name === name)
  if (target === undefined) throw new RangeError(`no target is called ${name}`)
  return target
}
