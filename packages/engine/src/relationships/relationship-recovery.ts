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
import { unwrap, type WrapKey, wrap } from "@fulcrum/crypto/wrap"
import type { RelationshipSecrets } from "../items/record-state.ts"
import type { Step } from "../ledger/ledger-step.ts"
import type { OpenRelationship } from "./relationships.ts"

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
  // All of them: a hostile device may have added some, to be tried in place of hers.
  for (const sealed of [item.recovery, ...recoveries]) {
    try {
      return unwrap({ context, key, aad: first, sealed })
    } catch (cause) {
      if (!(cause instanceof SealError)) throw cause
    }
  }
  return undefined
}

/** Whether these words decide where a company knows of two keys that claim to be hers. */
export function isDecidedBy({ secrets, key }: OpenRelationship, words: WrapKey): boolean {
  return openRecoverySeed(secrets, key.publicKey, words) !== undefined
}

/** Wraps, as part of a step, what the old words open and the new ones do not to the new ones too. */
export function rewrapRecoveries(
  step: Step,
  relationships: readonly OpenRelationship[],
  { from, to, random }: { readonly from: WrapKey; readonly to: WrapKey; readonly random: Random },
): void {
  for (const { secrets, key } of relationships) {
    const plaintext = openRecoverySeed(secrets, key.publicKey, from)
    const isHere = openRecoverySeed(secrets, key.publicKey, to) !== undefined
    if (plaintext === undefined || isHere) continue
    const context = contexts.relationshipRecovery
    const aad = key.publicKey
    const recovery = wrap({ context, to: to.publicKey, aad, plaintext, random })
    const value = { relationship: secrets.item.id, recovery }
    step.add({ kind: "recoveryRewrapped", value })
  }
}
