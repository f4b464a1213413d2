/**
 * What a removed device is told when it meets another: that it was removed, and no more.
 *
 * Of one that was away it is not known which keys it has: so it is told the same under several, in an
 * array of these:
 *
 * | field      | bytes | notes                                                       |
 * | ---------- | ----: | ----------------------------------------------------------- |
 * | epoch      |    32 | one that the removed device was still given the key of      |
 * | salt       |    32 | random                                                      |
 * | commitment |    32 | to the key                                                  |
 * | ciphertext | ≤ 256 | the notice of `access/rotation`, sealed by suite 1          |
 *
 * Canonical CBOR arrays; the authenticated header is the space tag and the epoch. Only members have
 * or had the key, so a stranger cannot make a device believe that it was removed; for those who were
 * removed see `removal-tellers.ts`.
 *
 * Source: DESIGN, "Keys" (a removed device gets a notice of its own).
 *
 * @module
 */
import { AccessError } from "@fulcrum/access/access-error"
import type { DeviceId } from "@fulcrum/access/device"
import { NOTICE_BYTES_MAX } from "@fulcrum/access/meeting"
import type { RemovedDevice } from "@fulcrum/access/member-state"
import { decodeRemovedNotice, encodeRemovedNotice } from "@fulcrum/access/rotation"
import { concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import {
  array,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  type Schema,
  struct,
} from "@fulcrum/codec/schema"
import { openContent, sealContent } from "@fulcrum/crypto/content"
import { contexts } from "@fulcrum/crypto/contexts"
import type { Random } from "@fulcrum/crypto/random"
import { SealError } from "@fulcrum/crypto/seal-error"
import { type EpochId, epochIdSchema, type SpaceTag } from "@fulcrum/log/ids"
import type { EpochSecret, Membership } from "./membership.ts"
import { epochsBefore, TOLD_EPOCHS_MAX } from "./removal-tellers.ts"

interface SealedNotice {
  readonly epoch: EpochId
  readonly salt: Uint8Array
  readonly commitment: Uint8Array
  readonly ciphertext: Uint8Array
}

const sealedSchema: Schema<SealedNotice> = struct({
  epoch: epochIdSchema,
  salt: bytes(32),
  commitment: bytes(32),
  ciphertext: bytesMax(256),
})
const schema: Schema<readonly SealedNotice[]> = array(sealedSchema, TOLD_EPOCHS_MAX)

function sealNotice(input: {
  readonly space: SpaceTag
  readonly epoch: EpochSecret
  readonly removed: DeviceId
  readonly by: DeviceId | undefined
  readonly random: Random
}): SealedNotice {
  const { space, epoch, removed, by, random } = input
  const salt = random.bytes(32)
  const sealed = sealContent({
    context: contexts.removalNotice,
    key: epoch.key,
    salt,
    header: concatBytes([space, epoch.id]),
    plaintext: encodeRemovedNotice({ removed, by }),
  })
  return { epoch: epoch.id, salt, ...sealed }
}

/** What a removed device is told, if there is a key for it to read that with. */
export function noticeFor(
  removed: RemovedDevice,
  membership: Membership,
  random: Random,
): Uint8Array | undefined {
  const by = removed.removals[0]?.by
  const told = { space: membership.tag, removed: removed.id, by, random }
  const notices = epochsBefore(membership, removed).map((epoch) => sealNotice({ ...told, epoch }))
  return notices.length === 0 ? undefined : encodeAs(schema, notices)
}

interface Reader {
  readonly device: Uint8Array
  readonly space: SpaceTag
  readonly epochKey: (id: EpochId) => Uint8Array | undefined
}

/** @returns The epochs under which it is genuine and about this device. Never throws. */
export function readNoticeFor(notice: Uint8Array, own: Reader): readonly EpochId[] {
  try {
    const all = decodeAs(schema, notice, { bytesMax: NOTICE_BYTES_MAX })
    return all.filter((one) => isGenuine(one, own)).map(({ epoch }) => epoch)
  } catch (error) {
    if (error instanceof CodecError) return []
    throw error
  }
}

function isGenuine({ epoch, salt, commitment, ciphertext }: SealedNotice, own: Reader): boolean {
  try {
    const key = own.epochKey(epoch)
    if (key === undefined) return false
    const plaintext = openContent({
      context: contexts.removalNotice,
      key,
      salt,
      header: concatBytes([own.space, epoch]),
      commitment,
      ciphertext,
    })
    return equalBytes(decodeRemovedNotice(plaintext).removed, own.device)
  } catch (error) {
    if (error instanceof SealError || error instanceof AccessError) return false
    throw error
  }
}
