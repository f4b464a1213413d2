/**
 * Beacons: how the 24 recovery words find the record again.
 *
 * The words name a mailbox (`recovery-words.ts`: `beaconName`), and every device keeps one small
 * object pinned there, on each of the record's relays: the beacon. It is an X-Wing wrap, to the words'
 * key, of a length in four bytes (the highest first), canonical CBOR, and zeros up to a multiple of
 * {@link BEACON_STEP_BYTES} for the whole object; the associated data is the mailbox's name, so that
 * it is good in no other.
 *
 * | field      | type                     | notes                                              |
 * | ---------- | ------------------------ | -------------------------------------------------- |
 * | version    | 1                        |                                                    |
 * | anchor     | `[space, chainKey, meetingKey, genesis, signature]` | which record it is: below |
 * | epochs     | array of ids             | what the membership log has come to                |
 * | mailboxes  | array of `[relay, seed]` | where the record lies, and the key that names it   |
 *
 * Any device can renew it, also one that does not know the words: it needs their public key, and the
 * key of the mailbox, which is an entry of the record. So a device that was removed can overwrite or
 * delete the beacon, until the words are replaced. What it cannot do is to read a newer one, or to
 * have another record taken for this one: what makes the record is signed by the words' own key, once,
 * when they are made: the *anchor*. Source: DESIGN, "Meeting" (recovery).
 *
 * @module
 */
import { array, bytes, encodeAs, literal, type Schema, struct, text } from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import {
  type PublicKey,
  SEED_BYTES,
  SIGNATURE_BYTES,
  type SigningKey,
  sign,
  verify,
} from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { unwrap, WRAP_OVERHEAD_BYTES, type WrapPublicKey, wrap } from "@fulcrum/crypto/wrap"
import {
  type ChainKey,
  chainKeySchema,
  type EpochId,
  epochIdSchema,
  type MailboxName,
  type SpaceTag,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import { mailboxName } from "@fulcrum/log/mailbox"
import type { Verified } from "@fulcrum/log/verified"
import { AccessError } from "./access-error.ts"
import { ADDRESS_BYTES_MAX } from "./pairing-package.ts"
import { orRefuse, readAs } from "./read.ts"
import type { RecoveryKeys } from "./recovery-words.ts"

/** What never changes of a record, and by which it is known. */
export interface RecordKeys {
  readonly space: SpaceTag
  readonly chainKey: ChainKey
  /** 32 bytes, by which own devices recognise one another. */
  readonly meetingKey: Uint8Array
  /** Its first epoch. */
  readonly genesis: EpochId
}

/** The words' own word for it. */
export interface RecordAnchor extends RecordKeys {
  readonly signature: Uint8Array
}

export interface BeaconMailbox {
  /** Address of the relay that it lies on. */
  readonly relay: string
  /** Seed of the key that names it. */
  readonly seed: Uint8Array
}

export interface Beacon {
  readonly anchor: RecordAnchor
  /** Where it does not lead to these, something is kept back. Their keys are in their key spans. */
  readonly epochs: readonly EpochId[]
  readonly mailboxes: readonly BeaconMailbox[]
}

/** A beacon has a multiple of this many bytes, so that its size tells little. */
export const BEACON_STEP_BYTES = 4096

/** Bytes of the largest one: what a relay pins for a mailbox. */
export const BEACON_BYTES_MAX: number = 4 * BEACON_STEP_BYTES

/** Epochs and mailboxes in one: more are left out, the last ones first. */
export const BEACON_EPOCHS_MAX = 8
export const BEACON_MAILBOXES_MAX = 16

const recordFields = {
  space: spaceTagSchema,
  chainKey: chainKeySchema,
  meetingKey: bytes(32),
  genesis: epochIdSchema,
}
const signedAnchor: Schema<RecordKeys> = struct(recordFields)

/** Structure only: `verifyAnchor` checks the signature. */
export const recordAnchorSchema: Schema<RecordAnchor> = struct({
  ...recordFields,
  signature: bytes(SIGNATURE_BYTES),
})

const beaconSchema = struct({
  version: literal(1),
  anchor: recordAnchorSchema,
  epochs: array(epochIdSchema, BEACON_EPOCHS_MAX),
  mailboxes: array(
    struct({ relay: text(ADDRESS_BYTES_MAX), seed: bytes(SEED_BYTES) }),
    BEACON_MAILBOXES_MAX,
  ),
})

/** Before the zeros: how long what is in it is. */
const LENGTH_BYTES = 4

/** Signs which record the words belong to. */
export function signAnchor(
  record: RecordKeys,
  recovery: Pick<RecoveryKeys, "writer">,
): RecordAnchor {
  const { space, chainKey, meetingKey, genesis } = record
  const signature = anchorSignature({ space, chainKey, meetingKey, genesis }, recovery.writer)
  return { space, chainKey, meetingKey, genesis, signature }
}

function anchorSignature(record: RecordKeys, key: SigningKey): Uint8Array {
  return sign(contexts.recoveryAnchor, key, encodeAs(signedAnchor, record))
}

/** @param writer - The recovery words' key. @throws {AccessError} `ACCESS_CERTIFICATE_INVALID`. */
export function verifyAnchor(anchor: RecordAnchor, writer: PublicKey): Verified<RecordAnchor> {
  if (isSignedAnchor(anchor, writer)) return anchor
  throw new AccessError("ACCESS_CERTIFICATE_INVALID", "a record that these words did not sign for")
}

function isSignedAnchor(anchor: RecordAnchor, writer: PublicKey): anchor is Verified<RecordAnchor> {
  const { signature, ...record } = anchor
  return verify(contexts.recoveryAnchor, writer, encodeAs(signedAnchor, record), signature)
}

/**
 * Seals a beacon for the words.
 *
 * @param sealed.to - The words' X-Wing key. @param sealed.mailbox - The name of its mailbox.
 * @returns A multiple of {@link BEACON_STEP_BYTES}, {@link BEACON_BYTES_MAX} at most.
 */
export function sealBeacon(sealed: {
  readonly beacon: Beacon
  readonly to: WrapPublicKey
  readonly mailbox: MailboxName
  readonly random: Random
}): Uint8Array {
  const { to, mailbox, random } = sealed
  const content = encodeBeacon(sealed.beacon)
  const least = LENGTH_BYTES + content.length + WRAP_OVERHEAD_BYTES
  const size = Math.ceil(least / BEACON_STEP_BYTES) * BEACON_STEP_BYTES
  const plaintext = new Uint8Array(size - WRAP_OVERHEAD_BYTES)
  new DataView(plaintext.buffer).setUint32(0, content.length)
  plaintext.set(content, LENGTH_BYTES)
  return wrap({ context: contexts.recoveryBeacon, to, aad: mailbox, plaintext, random })
}

/** What is sealed: the same bytes for the same beacon, so that what changed can be told. */
export function encodeBeacon({ anchor, epochs, mailboxes }: Beacon): Uint8Array {
  return encodeAs(beaconSchema, {
    version: 1,
    anchor,
    epochs: epochs.slice(0, BEACON_EPOCHS_MAX),
    mailboxes: mailboxes.slice(0, BEACON_MAILBOXES_MAX),
  })
}

/** @returns `undefined`: it is none of these words', damaged, or of another record. */
export function openBeacon(sealed: Uint8Array, recovery: RecoveryKeys): Beacon | undefined {
  if (sealed.length > BEACON_BYTES_MAX) return undefined
  return orRefuse(() => {
    const plaintext = unwrap({
      context: contexts.recoveryBeacon,
      key: recovery.wrap,
      aad: mailboxName(recovery.beaconName.publicKey),
      sealed,
    })
    return decodeBeacon(contentOf(plaintext), recovery)
  })
}

/**
 * What {@link encodeBeacon} gave.
 *
 * @throws {AccessError} `ACCESS_MALFORMED`; `ACCESS_CERTIFICATE_INVALID`: of a record that these words
 * did not sign for.
 */
export function decodeBeacon(
  content: Uint8Array,
  { writer }: Pick<RecoveryKeys, "writer">,
): Beacon {
  const limits = { bytesMax: BEACON_BYTES_MAX }
  const { version: _, ...beacon } = readAs(beaconSchema, content, limits)
  verifyAnchor(beacon.anchor, writer.publicKey)
  return beacon
}

/** What comes after the length; less of it, or nothing, where that lies. */
function contentOf(plaintext: Uint8Array): Uint8Array {
  if (plaintext.length < LENGTH_BYTES) return plaintext
  const view = new DataView(plaintext.buffer, plaintext.byteOffset, LENGTH_BYTES)
  return plaintext.subarray(LENGTH_BYTES, LENGTH_BYTES + view.getUint32(0))
}
