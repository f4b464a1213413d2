/**
 * Writer certificates of a share space: who may write in which lane.
 *
 * Each incarnation that writes to a share has a key of its own, a pseudonym that names no device.
 * Its begin entry carries a signature over (space tag, incarnation, writer key):
 *
 * | lane   | bytes | signed by                                                                |
 * | ------ | ----: | ------------------------------------------------------------------------ |
 * | person |    64 | the relationship's first key, whose `did:key` the agreement names        |
 * | person |    96 | a later one (`successor.ts`): the key itself, then its signature         |
 * | vendor |    64 | the vendor's key                                                         |
 *
 * A certificate by a later key shows that whoever has this key let the writer in. Whether that key
 * speaks for the person is another question, which `person-keys.ts` answers.
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

/** Whose writer it is, and the key that certified it. */
export interface CertifiedWriter {
  readonly lane: Lane
  readonly by: Uint8Array
}

export function certifyWriter(lane: Lane, key: SigningKey, claim: WriterClaim): Uint8Array {
  return sign(laneContexts[lane], key, claimBytes(claim))
}

/** For the person's lane, by a key that succeeded the relationship's first. */
export function certifyLaterWriter(key: SigningKey, claim: WriterClaim): Uint8Array {
  return concatBytes([key.publicKey, sign(laneContexts.person, key, claimBytes(claim))])
}

/** Whom the certificate admits, and to which lane; `undefined`: nobody. */
export function certifiedWriter(
  keys: LaneKeys,
  claim: WriterClaim,
  certificate: Uint8Array,
): CertifiedWriter | undefined {
  const bytes = claimBytes(claim)
  const isBy = (lane: Lane, by: Uint8Array, signature: Uint8Array) =>
    verify(laneContexts[lane], by, bytes, signature)
  if (certificate.length === LATER_BYTES) {
    const by = certificate.slice(0, KEY_BYTES)
    return isBy("person", by, certificate.subarray(KEY_BYTES)) ? { lane: "person", by } : undefined
  }
  if (isBy("person", keys.person, certificate)) return { lane: "person", by: keys.person }
  if (isBy("vendor", keys.vendor, certificate)) return { lane: "vendor", by: keys.vendor }
  return undefined
}

const KEY_BYTES = 32
const LATER_BYTES = KEY_BYTES + 64

const laneContexts = { person: contexts.personWriter, vendor: contexts.vendorWriter } as const

/** All three have fixed lengths, so joining them is unambiguous. */
function claimBytes({ spaceTag, incarnation, writer }: WriterClaim): Uint8Array {
  if (spaceTag.length !== 32 || incarnation.length !== 16 || writer.length !== 32) {
    throw new RangeError("a writer claim is of 32, 16 and 32 bytes")
  }
  return concatBytes([spaceTag, incarnation, writer])
}
