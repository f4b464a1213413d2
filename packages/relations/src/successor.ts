/**
 * Successors: how a relationship's key is replaced when a device is removed, and who decides when
 * two keys claim to be the next one.
 *
 * A removed device keeps the relationship's key and everything sealed before its removal was known.
 * From then on the person speaks by a *successor* of that key. Each rule below names the attack that
 * it stops.
 *
 * 1. **Signed by the old keys and by the new one.** Nobody who lacks the old key can hand a
 *    relationship on (a vendor, another customer, a relay), and nobody can hand it to a key that is
 *    not theirs, to have the blame for what its owner says.
 * 2. **Inside the rotation.** The statement is part of the body of the share's next key span, under
 *    the new epoch's key, and names the hash of that span's wrap. One signature covers both: a
 *    vendor never has the new epoch without the new key, and nobody moves a statement to a rotation
 *    of their own. A removed device has no key that opens it, so it learns neither the new key nor
 *    what it could replay.
 * 3. **Drawn from what a removed device lacks**: the keys of the record's newest epoch and of those
 *    that announced removals. Devices that follow up on the same removal at once draw the same
 *    successor: two statements that name the same keys are no contradiction.
 * 4. **It says what was seen.** `seen` is how far the person's lane went where the rotation was
 *    made. Of what is certified by an old key a vendor that has admitted the successor takes, from
 *    then on, only what `seen` covers and what a writer certified by a newer key goes on from (its
 *    begin entry names a parent: that is an honest device that was away and brings its work along).
 *    So nothing honest is lost, and a thief, who can continue its own line by the old key alone,
 *    says nothing more. What the vendor had taken before stays: she is shown it.
 * 5. **Two successors of one key, and the vendor applies neither.** It cannot know which one is the
 *    thief's, whichever came first: it keeps what it has, takes no change, and says so to both,
 *    under the last epoch that both can read.
 * 6. **A successor may follow several keys**, if each of them signs. Two devices that remove at the
 *    same time, neither knowing of the other's removal, make two successors; whichever of them
 *    hears of the other's joins both. A thief that made a successor holds only its own key of the
 *    two, so it can join nothing; nor does an honest device join a key that it did not draw.
 * 7. **The recovery key decides**: a vendor has had its hash since connecting, and its private half
 *    opens with the recovery words alone, which no device keeps. The decision comes in a rotation
 *    by the key that it names, under a number that only rises, so that an old decision cannot be
 *    said again. From then on only that key and its successors count.
 *
 * | document  | canonical CBOR                                                                   |
 * | --------- | -------------------------------------------------------------------------------- |
 * | successor | `[body, [signature by each old key], signature by the new key]`                  |
 * | its body  | `[1, space tag, [old key, …] ascending, new key, hash of the wrap, seen (rows)]` |
 * | decision  | `[body, recovery key, signature]`                                                |
 * | its body  | `[1, space tag, chosen key, number from 1, hash of the wrap]`                    |
 *
 * Source: DESIGN, "Keys" (removing a device also replaces every relationship's signing key).
 *
 * @module
 */
import { compareBytes, equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import {
  array,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  int,
  literal,
  type Schema,
  struct,
} from "@fulcrum/codec/schema"
import { type Context, contexts } from "@fulcrum/crypto/contexts"
import { type SigningKey, sign, verify } from "@fulcrum/crypto/ed25519"
import { hash } from "@fulcrum/crypto/hash"
import { sortVector, type VersionVector, vectorSchema } from "@fulcrum/log/vector"
import type { Verified } from "@fulcrum/log/verified"

/** Keys that one successor follows: one for each device that removed another at the same time. */
export const OLD_KEYS_MAX = 8
/** Bytes of a statement or decision: `seen` is what can be large. */
export const SUCCESSOR_BYTES_MAX: number = 128 * 1024

/** Where a statement belongs: one share, and one rotation of it. */
export interface RotationBinding {
  readonly spaceTag: Uint8Array
  /** The clear part of the key span that it comes in: the wrap of the new epoch's key. */
  readonly clear: Uint8Array
}

export interface Successor {
  /** Ascending. */
  readonly old: readonly Uint8Array[]
  readonly key: Uint8Array
  /** How far the person's lane went where the rotation was made. */
  readonly seen: VersionVector
}

export interface Decision {
  readonly chosen: Uint8Array
  /** Greater than that of any decision before. */
  readonly number: number
}

interface SuccessorBody extends Successor {
  readonly version: 1
  readonly spaceTag: Uint8Array
  readonly wrap: Uint8Array
}

const key: Schema<Uint8Array> = bytes(32)
const signature: Schema<Uint8Array> = bytes(64)

const successorBody: Schema<SuccessorBody> = struct({
  version: literal(1),
  spaceTag: bytes(32),
  old: array(key, OLD_KEYS_MAX),
  key,
  wrap: bytes(32),
  seen: vectorSchema,
})
const signedSuccessor = struct({
  body: bytesMax(SUCCESSOR_BYTES_MAX),
  byOld: array(signature, OLD_KEYS_MAX),
  byNew: signature,
})

const decisionBody = struct({
  version: literal(1),
  spaceTag: bytes(32),
  chosen: key,
  number: int(1, Number.MAX_SAFE_INTEGER),
  wrap: bytes(32),
})
const signedDecision = struct({ body: bytesMax(256), recovery: key, signature })

interface SuccessorInput extends RotationBinding {
  readonly old: readonly SigningKey[]
  readonly key: SigningKey
  readonly seen: VersionVector
}

/** @throws {RangeError} No old key, more than {@link OLD_KEYS_MAX}, or the new one among them. */
export function signSuccessor(input: SuccessorInput): Uint8Array {
  return makeSuccessor(input).encoded
}

/** Signs one, and says what it says: whoever has made it need not verify it. @throws As {@link signSuccessor}. */
export function makeSuccessor(input: SuccessorInput): {
  readonly encoded: Uint8Array
  readonly statement: Verified<Successor>
} {
  const { key: next, spaceTag, clear } = input
  const old = input.old.toSorted((a, b) => compareBytes(a.publicKey, b.publicKey))
  const oldKeys = old.map(({ publicKey }) => publicKey)
  if (!areOldKeys(oldKeys, next.publicKey)) throw new RangeError("a successor follows other keys")
  const seen = sortVector(input.seen)
  const body = encodeAs(successorBody, {
    version: 1,
    spaceTag,
    old: oldKeys,
    key: next.publicKey,
    wrap: wrapHash(clear),
    seen,
  })
  const encoded = encodeAs(signedSuccessor, {
    body,
    byOld: old.map((one) => sign(contexts.relationshipSuccessor, one, body)),
    byNew: sign(contexts.relationshipSuccessorNew, next, body),
  })
  return { encoded, statement: asVerified({ old: oldKeys, key: next.publicKey, seen }) }
}

/**
 * @param binding - Without a rotation: from the person's own record, which keeps the statement alone.
 * @returns `undefined`: not a statement of this share and rotation, or not signed by all its keys.
 */
export function readSuccessor(
  encoded: Uint8Array,
  binding: Pick<RotationBinding, "spaceTag"> & Partial<RotationBinding>,
): Verified<Successor> | undefined {
  const read = orNothing(() => {
    const signed = decodeAs(signedSuccessor, encoded, { bytesMax: SUCCESSOR_BYTES_MAX })
    return { ...signed, inner: decodeAs(successorBody, signed.body, bytesMaxOf(signed.body)) }
  })
  if (read === undefined || !isBound(read.inner, binding)) return undefined
  const { body, byOld, byNew, inner } = read
  const { old, key: next, seen } = inner
  if (!areOldKeys(old, next) || byOld.length !== old.length) return undefined
  const isSignedBy = (context: Context, by: Uint8Array, signed: Uint8Array | undefined) =>
    signed !== undefined && verify(context, by, body, signed)
  const areSigned = old.every((one, i) => isSignedBy(contexts.relationshipSuccessor, one, byOld[i]))
  if (!areSigned || !isSignedBy(contexts.relationshipSuccessorNew, next, byNew)) return undefined
  return asVerified({ old, key: next, seen })
}

export function signDecision(
  input: RotationBinding & Decision & { readonly recovery: SigningKey },
): Uint8Array {
  const { spaceTag, clear, chosen, number, recovery } = input
  const body = encodeAs(decisionBody, {
    version: 1,
    spaceTag,
    chosen,
    number,
    wrap: wrapHash(clear),
  })
  return encodeAs(signedDecision, {
    body,
    recovery: recovery.publicKey,
    signature: sign(contexts.relationshipDecision, recovery, body),
  })
}

/**
 * @param recoveryHash - Hash of the relationship's recovery key, as the connect message gave it.
 * @returns `undefined`: not a decision of this share and rotation by that key.
 */
export function readDecision(
  encoded: Uint8Array,
  { recoveryHash, ...binding }: RotationBinding & { readonly recoveryHash: Uint8Array },
): Verified<Decision> | undefined {
  const read = orNothing(() => {
    const signed = decodeAs(signedDecision, encoded, { bytesMax: SUCCESSOR_BYTES_MAX })
    return { ...signed, inner: decodeAs(decisionBody, signed.body, bytesMaxOf(signed.body)) }
  })
  if (read === undefined || !isBound(read.inner, binding)) return undefined
  const { body, recovery, signature: signed, inner } = read
  if (!equalBytes(recoveryKeyHash(recovery), recoveryHash)) return undefined
  if (!verify(contexts.relationshipDecision, recovery, body, signed)) return undefined
  return asVerified({ chosen: inner.chosen, number: inner.number })
}

/** What the connect message says of a relationship's recovery key. */
export function recoveryKeyHash(recovery: Uint8Array): Uint8Array {
  return hash(contexts.relationshipRecoveryHash, recovery)
}

function isBound(
  body: { readonly spaceTag: Uint8Array; readonly wrap: Uint8Array },
  { spaceTag, clear }: Pick<RotationBinding, "spaceTag"> & Partial<RotationBinding>,
): boolean {
  const isInPlace = clear === undefined || equalBytes(body.wrap, wrapHash(clear))
  return equalBytes(body.spaceTag, spaceTag) && isInPlace
}

function wrapHash(clear: Uint8Array): Uint8Array {
  return hash(contexts.relationshipRotation, clear)
}

/** Ascending, each once, at least one, and none of them the new one. */
function areOldKeys(old: readonly Uint8Array[], next: Uint8Array): boolean {
  const isAscending = old.every((one, i) => i === 0 || compareBytes(old[i - 1] ?? one, one) < 0)
  const isOther = old.every((one) => !equalBytes(one, next))
  return isAscending && isOther && old.length >= 1 && old.length <= OLD_KEYS_MAX
}

function bytesMaxOf(body: Uint8Array): { readonly bytesMax: number } {
  return { bytesMax: body.length }
}

function orNothing<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
}

function asVerified<T>(value: T): Verified<T>
function asVerified<T>(value: T): T {
  return value
}
