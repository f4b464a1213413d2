/**
 * The messages of pairing. Each is canonical CBOR `[version, least, kind, payload]`: the newest
 * and the oldest version that its sender speaks, a number and bytes. That frame never changes, so
 * that two programs of any age can tell each other that they do not fit.
 *
 * | kind | message      | from  | payload                                                      |
 * | ---: | ------------ | ----- | ------------------------------------------------------------ |
 * |    0 | hello        | guest | `[session id, commitment, CPace share]`                      |
 * |    1 | reply        | host  | `[CPace share, CPace proof]`                                 |
 * |    2 | claim        | guest | `[session id, nonce, CPace proof, sealed certificate]`       |
 * |    3 | asking       | host  | `[sealed name and addresses]`: the person is being asked     |
 * |    4 | package      | host  | `[sealed package]`                                           |
 * |    5 | acknowledged | guest | `[HMAC]`: the package is on the guest's disk                 |
 * |    6 | failed       | both  | `[code]`, a place in `FAILURES`                              |
 * |    7 | scanned      | guest | as hello, of who has scanned the code                        |
 * |    8 | identified   | host  | `[CPace share, CPace proof, sealed identity]`, to scanned    |
 *
 * A code that is typed and one that is scanned differ in the first two messages alone: which secret is
 * the CPace password is the guest's to say, once, in its only guess.
 *
 * @module
 */
import { bytes, bytesMax, encodeAs, type Schema, struct, uint } from "@fulcrum/codec/schema"
import { CPACE_PROOF_BYTES, CPACE_SHARE_BYTES } from "@fulcrum/crypto/cpace"
import type { PairingFailure } from "./access-error.ts"
import { SEALED_IDENTITY_BYTES_MAX } from "./pairing-identity.ts"
import { PACKAGE_BYTES_MAX } from "./pairing-package.ts"
import { readAs } from "./read.ts"

export const PAIRING_VERSION = 1
export const PAIRING_LEAST_VERSION = 1

export const SESSION_ID_BYTES = 16
export const PAIRING_NONCE_BYTES = 32

/** Bytes of one message: a package, sealed twice. */
export const PAIRING_MESSAGE_BYTES_MAX: number = PACKAGE_BYTES_MAX + 4096

export interface Frame {
  readonly version: number
  readonly least: number
  readonly kind: number
  readonly payload: Uint8Array
}

export type PairingMessage =
  | { readonly kind: "hello"; readonly value: Hello }
  | { readonly kind: "scanned"; readonly value: Hello }
  | { readonly kind: "reply"; readonly value: Reply }
  | { readonly kind: "identified"; readonly value: Identified }
  | { readonly kind: "claim"; readonly value: Claim }
  | { readonly kind: "asking"; readonly value: { readonly sealed: Uint8Array } }
  | { readonly kind: "package"; readonly value: { readonly sealed: Uint8Array } }
  | { readonly kind: "acknowledged"; readonly value: { readonly proof: Uint8Array } }
  | { readonly kind: "failed"; readonly value: { readonly code: number } }

export interface Hello {
  readonly sessionId: Uint8Array
  readonly commitment: Uint8Array
  readonly share: Uint8Array
}

export interface Reply {
  readonly share: Uint8Array
  readonly proof: Uint8Array
}

export interface Identified extends Reply {
  /** `proveIdentity`. */
  readonly sealed: Uint8Array
}

export interface Claim {
  readonly sessionId: Uint8Array
  readonly nonce: Uint8Array
  readonly proof: Uint8Array
  readonly sealed: Uint8Array
}

/** What one side may tell the other, by place. New codes are added at the end. */
const FAILURES: readonly PairingFailure[] = [
  "PAIR_CODE_WRONG",
  "PAIR_CODE_USED",
  "PAIR_CODE_EXPIRED",
  "PAIR_VERSION",
  "PAIR_REFUSED",
]

const frameSchema: Schema<Frame> = struct({
  version: uint(65_535),
  least: uint(65_535),
  kind: uint(255),
  payload: bytesMax(PAIRING_MESSAGE_BYTES_MAX),
})

const hello: Schema<Hello> = struct({
  sessionId: bytes(SESSION_ID_BYTES),
  commitment: bytes(32),
  share: bytes(CPACE_SHARE_BYTES),
})
const replyFields = { share: bytes(CPACE_SHARE_BYTES), proof: bytes(CPACE_PROOF_BYTES) }
const reply: Schema<Reply> = struct(replyFields)
const identified: Schema<Identified> = struct({
  ...replyFields,
  sealed: bytesMax(SEALED_IDENTITY_BYTES_MAX),
})
const claim: Schema<Claim> = struct({
  sessionId: bytes(SESSION_ID_BYTES),
  nonce: bytes(PAIRING_NONCE_BYTES),
  proof: bytes(CPACE_PROOF_BYTES),
  sealed: bytesMax(2048),
})
const asking = struct({ sealed: bytesMax(16 * 1024) })
const sealedPackage = struct({ sealed: bytesMax(PAIRING_MESSAGE_BYTES_MAX) })
const acknowledged = struct({ proof: bytes(32) })
const failed = struct({ code: uint(255) })

export function encodePairingMessage(message: PairingMessage): Uint8Array {
  const [kind, payload] = encodePayload(message)
  return encodeAs(frameSchema, {
    version: PAIRING_VERSION,
    least: PAIRING_LEAST_VERSION,
    kind,
    payload,
  })
}

/** @throws {AccessError} `ACCESS_MALFORMED`. */
export function readFrame(encoded: Uint8Array): Frame {
  return readAs(frameSchema, encoded, { bytesMax: PAIRING_MESSAGE_BYTES_MAX })
}

/** Whether a program of that age and this one have a version in common. */
export function isVersionShared({ version, least }: Frame): boolean {
  return least <= PAIRING_VERSION && version >= PAIRING_LEAST_VERSION
}

/** @returns `undefined` for a kind that this version does not know. */
export function readPayload({ kind, payload }: Frame): PairingMessage | undefined {
  const limits = { bytesMax: PAIRING_MESSAGE_BYTES_MAX }
  switch (kind) {
    case 0:
      return { kind: "hello", value: readAs(hello, payload, limits) }
    case 1:
      return { kind: "reply", value: readAs(reply, payload, limits) }
    case 2:
      return { kind: "claim", value: readAs(claim, payload, limits) }
    case 3:
      return { kind: "asking", value: readAs(asking, payload, limits) }
    case 4:
      return { kind: "package", value: readAs(sealedPackage, payload, limits) }
    case 5:
      return { kind: "acknowledged", value: readAs(acknowledged, payload, limits) }
    case 6:
      return { kind: "failed", value: readAs(failed, payload, limits) }
    case 7:
      return { kind: "scanned", value: readAs(hello, payload, limits) }
    case 8:
      return { kind: "identified", value: readAs(identified, payload, limits) }
    default:
      return undefined
  }
}

export function failedMessage(code: PairingFailure): Uint8Array {
  return encodePairingMessage({ kind: "failed", value: { code: FAILURES.indexOf(code) } })
}

/** @returns `PAIR_PEER_ABSENT` for a code that this version does not know: the other gave up. */
export function failureOf(code: number): PairingFailure {
  return FAILURES[code] ?? "PAIR_PEER_ABSENT"
}

function encodePayload(message: PairingMessage): readonly [number, Uint8Array] {
  switch (message.kind) {
    case "hello":
      return [0, encodeAs(hello, message.value)]
    case "reply":
      return [1, encodeAs(reply, message.value)]
    case "claim":
      return [2, encodeAs(claim, message.value)]
    case "asking":
      return [3, encodeAs(asking, message.value)]
    case "package":
      return [4, encodeAs(sealedPackage, message.value)]
    case "acknowledged":
      return [5, encodeAs(acknowledged, message.value)]
    case "failed":
      return [6, encodeAs(failed, message.value)]
    case "scanned":
      return [7, encodeAs(hello, message.value)]
    case "identified":
      return [8, encodeAs(identified, message.value)]
  }
}
