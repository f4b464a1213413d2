/**
 * Where a share lies: in a mailbox for each key that speaks for the person, so that whoever had an
 * earlier key only, as a removed device has, can neither open it nor see that there is anything in it.
 *
 * The first place is drawn with the relationship; a later one is drawn from the seed of the key that it
 * belongs to, so all own devices know it from the record. The company is told of it in the key span in
 * which that key succeeds the one before, with capabilities for the access key that it has had since
 * connecting; that key span lies in the earlier place too, to which own devices bring what there is until
 * the company says that it knows the new key.
 *
 * Source: DESIGN, "Meeting" (when a device is removed the shares' capabilities are replaced).
 *
 * @module
 */
import { bytesToHex, equalBytes, hexToBytes } from "@fulcrum/codec/bytes"
import { contexts } from "@fulcrum/crypto/contexts"
import { type SigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { hkdf } from "@fulcrum/crypto/hash"
import { mailboxName } from "@fulcrum/log/mailbox"
import { RENEWED_PLACES_MAX } from "@fulcrum/relations/share-key"
import type { RelationshipSecrets } from "../items/record-state.ts"
import type { OpenRelationship } from "./relationships.ts"

/** Seeds, 32 bytes each. */
export interface PlaceSeeds {
  /** Of the key that names the mailbox and signs its capabilities. */
  readonly mailboxSeed: Uint8Array
  /** Of the key that own devices open it with. */
  readonly accessSeed: Uint8Array
}

export interface SharePlace {
  /** Tells it from the others of its relationship; absent: the first. */
  readonly name: string | undefined
  seeds(): PlaceSeeds
}

const NOTHING = new Uint8Array(0)
const SEED_BYTES = 32

/** The place that belongs to a key which succeeded the first. */
export function drawPlace(signingSeed: Uint8Array): PlaceSeeds {
  const drawn = hkdf(contexts.shareMailbox, signingSeed, NOTHING, NOTHING, 2 * SEED_BYTES)
  return { mailboxSeed: drawn.slice(0, SEED_BYTES), accessSeed: drawn.slice(SEED_BYTES) }
}

/** Where a share lies now, and where it lay before, the newest first. */
export function placesOf({ key, space, secrets }: OpenRelationship): {
  readonly newest: readonly SharePlace[]
  readonly earlier: readonly SharePlace[]
} {
  const placeOf = (one: SigningKey): SharePlace =>
    equalBytes(one.publicKey, key.publicKey)
      ? { name: undefined, seeds: () => secrets.item }
      : { name: bytesToHex(one.publicKey), seeds: () => drawPlace(one.seed) }
  return { newest: space.ownKeys.map(placeOf), earlier: space.earlierKeys.map(placeOf) }
}

/**
 * Of the earlier places, where the company reads for certain until it says that it knows the newest key:
 * that of the key which it named last. Those before it a device that was removed earlier may watch.
 */
export function whereHeard(
  { key, space }: OpenRelationship,
  earlier: readonly SharePlace[],
): readonly SharePlace[] {
  const told = space.newestKeys?.keys ?? [key.publicKey]
  const [only, ...others] = told
  if (only === undefined || others.length > 0) return earlier
  const name = equalBytes(only, key.publicKey) ? undefined : bytesToHex(only)
  const there = earlier.filter((place) => place.name === name)
  // It names one that is not hers, or that this device does not know yet.
  return there.length > 0 ? there : earlier
}

/**
 * The places in which a company may read: the newest, those before it, the nearest first, and the first of
 * all; with the key that each belongs to. At most as many as are renewed at once.
 */
export function placesInUse(
  relationship: OpenRelationship,
): readonly { readonly place: SharePlace; readonly key: Uint8Array }[] {
  const { newest, earlier } = placesOf(relationship)
  const all = [...newest, ...earlier]
  const [first] = all.slice(-1)
  const some = new Set([...all.slice(0, RENEWED_PLACES_MAX - 1), ...(first ? [first] : [])])
  const keyOf = ({ name }: SharePlace) =>
    name === undefined ? relationship.key.publicKey : hexToBytes(name)
  return [...some].map((place) => ({ place, key: keyOf(place) }))
}

/** Whether a relationship's share lies, or lay, in the mailbox of this name. */
export function isPlaceOf({ item, successors }: RelationshipSecrets, mailbox: Uint8Array): boolean {
  const seeds = [item, ...successors.map(({ signingSeed }) => drawPlace(signingSeed))]
  return seeds.some(({ mailboxSeed }) =>
    equalBytes(mailbox, mailboxName(signingKeyFromSeed(mailboxSeed).publicKey)),
  )
}
