/**
 * Rotation: a new epoch of the record space, announced by a key span.
 *
 * A key span's clear part holds the new key, wrapped for each member and for the recovery words:
 * canonical CBOR `[wraps]`, an array of `[tag, sealed]`, ascending by tag.
 *
 * | field  | bytes | notes                                                                     |
 * | ------ | ----: | ------------------------------------------------------------------------- |
 * | tag    |    16 | by which only its addressee finds it                                      |
 * | sealed |  1168 | HPKE wrap of the 32-byte key; associated data: digest of what it follows  |
 *
 * Dummies pad the wraps to a multiple of eight, so their number tells nobody how many devices
 * there are; each is a real wrap, for a key that was thrown away. All randomness of the wraps is
 * derived from the `wrapSeed` in the sealed body (`key-body.ts`), so every member can make them
 * again and see that each member got this key and nobody else did.
 *
 * Whoever the changes remove has a wrap too, which holds the hash of `removal-mark` in place of the key: it says
 * that the device was removed, also to one that reaches nothing but a relay, and looks like the others. So
 * has who belongs by one of the entries that are followed, and by all of them together does not: it may
 * have read no more than that one. (As many of them as there is room for: a hostile entry may let in any.)
 *
 * A removed device is told by a *notice*, `[1, device id, id of who removed it or null]`, which
 * is sealed under the old epoch and says only that. Source: DESIGN, "Keys".
 *
 * @module
 */
import { bytesToHex, compareBytes, concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { array, bytes, encodeAs, literal, optional, struct } from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import { hash, hkdf } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import { SealError } from "@fulcrum/crypto/seal-error"
import {
  generateWrapKey,
  type TaggedWrap,
  unwrapTagged,
  WRAP_OVERHEAD_BYTES,
  WRAP_TAG_BYTES,
  type WrapKey,
  type WrapPublicKey,
  wrapTagged,
} from "@fulcrum/crypto/wrap"
import {
  type EpochId,
  type EpochKey,
  epochKeySchema,
  idKey,
  incarnationIdSchema,
  NO_EPOCH,
} from "@fulcrum/log/ids"
import { followsDigest } from "@fulcrum/log/span"
import { AccessError } from "./access-error.ts"
import { DEVICE_ID_BYTES, type DeviceId, deviceIdSchema } from "./device.ts"
import {
  encodeKeyBody,
  FOLLOWS_MAX,
  type KeyBody,
  type KnownEpoch,
  type MembershipChange,
  WRAP_SEED_BYTES,
} from "./key-body.ts"
import { applyChanges, DEVICES_BY_WORDS_MAX, type MemberState } from "./member-state.ts"
import type { Membership } from "./membership.ts"
import { readAs } from "./read.ts"

/** Wraps come in multiples of this. */
export const WRAPS_MULTIPLE = 8

/** Wraps in one key span: for all devices that a record may have, and the recovery words. */
export const WRAPS_MAX: number = DEVICES_BY_WORDS_MAX + 1

/** Stands for what is not known before the key span is sealed, and does not matter here. */
const AS_PLANNED = {
  epoch: NO_EPOCH,
  incarnation: incarnationIdSchema.decode(new Uint8Array(16)),
  sequence: 0,
}
const SOME_DEVICE = deviceIdSchema.decode(new Uint8Array(DEVICE_ID_BYTES))

const EPOCH_KEY_BYTES = 32
const WRAP_BYTES = WRAP_OVERHEAD_BYTES + EPOCH_KEY_BYTES
const CLEAR_BYTES_MAX = WRAPS_MAX * (WRAP_TAG_BYTES + WRAP_BYTES + 8) + 16
const NOTICE_BYTES_MAX = 64

const clearSchema = struct({
  wraps: array(struct({ tag: bytes(WRAP_TAG_BYTES), sealed: bytes(WRAP_BYTES) }), WRAPS_MAX),
})

const noticeSchema = struct({
  version: literal(1),
  removed: deviceIdSchema,
  by: optional(deviceIdSchema),
})

export interface KeySpanParts {
  /** The span's clear part. */
  readonly clear: Uint8Array
  /** The body of its key entry. */
  readonly body: Uint8Array
  /** What it follows, for the log. */
  readonly follows: readonly EpochId[]
}

/** What an auditor found; nothing is missing or foreign in an honest key span. */
export interface WrapAudit {
  readonly isRight: boolean
  /** Members without their wrap, or with a wrong one; `recovery` for the words. */
  readonly missing: readonly (DeviceId | "recovery")[]
  /** How many wraps are neither a member's nor padding. */
  readonly foreign: number
}

export interface RemovedNotice {
  readonly removed: DeviceId
  /** `undefined`: the recovery words. */
  readonly by?: DeviceId | undefined
}

interface Recipient {
  readonly who: DeviceId | "recovery"
  readonly to: WrapPublicKey
  /** Gets the mark, not the key. */
  readonly isRemoved?: boolean
}

/** What whoever is removed finds in its wrap. */
const REMOVAL_MARK: Uint8Array = hash(contexts.removalMark)

/**
 * Makes a key span's parts, for the membership as it is once `changes` are made.
 *
 * @param membership - As merged from all key entries; for the first epoch, of none.
 * @param previousKeys - Exactly `membership.heads`, with their keys.
 * @throws {RangeError} Other previous keys, or more members than `WRAPS_MAX`.
 */
export function makeKeySpanParts(made: {
  readonly membership: Membership
  readonly changes: readonly MembershipChange[]
  readonly epochKey: EpochKey
  readonly previousKeys: readonly KnownEpoch[]
  readonly random: Random
  /** Who makes it; the recovery words may bring a removed device back. */
  readonly author?: "device" | "recovery"
}): KeySpanParts {
  const { membership, changes, epochKey, previousKeys, random } = made
  const follows = previousKeys.map(({ id }) => id).toSorted(compareBytes)
  const areHeads =
    follows.length === membership.heads.length &&
    follows.every((id, i) => equalBytes(id, membership.heads[i] ?? NO_EPOCH))
  if (!areHeads || follows.length > FOLLOWS_MAX) {
    throw new RangeError("a key span follows the heads, each with its key")
  }
  const wrapSeed = random.bytes(WRAP_SEED_BYTES)
  const recipients = recipientsAfter(membership, changes, made.author ?? "device")
  const wraps = drawWraps({ recipients, epochKey, wrapSeed, digest: followsDigest(follows) })
  return {
    clear: encodeClear([...wraps.byMember.values(), ...wraps.padding]),
    body: encodeKeyBody({ changes, previousKeys, wrapSeed }),
    follows,
  }
}

/**
 * Finds this device's wrap in a key span's clear part and opens it. Whether the key is the right
 * one shows when the span's ciphertext opens under it.
 *
 * @param follows - The epoch field of the key span's header.
 * @returns `removed`: its author says that this key's device was removed; `undefined` if none is for this key.
 * @throws {AccessError} `ACCESS_MALFORMED`, `ACCESS_WRAPS_WRONG`.
 */
export function openKeySpan(opened: {
  readonly clear: Uint8Array
  readonly follows: EpochId
  readonly key: WrapKey
}): EpochKey | "removed" | undefined {
  const { clear, follows, key } = opened
  for (const { tag, sealed } of decodeClear(clear)) {
    try {
      const context = contexts.epochWrap
      const found = unwrapTagged({ context, key, aad: follows, tag, sealed })
      if (found === undefined) continue
      return equalBytes(found, REMOVAL_MARK) ? "removed" : epochKeySchema.decode(found)
    } catch (cause) {
      if (!(cause instanceof SealError)) throw cause
      // An encapsulation that nobody may use is nobody's; the auditor counts it.
      if (cause.code === "SEAL_KEY") continue
      throw new AccessError("ACCESS_WRAPS_WRONG", "the wrap for this device is damaged", { cause })
    }
  }
  return undefined
}

/**
 * Makes a key span's wraps again and compares: whether every member of what it announced, and
 * nobody else, was given this key.
 *
 * @param membership - As its author saw it: reduced from what the key span followed.
 * @throws {AccessError} `ACCESS_MALFORMED`.
 */
export function auditWraps(audited: {
  readonly membership: Membership
  readonly clear: Uint8Array
  readonly body: KeyBody
  readonly epochKey: EpochKey
  readonly author?: "device" | "recovery"
}): WrapAudit {
  const { membership, clear, body, epochKey } = audited
  const digest = followsDigest(body.previousKeys.map(({ id }) => id))
  const wraps = decodeClear(clear)
  const found = new Set(wraps.map(textOf))
  const recipients = recipientsAfter(membership, body.changes, audited.author ?? "device")
  const { wrapSeed } = body
  const { byMember, padding } = drawWraps({ recipients, epochKey, wrapSeed, digest })
  const missing: (DeviceId | "recovery")[] = []
  for (const [{ who }, wrap] of byMember) if (!found.delete(textOf(wrap))) missing.push(who)
  for (const wrap of padding) found.delete(textOf(wrap))
  const foreign = found.size
  const isWhole = wraps.length === byMember.size + padding.length
  return { isRight: missing.length === 0 && foreign === 0 && isWhole, missing, foreign }
}

/** Tells a removed device that it is removed, and no more. */
export function encodeRemovedNotice(notice: RemovedNotice): Uint8Array {
  return encodeAs(noticeSchema, { version: 1, ...notice })
}

/** @throws {AccessError} `ACCESS_MALFORMED`. */
export function decodeRemovedNotice(encoded: Uint8Array): RemovedNotice {
  const { removed, by } = readAs(noticeSchema, encoded, { bytesMax: NOTICE_BYTES_MAX })
  return { removed, by }
}

/** Whoever the changes leave as members, the recovery words, if there are any, and whoever they remove. */
function recipientsAfter(
  membership: Membership,
  changes: readonly MembershipChange[],
  author: "device" | "recovery",
): readonly Recipient[] {
  const by = author === "recovery" ? author : SOME_DEVICE
  const { devices, recovery } = applyChanges(stateOf(membership), { ...AS_PLANNED, changes }, by)
  const recipients: Recipient[] = [...devices.values()].map((device) => ({
    who: device.id,
    to: device.wrap,
  }))
  if (recovery !== undefined) recipients.push({ who: "recovery", to: recovery.wrap })
  for (const { id, wrap } of membership.devices) {
    if (!devices.has(idKey(id))) recipients.push({ who: id, to: wrap, isRemoved: true })
  }
  if (recipients.length > WRAPS_MAX) throw new RangeError("more members than a key span has wraps")
  const dropped = membership.dropped.filter(({ id }) => !devices.has(idKey(id)))
  return [
    ...recipients,
    ...dropped
      .slice(0, WRAPS_MAX - recipients.length)
      .map(({ id, wrap }) => ({ who: id, to: wrap, isRemoved: true })),
  ]
}

function stateOf({ devices, removed, recovery, leastSuite }: Membership): MemberState {
  return {
    devices: new Map(devices.map((device) => [idKey(device.id), device])),
    removed: new Map(removed.map((device) => [idKey(device.id), device])),
    recovery,
    leastSuite,
  }
}

function drawWraps(drawn: {
  readonly recipients: readonly Recipient[]
  readonly epochKey: EpochKey
  readonly wrapSeed: Uint8Array
  readonly digest: EpochId
}): {
  readonly byMember: ReadonlyMap<Recipient, TaggedWrap>
  readonly padding: readonly TaggedWrap[]
} {
  const { recipients, epochKey, wrapSeed, digest } = drawn
  const wrapFor = (to: WrapPublicKey, at: number, plaintext: Uint8Array = epochKey) =>
    wrapTagged({
      context: contexts.epochWrap,
      to,
      aad: digest,
      plaintext,
      random: randomOf(wrapSeed, concatBytes([Uint8Array.of(at), to])),
    })
  const count = recipients.length
  const paddedCount = Math.ceil(count / WRAPS_MULTIPLE) * WRAPS_MULTIPLE
  const nobody = generateWrapKey(randomOf(wrapSeed, new Uint8Array(0))).publicKey
  return {
    byMember: new Map(
      recipients.map((recipient) => [
        recipient,
        wrapFor(recipient.to, 0, recipient.isRemoved ? REMOVAL_MARK : epochKey),
      ]),
    ),
    padding: Array.from({ length: paddedCount - count }, (_, i) => wrapFor(nobody, i + 1)),
  }
}

/** Randomness that whoever has the seed can draw again; one call for each purpose. */
function randomOf(wrapSeed: Uint8Array, purpose: Uint8Array): Random {
  return {
    bytes: (length) => hkdf(contexts.epochWrapRandom, wrapSeed, new Uint8Array(0), purpose, length),
  }
}

/** A wrap as one text, to compare by. */
function textOf({ tag, sealed }: TaggedWrap): string {
  return `${bytesToHex(tag)} ${bytesToHex(sealed)}`
}

function encodeClear(wraps: readonly TaggedWrap[]): Uint8Array {
  return encodeAs(clearSchema, { wraps: wraps.toSorted((a, b) => compareBytes(a.tag, b.tag)) })
}

function decodeClear(clear: Uint8Array): readonly TaggedWrap[] {
  return readAs(clearSchema, clear, { bytesMax: CLEAR_BYTES_MAX }).wraps
}
