/**
 * Writer certificates of a share space: who may write in which lane.
 *
 * Each incarnation that writes to a share has a key of its own, a pseudonym that names no device.
 * Its begin entry carries 64 bytes: a signature over (space tag, incarnation, writer key), by the
 * relationship's key for the person's lane, by the vendor's key for the vendor's.
 *
 * Source: DESIGN, "Keys" (writer pseudonyms).
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { contexts } from "@fulcrum/crypto/contexts"
import { type SigningKey, sign, verify } from "@fulcrum/crypto/ed25519"

export type Lane = "person" | "vendor"

/** What a certificate ties together; 32, 16 and 32 bytes. */
export interface WriterClaim {
  readonly spaceTag: Uint8Array
  readonly incarnation: Uint8Array
  readonly writer: Uint8Array
}

/** The two keys that certify a share's writers. */
export interface LaneKeys {
  readonly person: Uint8Array
  readonly vendor: Uint8Array
}

export function certifyWriter(lane: Lane, key: SigningKey, claim: WriterClaim): Uint8Array {
  return sign(laneContexts[lane], key, claimBytes(claim))
}

/** The lane that the certificate admits the writer to; `undefined` if to none. */
export function writerLane(
  keys: LaneKeys,
  claim: WriterClaim,
  certificate: Uint8Array,
): Lane | undefined {
  const bytes = claimBytes(claim)
  if (verify(laneContexts.person, keys.person, bytes, certificate)) return "person"
  if (verify(laneContexts.vendor, keys.vendor, bytes, certificate)) return "vendor"
  return undefined
}

const laneContexts = { person: contexts.personWriter, vendor: contexts.vendorWriter } as const

/** All three have fixed lengths, so joining them is unambiguous. */
function claimBytes({ spaceTag, incarnation, writer }: WriterClaim): Uint8Array {
  if (spaceTag.length !== 32 || incarnation.length !== 16 || writer.length !== 32) {
    throw new RangeError("a writer claim is of 32, 16 and 32 bytes")
  }
  return concatBytes([spaceTag, incarnation, writer])
}
