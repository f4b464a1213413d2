/**
 * Where a customer's share lies, as its vendor was told.
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import { type PublicKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { LogError } from "@fulcrum/log/log-error"
import { type MailboxRight, verifyCapability } from "@fulcrum/log/mailbox"
import type { PersonKeys } from "@fulcrum/relations/person-keys"
import type { SharePlaceNote } from "@fulcrum/relations/share-key"
import type { ShareSpace } from "./share-space.ts"
import type { CustomerRecord } from "./vendor-records.ts"

/** What came with the connect message: the first place, and whose it is. */
type OwnPlace = SharePlaceNote & Pick<CustomerRecord, "accessSeed" | "relationshipKey">

/** What the share says since. */
interface PlacesTold extends Pick<ShareSpace, "placesOf" | "toldKey"> {
  readonly personKeys: Pick<PersonKeys, "claimants" | "lineage" | "isFrozen">
}

/** Of several that claim to be the next key, as many are heard in places of their own. */
const CLAIMED_MAX = 32
/** Of earlier keys; a person removes fewer devices in a lifetime, and where none can be made, as many fail. */
const EARLIER_MAX = 32

/**
 * Where a share lies: in the place of the key that speaks for the person, and before that where those
 * that it followed did, the newest first. Where two claim to be the next one, in the places of both, and
 * always of the key that the person was told last: there she listens, however many claim to be she.
 */
export function customerPlaces(record: OwnPlace, space: PlacesTold): readonly SharePlaceNote[] {
  const { relationshipKey } = record
  const toldOf = (key: Uint8Array): readonly SharePlaceNote[] =>
    equalBytes(key, relationshipKey)
      ? [record]
      : space.placesOf(key).filter((place) => isUsable(record, place))
  const { claimants, lineage, isFrozen } = space.personKeys
  const told = isFrozen ? [space.toldKey ?? relationshipKey] : []
  const claimed = claimants.filter((key) => toldOf(key).length > 0).slice(0, CLAIMED_MAX)
  const earlier = [...lineage.slice(0, EARLIER_MAX), ...lineage.slice(-1)]
  // What a mailbox is opened with is the word of the key that it came with, whoever names it again.
  const first = new Map<string, SharePlaceNote>()
  for (const place of [relationshipKey, ...earlier.toReversed(), ...told].flatMap(toldOf)) {
    const name = bytesToHex(place.mailbox)
    if (!first.has(name)) first.set(name, place)
  }
  const all = [...told, ...claimed, ...earlier, ...(isFrozen ? [relationshipKey] : [])]
  const served = new Map<string, SharePlaceNote>()
  for (const place of all.flatMap(toldOf)) {
    const name = bytesToHex(place.mailbox)
    served.set(name, first.get(name) ?? place)
  }
  return [...served.values()]
}

/** What was found of places before. */
const usable = new WeakMap<SharePlaceNote, boolean>()

function isUsable({ accessSeed }: OwnPlace, place: SharePlaceNote): boolean {
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
