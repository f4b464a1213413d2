/**
 * Rotating a share: another key for it, wrapped once for its vendor, and with it what the vendor is
 * told of the relationship's own key. The record's entry and the share's are one atomic write.
 *
 * Source: DESIGN, "Keys" (removing a device also replaces every relationship's signing key);
 * `relations/successor.ts`.
 *
 * @module
 */
import { compareBytes, concatBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { contexts } from "@fulcrum/crypto/contexts"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { hkdf } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import { SealError } from "@fulcrum/crypto/seal-error"
import type { WrapKey } from "@fulcrum/crypto/wrap"
import { type EpochKey, epochIdSchema, epochKeySchema } from "@fulcrum/log/ids"
import type { MailboxRight } from "@fulcrum/log/mailbox"
import { personLane } from "@fulcrum/relations/lane"
import { keptWrapKey } from "@fulcrum/relations/request"
import {
  type ShareKeyNews,
  type SharePlaceNote,
  shareKeyBody,
  wrapShareKey,
} from "@fulcrum/relations/share-key"
import { makeSuccessor, signDecision } from "@fulcrum/relations/successor"
import { EngineError } from "../failures/engine-error.ts"
import type { AccessRow, RelationshipItem } from "../items/relationship-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import { ownCapability } from "../mailboxes/record-link.ts"
import type { EpochSecret } from "../membership/membership.ts"
import {
  currentEpoch,
  keysOfEpochs,
  type RemovalKeys,
  removalEpochs,
} from "../membership/removal-keys.ts"
import { storedPublicKey } from "../membership/stored-public-key.ts"
import { openRecoverySeed } from "./relationship-recovery.ts"
import type { OpenRelationship } from "./relationships.ts"
import { drawPlace, placesInUse } from "./share-places.ts"

export interface Rotated {
  readonly ledger: Ledger
  readonly relationship: OpenRelationship
  readonly random: Random
  readonly clock: Clock
  /** What successors are drawn from: {@link successorSecret}; absent: it is gathered here. */
  readonly secret?: Uint8Array | undefined
}

/**
 * Replaces a relationship's key, as part of a step, by one that no removed device can draw, and the
 * share's place with it. One whose company has no key that anything could be wrapped for, as only a
 * hostile device writes it down, is passed over: nobody could be told.
 *
 * @returns Which place its company may open from now on.
 */
export function succeed(step: Step, rotated: Rotated): readonly AccessRow[] {
  const { relationship, random, clock } = rotated
  const { item } = relationship.secrets
  const old = relationship.space.ownKeys
  const signingSeed = successorSeed(
    rotated,
    old.map(({ publicKey }) => publicKey),
  )
  const key = signingKeyFromSeed(signingSeed)
  const { mailboxSeed } = drawPlace(signingSeed)
  const hasRotated = rotate(step, rotated, (clear) => {
    const { spaceTag } = item
    const seen = relationship.space.personRows
    const { encoded, statement } = makeSuccessor({ old, key, seen, spaceTag, clear })
    const value = { relationship: item.id, signingSeed, statement: encoded }
    step.add({ kind: "successor", value })
    relationship.expect(encoded, { key, statement })
    return { statement: encoded, place: placeNote(mailboxSeed, { item, random, clock }) }
  })
  return hasRotated ? [{ relationship: item.id, key: key.publicKey }] : []
}

/**
 * Gives the company longer to open the mailbox that its share lies in, and with it the share another key.
 * The earlier places too: where the relay made no other mailbox, the share lies in one of them.
 *
 * @returns Which places those are.
 */
export function renewAccess(step: Step, rotated: Omit<Rotated, "secret">): readonly AccessRow[] {
  const { relationship, random, clock } = rotated
  const { item } = relationship.secrets
  const inUse = placesInUse(relationship)
  const places = inUse.map(({ place }) =>
    placeNote(place.seeds().mailboxSeed, { item, random, clock }),
  )
  const hasRotated = rotate(step, rotated, () => ({ places }))
  return hasRotated ? inUse.map(({ key }) => ({ relationship: item.id, key })) : []
}

/**
 * Says to a vendor that has two successors of one key which one counts: this record's own.
 *
 * @param wrapKey - The recovery words' key, which opens the relationship's recovery key.
 * @throws {EngineError} `RELATIONSHIP_NOT_FROZEN`, `RECOVERY_WORDS_OTHER`.
 */
export function decide(
  step: Step,
  rotated: Omit<Rotated, "clock"> & { readonly wrapKey: WrapKey },
): void {
  const { relationship, wrapKey } = rotated
  const { key: first, space } = relationship
  const { spaceTag } = relationship.secrets.item
  const [chosen] = space.ownKeys
  const asked = space.newestKeys
  if (chosen === undefined || asked === undefined || asked.keys.length === 1) {
    throw new EngineError("RELATIONSHIP_NOT_FROZEN", "this company knows of one key of hers")
  }
  const seed = openRecoverySeed(relationship.secrets, first.publicKey, wrapKey)
  if (seed === undefined) {
    throw new EngineError("RECOVERY_WORDS_OTHER", "these words do not decide about this company")
  }
  const recovery = signingKeyFromSeed(seed)
  rotate(step, rotated, (clear) => ({
    decision: signDecision({
      ...{ spaceTag, clear, recovery },
      chosen: chosen.publicKey,
      number: asked.number,
    }),
  }))
}

/**
 * Goes on under the newest key where this device's line has what an earlier one let in, and nobody
 * who replaced it had seen: it was away, and only its going on shows that this is hers.
 */
export function standBy(step: Step, { space }: OpenRelationship): void {
  if (!space.isOrphaned) return
  const entries = step.append(space.replica, [personLane.encode([])])
  step.after(() => space.absorb(entries))
}

/** @returns Whether there is anybody to tell. */
function rotate(
  step: Step,
  { relationship, random }: Pick<Rotated, "relationship" | "random">,
  news: (clear: Uint8Array) => ShareKeyNews,
): boolean {
  const { item, epochKeys } = relationship.secrets
  const { id } = item
  const { space } = relationship
  const epochKey = epochKeySchema.decode(random.bytes(32))
  const previous = space.currentEpoch ?? epochIdSchema.decode(item.epoch)
  const clear = wrapFor(item, epochKey, random)
  if (clear === undefined) return false
  const staged = space.replica.stageKey({
    epoch: { key: epochKey },
    clear,
    body: shareKeyBody(news(clear)),
    follows: epochKeys.size === 0 ? [] : [previous],
  })
  step.join(space.replica, staged)
  step.add({ kind: "shareEpoch", value: { relationship: id, epoch: staged.epochId, epochKey } })
  step.after(() => space.absorb(staged.entries))
  return true
}

/** @returns `undefined`: nothing can be wrapped for what stands for the vendor's key. */
function wrapFor(
  { request, spaceTag }: RelationshipItem,
  epochKey: EpochKey,
  random: Random,
): Uint8Array | undefined {
  const to = keptWrapKey(request)
  if (to === undefined) return undefined
  try {
    return wrapShareKey({ epochKey, spaceTag, to, random })
  } catch (error) {
    if (error instanceof SealError) return undefined
    throw error
  }
}

/** What the vendor is told of a place. */
function placeNote(
  mailboxSeed: Uint8Array,
  { item, random, clock }: Pick<Rotated, "random" | "clock"> & { readonly item: RelationshipItem },
): SharePlaceNote {
  const mailboxKey = signingKeyFromSeed(mailboxSeed)
  const holder = { publicKey: storedPublicKey(item.vendorAccess) }
  const capability = (right: MailboxRight) =>
    ownCapability({ mailboxKey, holder, right, random, clock })
  return {
    mailbox: mailboxKey.publicKey,
    appendCapability: capability("append"),
    readCapability: capability("read"),
  }
}

/**
 * The same for all devices that know of the same removals and are in the same epoch. A removed
 * device lacks the key of its own removal; two that were removed at the same time may have each
 * other's, and lack that of the epoch which follows both.
 */
function successorSeed(
  { ledger, relationship, random, secret = successorSecret(ledger) }: Rotated,
  old: readonly Uint8Array[],
): Uint8Array {
  if (secret === undefined) return random.bytes(32)
  const { id } = relationship.secrets.item
  return hkdf(contexts.successorSeed, secret, id, concatBytes(old.toSorted(compareBytes)), 32)
}

/**
 * The keys that a removed device lacks.
 *
 * @param pending - The epoch of a removal that is written with it. @returns `undefined`: this device lacks one.
 */
export function successorSecret(ledger: Ledger, pending?: EpochSecret): Uint8Array | undefined {
  const parts: RemovalKeys = { membership: ledger.membership, pending }
  const current = currentEpoch(parts)
  const keys = keysOfEpochs(parts, [...removalEpochs(parts), ...(current ? [current] : [])])
  return keys === undefined || keys.length === 0 ? undefined : concatBytes(keys)
}
