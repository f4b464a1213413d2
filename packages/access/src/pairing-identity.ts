/**
 * The existing device's proof, in a pairing by scanned code, that it is the one that showed the code.
 *
 * Canonical CBOR `[writer, signature]`, sealed: the Ed25519 key whose fingerprint the code has, and
 * that key's signature over the canonical CBOR array of session id, commitment and both CPace shares.
 * It is sealed under a key made of the code's secret and of the same array: a stranger on the line
 * learns no key that is known elsewhere.
 *
 * Why, when both know a secret of 32 bytes that nobody guesses: a screen can be photographed. Who has
 * the secret could stand in between, and only people who compare the check words would notice. Who
 * stands in between has a CPace share of its own in at least one of the two runs; the existing device
 * signs its own run alone, so the guest finds no signature over the shares that it saw, and ends
 * before it has said anything of itself. The other way round nothing is proved: whoever comes first is
 * asked about on the existing device, by name and check words, as with a typed code.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { encodeCbor } from "@fulcrum/codec/cbor"
import { bytes, encodeAs, type Schema, struct } from "@fulcrum/codec/schema"
import { open, seal } from "@fulcrum/crypto/aead"
import { contexts } from "@fulcrum/crypto/contexts"
import {
  type PublicKey,
  SIGNATURE_BYTES,
  type SigningKey,
  sign,
  verify,
} from "@fulcrum/crypto/ed25519"
import { hkdf } from "@fulcrum/crypto/hash"
import { orRefuse, publicKeySchema, readAs } from "./read.ts"
import { fingerprintOf, type ScannedCode } from "./scanned-code.ts"

/** Bytes of a sealed proof: 102 and the seal's 16, with room. */
export const SEALED_IDENTITY_BYTES_MAX = 160

/** What went over the line in a run's first two messages. */
export interface RunSaid {
  readonly sessionId: Uint8Array
  readonly commitment: Uint8Array
  readonly guestShare: Uint8Array
  readonly hostShare: Uint8Array
}

interface Identity {
  readonly writer: PublicKey
  readonly signature: Uint8Array
}

/** Each key seals once: the shares of a run are its own. */
const NONCE = new Uint8Array(12)
const EMPTY = new Uint8Array(0)

const identitySchema: Schema<Identity> = struct({
  writer: publicKeySchema,
  signature: bytes(SIGNATURE_BYTES),
})

export function proveIdentity(
  { secret }: ScannedCode,
  writer: SigningKey,
  said: RunSaid,
): Uint8Array {
  const message = messageOf(said)
  const signature = sign(contexts.pairIdentitySignature, writer, message)
  const plaintext = encodeAs(identitySchema, { writer: writer.publicKey, signature })
  return seal({ key: keyOf(secret, message), nonce: NONCE, aad: EMPTY, plaintext })
}

/** Whether the device whose code was scanned is at the other end of this run. */
export function hasIdentity(code: ScannedCode, sealed: Uint8Array, said: RunSaid): boolean {
  const message = messageOf(said)
  const identity = orRefuse(() => {
    const key = keyOf(code.secret, message)
    const opened = open({ key, nonce: NONCE, aad: EMPTY, sealed })
    return readAs(identitySchema, opened, { bytesMax: SEALED_IDENTITY_BYTES_MAX })
  })
  return (
    identity !== undefined &&
    equalBytes(fingerprintOf(identity.writer), code.fingerprint) &&
    verify(contexts.pairIdentitySignature, identity.writer, message, identity.signature)
  )
}

function messageOf({ sessionId, commitment, guestShare, hostShare }: RunSaid): Uint8Array {
  return encodeCbor([sessionId, commitment, guestShare, hostShare])
}

function keyOf(secret: Uint8Array, message: Uint8Array): Uint8Array {
  return hkdf(contexts.pairIdentity, secret, EMPTY, message, 32)
}
