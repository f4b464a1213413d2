/**
 * All that is fuzzed: every decoder and every state machine's input.
 *
 * @module
 */
import type { FuzzTarget } from "./target.ts"
import { accessTargets } from "./targets/access.ts"
import { attachmentTargets } from "./targets/attachments.ts"
import { codecTargets } from "./targets/codec.ts"
import { engineTargets } from "./targets/engine.ts"
import { httpTargets } from "./targets/http.ts"
import { logTargets } from "./targets/log.ts"
import { netTargets } from "./targets/net.ts"
import { pairingTargets } from "./targets/pairing.ts"
import { recordTargets } from "./targets/record.ts"
import { relationsTargets } from "./targets/relations.ts"
import { relayTargets } from "./targets/relay.ts"
import { syncTargets } from "./targets/sync.ts"

export const TARGETS: readonly FuzzTarget[] = [
  ...codecTargets,
  ...netTargets,
  ...logTargets,
  ...syncTargets,
  ...attachmentTargets,
  ...accessTargets,
  ...pairingTargets,
  ...relayTargets,
  ...relationsTargets,
  ...engineTargets,
  ...recordTargets,
  ...httpTargets,
]

/** @throws {RangeError} There is none of that name. */
export function targetNamed(name: string): FuzzTarget {
  const target = TARGETS.find((one) => one.name === name)
  if (target === undefined) throw new RangeError(`no target is called ${name}`)
  return target
}
