/**
 * Where a customer's share lies, as its vendor was told.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { type PublicKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { LogError } from "@fulcrum/log/log-error"
import { type MailboxRight, verifyCapability } from "@fulcrum/log/mailbox"
import type { SharePlaceNote } from "@fulcrum/relations/share-key"
import type { ShareSpace } from "./share-space.ts"
import type { CustomerRecord } from "./vendor-records.ts"

/** Mailboxes of one share that are read. */
const PLACES_MAX = 4

/**
 * Where a share lies: in the place of the key that speaks for the person, and before that where those
 * that it followed did, the newest first. Where two claim to be the next one, in the places of both.
 */
export function customerPlaces(
  record: CustomerRecord,
  space: Pick<ShareSpace, "personKeys" | "placeOf">,
): readonly SharePlaceNote[] {
  const toldOf = (key: Uint8Array): readonly SharePlaceNote[] => {
    const place = space.placeOf(key)
    return place !== undefined && isUsable(record, place) ? [place] : []
  }
  const { newest, lineage } = space.personKeys
  const isNewest = (key: Uint8Array) => newest.some((one) => equalBytes(one, key))
  return [...newest, ...lineage.filter((key) => !isNewest(key))]
    .flatMap((key) => (equalBytes(key, record.relationshipKey) ? [record] : toldOf(key)))
    .slice(0, PLACES_MAX)
}

/** What was found of places before. */
const usable = new WeakMap<SharePlaceNote, boolean>()

function isUsable({ accessSeed }: CustomerRecord, place: SharePlaceNote): boolean {
  const known = usable.get(place) ?? mayUsePlace(place, signingKeyFromSeed(accessSeed).publicKey)
  usable.set(place, known)
  return known
}

/**
 * Whether both capabilities are for this mailbox and for this holder.
 *
 * @param nowMs - Absent: whether or not they have ended.
 */
export function mayUsePlace(
  { mailbox, appendCapability, readCapability }: SharePlaceNote,
  holder: PublicKey,
  nowMs = 0,
): boolean {
  const gives = (encoded: Uint8Array, wanted: MailboxRight): boolean => {
    const capability = verifyCapability(encoded, nowMs)
    const isHers = equalBytes(capability.mailbox, mailbox)
    return capability.right === wanted && isHers && equalBytes(capability.holder, holder)
  }
  try {
    return gives(appendCapability, "append") && gives(readCapability, "read")
  } catch (error) {
    if (error instanceof LogError) return false
    throw error
  }
}
