/**
 * The body of a key entry: what changes in the record space's membership with a new epoch.
 *
 * Canonical CBOR `[version, changes, previousKeys, wrapSeed]`, sealed under the new epoch's key:
 *
 * | field        | type                                | notes                                     |
 * | ------------ | ----------------------------------- | ----------------------------------------- |
 * | version      | 1                                   |                                           |
 * | changes      | array of `[tag, payload]`           | in order; see below                       |
 * | previousKeys | array of `[epoch id, key]`          | the epochs that this one follows, by id   |
 * | wrapSeed     | 32 bytes                            | drew the wraps: see `rotation.ts`         |
 *
 * | tag | change   | payload                                                            |
 * | --: | -------- | ------------------------------------------------------------------ |
 * |   0 | add      | the new device's certificate                                       |
 * |   1 | remove   | device id, and the version vector that the remover had seen        |
 * |   2 | rotate   | nothing: a new key, the same members                               |
 * |   3 | recovery | certificate of the recovery words' keys; replaces the one before   |
 * |   4 | rename   | device id, name                                                    |
 * |   5 | suite    | the least suite from now on; it only ever rises                    |
 *
 * The previous keys lead from the newest epoch back to the first, so whoever gets the newest one
 * reads all history.
 *
 * @module
 */
import { compareBytes, equalBytes } from "@fulcrum/codec/bytes"
import {
  array,
  bytes,
  encodeAs,
  literal,
  type Schema,
  struct,
  uint,
  variant,
} from "@fulcrum/codec/schema"
import { type EpochId, type EpochKey, epochIdSchema, epochKeySchema } from "@fulcrum/log/ids"
import { followsDigest } from "@fulcrum/log/span"
import { type VersionVector, vectorSchema } from "@fulcrum/log/vector"
import type { Verified } from "@fulcrum/log/verified"
import { AccessError } from "./access-error.ts"
import {
  type DeviceCertificate,
  type DeviceId,
  deviceCertificateSchema,
  deviceIdSchema,
  deviceNameSchema,
  type RecoveryCertificate,
  recoveryCertificateSchema,
  verifyDeviceCertificate,
  verifyRecoveryCertificate,
} from "./device.ts"
import { readAs } from "./read.ts"

export type MembershipChange =
  | { readonly kind: "add"; readonly value: { readonly certificate: DeviceCertificate } }
  | { readonly kind: "remove"; readonly value: RemoveChange }
  | { readonly kind: "rotate"; readonly value: Readonly<Record<never, never>> }
  | { readonly kind: "recovery"; readonly value: { readonly certificate: RecoveryCertificate } }
  | { readonly kind: "rename"; readonly value: RenameChange }
  | { readonly kind: "suite"; readonly value: { readonly least: number } }

export interface RemoveChange {
  readonly device: DeviceId
  /** What the remover had seen: what the removed device wrote up to there stays. */
  readonly on: VersionVector
}

export interface RenameChange {
  readonly device: DeviceId
  readonly name: string
}

/** An epoch with its key. */
export interface KnownEpoch {
  readonly id: EpochId
  readonly key: EpochKey
}

export interface KeyBody {
  readonly changes: readonly MembershipChange[]
  /** The epochs followed, ascending by id. */
  readonly previousKeys: readonly KnownEpoch[]
  readonly wrapSeed: Uint8Array
}

/** Changes in one key entry: a person adds or removes a few devices at a time. */
export const CHANGES_MAX = 64

/** Epochs that one key entry follows: one for each device that rotated meanwhile, at most. */
export const FOLLOWS_MAX = 64

/** Bytes of a body: its vectors are what can be large. */
export const KEY_BODY_BYTES_MAX: number = 1024 * 1024

export const WRAP_SEED_BYTES = 32

const changeSchema: Schema<MembershipChange> = variant({
  add: [0, struct({ certificate: deviceCertificateSchema })],
  remove: [1, struct({ device: deviceIdSchema, on: vectorSchema })],
  rotate: [2, struct({})],
  recovery: [3, struct({ certificate: recoveryCertificateSchema })],
  rename: [4, struct({ device: deviceIdSchema, name: deviceNameSchema })],
  suite: [5, struct({ least: uint(65_535) })],
})

const bodySchema = struct({
  version: literal(1),
  changes: array(changeSchema, CHANGES_MAX),
  previousKeys: array(struct({ id: epochIdSchema, key: epochKeySchema }), FOLLOWS_MAX),
  wrapSeed: bytes(WRAP_SEED_BYTES),
})

export function encodeKeyBody(body: KeyBody): Uint8Array {
  const previousKeys = body.previousKeys.toSorted((a, b) => compareBytes(a.id, b.id))
  return encodeAs(bodySchema, { ...body, version: 1, previousKeys })
}

/**
 * Reads a body and checks every certificate in it.
 *
 * @param follows - What the key span's header names: the digest of the epochs that it follows.
 * @throws {AccessError} `ACCESS_MALFORMED`, `ACCESS_CERTIFICATE_INVALID`,
 *   `ACCESS_FOLLOWS_MISMATCH`.
 */
export function readKeyBody(encoded: Uint8Array, follows: EpochId): Verified<KeyBody> {
  const body = readAs(bodySchema, encoded, { bytesMax: KEY_BODY_BYTES_MAX })
  for (const change of body.changes) {
    if (change.kind === "add") verifyDeviceCertificate(change.value.certificate)
    if (change.kind === "recovery") verifyRecoveryCertificate(change.value.certificate)
  }
  const ids = body.previousKeys.map(({ id }) => id)
  const isSorted = ids.every((id, i) => i === 0 || compareBytes(ids[i - 1] ?? id, id) < 0)
  if (!isSorted || !equalBytes(followsDigest(ids), follows)) {
    throw new AccessError("ACCESS_FOLLOWS_MISMATCH", "a key span with the keys of other epochs")
  }
  return asVerified(body)
}

function asVerified(body: KeyBody): Verified<KeyBody>
function asVerified(body: KeyBody): KeyBody {
  return body
}
