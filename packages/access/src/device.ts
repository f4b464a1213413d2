/**
 * Devices: their keys, and the certificates by which they are known in the record space.
 *
 * A device's certificate is the canonical CBOR array `[id, name, writer, wrap, signature]`:
 *
 * | field     | bytes      | notes                                                     |
 * | --------- | ---------: | --------------------------------------------------------- |
 * | id        |         16 | random                                                    |
 * | name      | text, ≤ 64 | what the person calls it                                  |
 * | writer    |         32 | Ed25519; signs its spans in the record space, only there  |
 * | wrap      |       1216 | X-Wing; the space's keys are wrapped to it                |
 * | signature |         64 | by `writer`, over the encoded array of the four before it |
 *
 * The recovery words' certificate is `[writer, wrap, signature]`, likewise. A certificate's
 * signature is the new member's own word: nobody is added who does not hold both keys.
 *
 * @module
 */
import type { Brand } from "@fulcrum/codec/brand"
import { branded, bytes, encodeAs, type Schema, struct, text } from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import {
  generateSigningKey,
  type PublicKey,
  SEED_BYTES,
  SIGNATURE_BYTES,
  type SigningKey,
  sign,
  signingKeyFromSeed,
  verify,
} from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import {
  generateWrapKey,
  WRAP_SECRET_BYTES,
  type WrapKey,
  type WrapPublicKey,
  wrapKeyFromSecret,
} from "@fulcrum/crypto/wrap"
import type { Verified } from "@fulcrum/log/verified"
import { AccessError } from "./access-error.ts"
import { publicKeySchema, readAs, wrapPublicKeySchema } from "./read.ts"

/** One installation: 16 random bytes. */
export type DeviceId = Brand<Uint8Array, "DeviceId">

export const DEVICE_ID_BYTES = 16

/** Bytes of a device's name in UTF-8: what fits a line. */
export const DEVICE_NAME_BYTES_MAX = 64

/** Bytes of an encoded certificate: its fields and their heads. */
export const DEVICE_CERTIFICATE_BYTES_MAX = 1536

/** What only the device itself has. */
export interface DeviceSecrets {
  readonly id: DeviceId
  readonly name: string
  readonly writer: SigningKey
  readonly wrap: WrapKey
}

export interface DeviceCertificate {
  readonly id: DeviceId
  readonly name: string
  readonly writer: PublicKey
  readonly wrap: WrapPublicKey
  readonly signature: Uint8Array
}

export interface RecoveryCertificate {
  readonly writer: PublicKey
  readonly wrap: WrapPublicKey
  readonly signature: Uint8Array
}

export const deviceIdSchema: Schema<DeviceId> = branded<DeviceId>(bytes(DEVICE_ID_BYTES))
export const deviceNameSchema: Schema<string> = text(DEVICE_NAME_BYTES_MAX)

const deviceFields = {
  id: deviceIdSchema,
  name: deviceNameSchema,
  writer: publicKeySchema,
  wrap: wrapPublicKeySchema,
}
const recoveryFields = { writer: publicKeySchema, wrap: wrapPublicKeySchema }
const signedDevice = struct(deviceFields)
const signedRecovery = struct(recoveryFields)

/** Structure only: `verifyDeviceCertificate` checks the signature. */
export const deviceCertificateSchema: Schema<DeviceCertificate> = struct({
  ...deviceFields,
  signature: bytes(SIGNATURE_BYTES),
})

/** Structure only: `verifyRecoveryCertificate` checks the signature. */
export const recoveryCertificateSchema: Schema<RecoveryCertificate> = struct({
  ...recoveryFields,
  signature: bytes(SIGNATURE_BYTES),
})

const secretsSchema = struct({
  id: deviceIdSchema,
  name: deviceNameSchema,
  writerSeed: bytes(SEED_BYTES),
  wrapSecret: bytes(WRAP_SECRET_BYTES),
})

/** Draws a new device. */
export function generateDevice(made: {
  readonly name: string
  readonly random: Random
}): DeviceSecrets {
  const { name, random } = made
  return {
    id: deviceIdSchema.decode(random.bytes(DEVICE_ID_BYTES)),
    name,
    writer: generateSigningKey(random),
    wrap: generateWrapKey(random),
  }
}

/** What the device says of itself, signed. @throws {CodecError} Its name is too long. */
export function certifyDevice(device: DeviceSecrets): DeviceCertificate {
  const { id, name } = device
  const said = { id, name, writer: device.writer.publicKey, wrap: device.wrap.publicKey }
  const message = encodeAs(signedDevice, said)
  return { ...said, signature: sign(contexts.deviceCertificate, device.writer, message) }
}

/** @throws {AccessError} `ACCESS_CERTIFICATE_INVALID`. */
export function verifyDeviceCertificate(
  certificate: DeviceCertificate,
): Verified<DeviceCertificate> {
  if (!isSignedDevice(certificate)) throw invalid()
  return certificate
}

export function certifyRecovery(keys: {
  readonly writer: SigningKey
  readonly wrap: WrapKey
}): RecoveryCertificate {
  const said = { writer: keys.writer.publicKey, wrap: keys.wrap.publicKey }
  const message = encodeAs(signedRecovery, said)
  return { ...said, signature: sign(contexts.recoveryCertificate, keys.writer, message) }
}

/** @throws {AccessError} `ACCESS_CERTIFICATE_INVALID`. */
export function verifyRecoveryCertificate(
  certificate: RecoveryCertificate,
): Verified<RecoveryCertificate> {
  if (!isSignedRecovery(certificate)) throw invalid()
  return certificate
}

export function encodeDeviceCertificate(certificate: DeviceCertificate): Uint8Array {
  return encodeAs(deviceCertificateSchema, certificate)
}

/** @throws {AccessError} `ACCESS_MALFORMED`, `ACCESS_CERTIFICATE_INVALID`. */
export function readDeviceCertificate(encoded: Uint8Array): Verified<DeviceCertificate> {
  const limits = { bytesMax: DEVICE_CERTIFICATE_BYTES_MAX }
  return verifyDeviceCertificate(readAs(deviceCertificateSchema, encoded, limits))
}

/** For the device's own sealed storage: `[id, name, writer seed, wrap secret]`. */
export function encodeDeviceSecrets(device: DeviceSecrets): Uint8Array {
  const { id, name, writer, wrap } = device
  return encodeAs(secretsSchema, { id, name, writerSeed: writer.seed, wrapSecret: wrap.secret })
}

/** @throws {AccessError} `ACCESS_STATE_UNREADABLE`. */
export function decodeDeviceSecrets(encoded: Uint8Array): DeviceSecrets {
  const limits = { bytesMax: 256, code: "ACCESS_STATE_UNREADABLE" } as const
  const { id, name, writerSeed, wrapSecret } = readAs(secretsSchema, encoded, limits)
  const [writer, wrap] = [signingKeyFromSeed(writerSeed), wrapKeyFromSecret(wrapSecret)]
  return { id, name, writer, wrap }
}

function isSignedDevice(
  certificate: DeviceCertificate,
): certificate is Verified<DeviceCertificate> {
  const { id, name, writer, wrap, signature } = certificate
  const message = encodeAs(signedDevice, { id, name, writer, wrap })
  return verify(contexts.deviceCertificate, writer, message, signature)
}

function isSignedRecovery(
  certificate: RecoveryCertificate,
): certificate is Verified<RecoveryCertificate> {
  const { writer, wrap, signature } = certificate
  const message = encodeAs(signedRecovery, { writer, wrap })
  return verify(contexts.recoveryCertificate, writer, message, signature)
}

function invalid(): AccessError {
  return new AccessError("ACCESS_CERTIFICATE_INVALID", "a certificate that its key did not sign")
}
