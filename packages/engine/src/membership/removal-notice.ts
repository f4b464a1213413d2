/**
 * What a removed device is told when it meets another: that it was removed, and no more.
 *
 * | field      | bytes | notes                                                       |
 * | ---------- | ----: | ----------------------------------------------------------- |
 * | epoch      |    32 | one that the removed device was still given the key of      |
 * | salt       |    32 | random                                                      |
 * | commitment |    32 | to the key                                                  |
 * | ciphertext | ≤ 256 | the notice of `access/rotation`, sealed by suite 1          |
 *
 * A canonical CBOR array; the authenticated header is the space tag and the epoch. Only members
 * have the key, so a stranger cannot make a device believe that it was removed.
 *
 * Source: DESIGN, "Keys" (a removed device gets a notice of its own).
 *
 * @module
 */
import { AccessError } from "@fulcrum/access/access-error"
import type { DeviceId } from "@fulcrum/access/device"
import type { RemovedDevice } from "@fulcrum/access/member-state"
import { decodeRemovedNotice, encodeRemovedNotice } from "@fulcrum/access/rotation"
import { concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { bytes, bytesMax, decodeAs, encodeAs, type Schema, struct } from "@fulcrum/codec/schema"
import { openContent, sealContent } from "@fulcrum/crypto/content"
import { contexts } from "@fulcrum/crypto/contexts"
import type { Random } from "@fulcrum/crypto/random"
import { SealError } from "@fulcrum/crypto/seal-error"
import { type EpochId, epochIdSchema, type SpaceTag } from "@fulcrum/log/ids"
import type { EpochSecret, Membership } from "./membership.ts"

interface SealedNotice {
  readonly epoch: EpochId
  readonly salt: Uint8Array
  readonly commitment: Uint8Array
  readonly ciphertext: Uint8Array
}

const schema: Schema<SealedNotice> = struct({
  epoch: epochIdSchema,
  salt: bytes(32),
  commitment: bytes(32),
  ciphertext: bytesMax(256),
})

function sealNotice(input: {
  readonly space: SpaceTag
  readonly epoch: EpochSecret
  readonly removed: DeviceId
  readonly by: DeviceId | undefined
  readonly random: Random
}): Uint8Array {
  const { space, epoch, removed, by, random } = input
  const salt = random.bytes(32)
  const sealed = sealContent({
    context: contexts.removalNotice,
    key: epoch.key,
    salt,
    header: concatBytes([space, epoch.id]),
    plaintext: encodeRemovedNotice({ removed, by }),
  })
  return encodeAs(schema, { epoch: epoch.id, salt, ...sealed })
}

/** What a removed device is told, if there is a key for it to read that with. */
export function noticeFor(
  removed: RemovedDevice,
  membership: Membership,
  random: Random,
): Uint8Array | undefined {
  const epoch = membership.epochBefore(removed)
  if (epoch === undefined) return undefined
  const by = removed.removals[0]?.by
  return sealNotice({ space: membership.tag, epoch, removed: removed.id, by, random })
}

/** @returns The epoch of a notice that is genuine and about this device. Never throws. */
export function readNoticeFor(
  notice: Uint8Array,
  own: {
    readonly device: Uint8Array
    readonly space: SpaceTag
    readonly epochKey: (id: EpochId) => Uint8Array | undefined
  },
): EpochId | undefined {
  try {
    const { epoch, salt, commitment, ciphertext } = decodeAs(schema, notice, { bytesMax: 1024 })
    const key = own.epochKey(epoch)
    if (key === undefined) return undefined
    const plaintext = openContent({
      context: contexts.removalNotice,
      key,
      salt,
      header: concatBytes([own.space, epoch]),
      commitment,
      ciphertext,
    })
    return equalBytes(decodeRemovedNotice(plaintext).removed, own.device) ? epoch : undefined
  } catch (error) {
    const isForged =
      error instanceof CodecError || error instanceof SealError || error instanceof AccessError
    if (isForged) return undefined
    throw error
  }
}
