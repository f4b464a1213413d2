/**
 * What of a record goes into a backup, and what is taken out of one: see `backup-file.ts`.
 *
 * Putting a record back from a backup lets a new device in, with the recovery words, as recovery from a
 * relay does: nothing that writes is ever there twice.
 *
 * @module
 */
import { AccessError } from "@fulcrum/access/access-error"
import { BEACON_BYTES_MAX, type Beacon, decodeBeacon, encodeBeacon } from "@fulcrum/access/beacon"
import type { RecoveryKeys } from "@fulcrum/access/recovery-words"
import { concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { Replica } from "@fulcrum/log/replica"
import { SPAN_BYTES_MAX } from "@fulcrum/log/span"
import type { VersionVector } from "@fulcrum/log/vector"
import type { WholeAttachment } from "../attachments/attachments.ts"
import { EngineError } from "../failures/engine-error.ts"
import type { Relationships } from "../relationships/relationships.ts"
import { type BackedUp, type FromBackup, readBackup } from "./backup-file.ts"

/** Bytes of spans taken from the disk at a time. */
const READ_BYTES_MAX: number = 4 * 1024 * 1024
/** Bytes of spans that are taken from a backup. */
const SPANS_BYTES_MAX: number = 2 ** 30

/** Files in one before the attached ones. */
const PARTS_MAX = 1_000_000

const BEACON = "fulcrum/beacon"
const RECORD = /^fulcrum\/record\/\d+$/
const SHARE = /^fulcrum\/shares\/([0-9a-f]{32})\/\d+$/
const ATTACHMENT = /^attachments\/([0-9a-f]{64})\//
const NUMBER_DIGITS = 6

const README = `This is a backup of a record kept with Fulcrum.

record.json   everything in it, as JSON
card.vcf      the contact card, as vCard 4.0
attachments/  the files that were attached to it and lay on the device that made this
fulcrum/      the same with its history, to put it back: fulcrum restore FILE

The file that this lies in is sealed with age (https://age-encryption.org) for the 24 recovery words.
`

/** What a backup is made from. */
export interface BackupSource {
  readonly beacon: Beacon
  readonly record: Replica
  readonly relationships: Relationships
  /** Every document, and the card. */
  exported(format: "json" | "vcard"): Promise<string>
  /** Files that are whole here. */
  attachments(): AsyncIterable<WholeAttachment>
}

/** In the order in which they are of use where the file ends early. */
export async function* backupFiles(source: BackupSource): AsyncGenerator<BackedUp> {
  yield file("README.txt", utf8ToBytes(README))
  yield* recordFiles(source)
  yield file("record.json", utf8ToBytes(await source.exported("json")))
  yield file("card.vcf", utf8ToBytes(await source.exported("vcard")))
  for await (const { id, item, content } of source.attachments()) {
    yield { name: `attachments/${id}/${fileName(item.name)}`, bytes: item.bytes, content }
  }
}

/** What the recovery words bring back, and nothing else. */
export async function* recordFiles(
  source: Pick<BackupSource, "beacon" | "record" | "relationships">,
): AsyncGenerator<BackedUp> {
  yield file(BEACON, encodeBeacon(source.beacon))
  yield* spanFiles("fulcrum/record", source.record)
  for (const { id, space } of source.relationships.all) {
    yield* spanFiles(`fulcrum/shares/${id}`, space.replica)
  }
}

/** What is in a backup for this program; attachments are read by {@link attachmentsIn}. */
export interface RestoredSpans {
  readonly beacon: Beacon
  readonly record: readonly Uint8Array[]
  /** By relationship. */
  readonly shares: ReadonlyMap<string, readonly Uint8Array[]>
}

/**
 * Reads all of it once, but for what was attached.
 *
 * @throws {EngineError} `BACKUP_WORDS_OTHER`, `BACKUP_DAMAGED`. @throws What `content` does.
 */
export async function spansIn(
  content: AsyncIterable<Uint8Array>,
  recovery: RecoveryKeys,
): Promise<RestoredSpans> {
  let beacon: Beacon | undefined
  const record: Uint8Array[] = []
  const shares = new Map<string, Uint8Array[]>()
  let bytes = 0
  let parts = 0
  for await (const one of readBackup(content, recovery.wrap)) {
    // All of the record comes before what was attached to it, which may be damaged.
    if (ATTACHMENT.test(one.name)) break
    if (parts++ > PARTS_MAX) throw damaged("a backup of too many parts")
    const [, share] = SHARE.exec(one.name) ?? []
    if (one.name === BEACON) {
      beacon = readBeacon(await whole(one, BEACON_BYTES_MAX), recovery)
    } else if (share !== undefined || RECORD.test(one.name)) {
      const span = await whole(one, SPAN_BYTES_MAX)
      bytes += span.length
      if (bytes > SPANS_BYTES_MAX) throw damaged("a backup that holds too much")
      if (share === undefined) record.push(span)
      else {
        const known = shares.get(share)
        if (known === undefined) shares.set(share, [span])
        else known.push(span)
      }
    }
  }
  if (beacon === undefined) throw damaged("a backup of no record")
  return { beacon, record, shares }
}

/** The attached files that are in a backup, by id; each is read before the next is asked for. */
export async function* attachmentsIn(
  content: AsyncIterable<Uint8Array>,
  recovery: RecoveryKeys,
): AsyncGenerator<FromBackup & { readonly id: string }> {
  for await (const one of readBackup(content, recovery.wrap)) {
    const [, id] = ATTACHMENT.exec(one.name) ?? []
    if (id !== undefined) yield { ...one, id }
  }
}

async function* spanFiles(folder: string, replica: Replica): AsyncGenerator<BackedUp> {
  let after: VersionVector = []
  for (let number = 1; ; ) {
    const { spans, reached } = await replica.spansAfter(after, { bytesMax: READ_BYTES_MAX })
    if (spans.length === 0) return
    for (const span of spans) {
      yield file(`${folder}/${String(number++).padStart(NUMBER_DIGITS, "0")}`, span)
    }
    after = reached
  }
}

function file(name: string, content: Uint8Array): BackedUp {
  return { name, bytes: content.length, content: [content] }
}

/** One that no file system refuses, and that leads nowhere else. */
function fileName(name: string): string {
  return (
    name
      .replace(/[\p{Cc}/\\:*?"<>|]/gu, "_")
      .replace(/^\.+/, "_")
      .slice(0, 80) || "file"
  )
}

async function whole({ bytes, content }: FromBackup, bytesMax: number): Promise<Uint8Array> {
  if (bytes > bytesMax) throw damaged("a part of a backup that is too large")
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece)
  return concatBytes(pieces)
}

function readBeacon(content: Uint8Array, recovery: RecoveryKeys): Beacon {
  try {
    return decodeBeacon(content, recovery)
  } catch (cause) {
    if (!(cause instanceof AccessError)) throw cause
    throw damaged("a backup that does not say of which record it is", cause)
  }
}

function damaged(message: string, cause?: unknown): EngineError {
  return new EngineError("BACKUP_DAMAGED", message, { cause })
}
