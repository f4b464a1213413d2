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
import type { ShareSpace } from "../relationships/share-space.ts"
import type { CustomerRecord } from "./vendor-records.ts"

/** What came with the connect message: the first place, and whose it is. */
type OwnPlace = SharePlaceNote & Pick<CustomerRecord, "accessSeed" | "relationshipKey">

/** What the share says since. */
interface PlacesTold extends Pick<ShareSpace, "placesOf" | "renewalsOf" | "toldKey"> {
  readonly personKeys: Pick<PersonKeys, "claimants" | "lineage" | "isFrozen">
}

const MS_PER_SECOND = 1000
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
  const keys = [...claimants.slice(0, CLAIMED_MAX), ...earlier, relationshipKey]
  const renewals = keys.flatMap((key) => space.renewalsOf(key))
  return [...served.values()].map((place) => longestOpen(record, place, renewals))
}

/** A place as it was told, or as it was told again if that is good for longer. */
function longestOpen(
  record: OwnPlace,
  place: SharePlaceNote,
  renewals: readonly SharePlaceNote[],
): SharePlaceNote {
  const again = renewals.filter(({ mailbox }) => equalBytes(mailbox, place.mailbox))
  const endOf = (one: SharePlaceNote) => usableUntil(record, one) ?? 0
  return again.reduce((best, one) => (endOf(one) > endOf(best) ? one : best), place)
}

/** What was found of places before. */
const ends = new WeakMap<SharePlaceNote, { readonly until: number | undefined }>()

function isUsable(record: OwnPlace, place: SharePlaceNote): boolean {
  return usableUntil(record, place) !== undefined
}

function usableUntil({ accessSeed }: OwnPlace, place: SharePlaceNote): number | undefined {
  const known = ends.get(place) ?? { until: endOf(place, signingKeyFromSeed(accessSeed).publicKey) }
  ends.set(place, known)
  return known.until
}

/** Whether both capabilities are for this mailbox and for this holder, and have not ended. */
export function mayUsePlace(place: SharePlaceNote, holder: PublicKey, nowMs: number): boolean {
  const until = endOf(place, holder)
  return until !== undefined && nowMs <= until * MS_PER_SECOND
}

/** When the first of both ends, in seconds since 1970; `undefined`: they are not for this mailbox and holder. */
function endOf(
  { mailbox, appendCapability, readCapability }: SharePlaceNote,
  holder: PublicKey,
): number | undefined {
  const until = (encoded: Uint8Array, wanted: MailboxRight): number => {
    const capability = verifyCapability(encoded, 0)
    const isHers = equalBytes(capability.mailbox, mailbox) && equalBytes(capability.holder, holder)
    return isHers && capability.right === wanted ? capability.notAfter : Number.NEGATIVE_INFINITY
  }
  try {
    const end = Math.min(until(appendCapability, "append"), until(readCapability, "read"))
    return end < 0 ? undefined : end
  } catch (error) {
    if (error instanceof LogError) return undefined
    throw error
  }
}
