/**
 * The pairing package: what makes a new device a member that can read all history.
 *
 * Canonical CBOR `[version, space, chainKey, meetingKey, genesis, epochs, members, mailboxes,
 * addresses]`:
 *
 * | field      | type                                  | notes                                  |
 * | ---------- | ------------------------------------- | -------------------------------------- |
 * | version    | 1                                     |                                        |
 * | space      | 32 bytes                              | tag of the record space                |
 * | chainKey   | 32 bytes                              | keys its chains                        |
 * | meetingKey | 32 bytes                              | by which own devices recognise another |
 * | genesis    | 32 bytes                              | its first epoch                        |
 * | epochs     | array of `[id, key]`                  | every epoch that the host knows        |
 * | members    | array of device certificates          | whom to meet before the log is here    |
 * | mailboxes  | array of `[relays, key, seed, caps]`  | where the record lies                  |
 * | addresses  | array of text                         | where the host listens                 |
 *
 * @module
 */
import {
  array,
  bytes,
  bytesMax,
  encodeAs,
  literal,
  type Schema,
  struct,
  text,
} from "@fulcrum/codec/schema"
import { type PublicKey, SEED_BYTES } from "@fulcrum/crypto/ed25519"
import {
  type ChainKey,
  chainKeySchema,
  type EpochId,
  epochIdSchema,
  epochKeySchema,
  type SpaceTag,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import { CAPABILITY_BYTES_MAX } from "@fulcrum/log/mailbox"
import {
  type DeviceCertificate,
  deviceCertificateSchema,
  verifyDeviceCertificate,
} from "./device.ts"
import type { KnownEpoch } from "./key-body.ts"
import { publicKeySchema, readAs } from "./read.ts"

export interface PairingPackage {
  readonly space: SpaceTag
  readonly chainKey: ChainKey
  readonly meetingKey: Uint8Array
  readonly genesis: EpochId
  readonly epochs: readonly KnownEpoch[]
  /** All members, the new device among them: it knows them by these until it has the log. */
  readonly members: readonly DeviceCertificate[]
  readonly mailboxes: readonly PackagedMailbox[]
  readonly addresses: readonly string[]
}

export interface PackagedMailbox {
  /** Addresses of the relays that it lies on. */
  readonly relays: readonly string[]
  readonly publicKey: PublicKey
  /** Seed of the key that names it. */
  readonly seed: Uint8Array
  readonly capabilities: readonly Uint8Array[]
}

/** Epochs in a package: decades of rotating every week. */
export const PACKAGE_EPOCHS_MAX = 4096

/** Devices of one person: as many as one key span wraps for. */
export const PACKAGE_MEMBERS_MAX = 64

/** Bytes of a package: its epochs, and room for mailboxes. */
export const PACKAGE_BYTES_MAX: number = 384 * 1024

/** Addresses of one device or mailbox, and the bytes of one. */
export const ADDRESSES_MAX = 16
export const ADDRESS_BYTES_MAX = 512

export const addressesSchema: Schema<readonly string[]> = array(
  text(ADDRESS_BYTES_MAX),
  ADDRESSES_MAX,
)

const packageSchema = struct({
  version: literal(1),
  space: spaceTagSchema,
  chainKey: chainKeySchema,
  meetingKey: bytes(32),
  genesis: epochIdSchema,
  epochs: array(struct({ id: epochIdSchema, key: epochKeySchema }), PACKAGE_EPOCHS_MAX),
  members: array(deviceCertificateSchema, PACKAGE_MEMBERS_MAX),
  mailboxes: array(
    struct({
      relays: addressesSchema,
      publicKey: publicKeySchema,
      seed: bytes(SEED_BYTES),
      capabilities: array(bytesMax(CAPABILITY_BYTES_MAX), 16),
    }),
    16,
  ),
  addresses: addressesSchema,
})

/** @throws {CodecError} Outside its bounds. */
export function encodePairingPackage(made: PairingPackage): Uint8Array {
  return encodeAs(packageSchema, { ...made, version: 1 })
}

/** @throws {AccessError} `ACCESS_MALFORMED`, `ACCESS_CERTIFICATE_INVALID`. */
export function decodePairingPackage(encoded: Uint8Array): PairingPackage {
  const { version: _, ...made } = readAs(packageSchema, encoded, { bytesMax: PACKAGE_BYTES_MAX })
  for (const certificate of made.members) verifyDeviceCertificate(certificate)
  return made
}
