/**
 * The recovery key of each relationship, which decides where a company knows of two keys that claim to be
 * hers: it is wrapped to the recovery words alone, so that no device can use it. When the words are replaced
 * it can go over to the new ones only with the old ones at hand.
 *
 * Source: DESIGN, "Keys" (two successors of one key freeze it until the recovery key decides).
 *
 * @module
 */
import { contexts } from "@fulcrum/crypto/contexts"
import type { Random } from "@fulcrum/crypto/random"
import { SealError } from "@fulcrum/crypto/seal-error"
import { unwrap, type WrapKey, type WrapPublicKey, wrap } from "@fulcrum/crypto/wrap"
import type { Step } from "./ledger-step.ts"
import type { RelationshipSecrets } from "./record-state.ts"
import type { OpenRelationship } from "./relationships.ts"

/** Wraps of one key that are tried: one comes with each change of words, a hostile device may add some. */
const TRIED_MAX = 64

/**
 * @param first - The relationship's first public key.
 * @returns The recovery key's seed, 32 bytes; `undefined`: it is wrapped to other words.
 */
export function openRecoverySeed(
  { item, recoveries }: RelationshipSecrets,
  first: Uint8Array,
  key: WrapKey,
): Uint8Array | undefined {
  const context = contexts.relationshipRecovery
  for (const sealed of [item.recovery, ...recoveries].slice(0, TRIED_MAX)) {
    try {
      return unwrap({ context, key, aad: first, sealed })
    } catch (cause) {
      if (!(cause instanceof SealError)) throw cause
    }
  }
  return undefined
}

/** Wraps, as part of a step, what the old words open to the new ones too. */
export function rewrapRecoveries(
  step: Step,
  relationships: readonly OpenRelationship[],
  { from, to, random }: { from: WrapKey; to: WrapPublicKey; random: Random },
): void {
  for (const { secrets, key } of relationships) {
    const plaintext = openRecoverySeed(secrets, key.publicKey, from)
    if (plaintext === undefined) continue
    const context = contexts.relationshipRecovery
    const recovery = wrap({ context, to, aad: key.publicKey, plaintext, random })
    const value = { relationship: secrets.item.id, recovery }
    step.add({ kind: "recoveryRewrapped", value })
  }
}
