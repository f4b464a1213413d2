/**
 * What this device's documents show, sealed for another device that lacks most of the log: it can be
 * read there before its history has come.
 *
 * Only of documents with a long history: of the others that comes as soon.
 *
 * @module
 */
import { bytesToHex, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { canonicalJson } from "@fulcrum/codec/json"
import type { Replica } from "@fulcrum/log/replica"
import type { SnapshotDocument } from "@fulcrum/log/snapshot"
import type { VersionVector } from "@fulcrum/log/vector"
import type { DocumentId, Documents } from "@fulcrum/record/documents"
import { RecordError } from "@fulcrum/record/record-error"
import { isShownEarly, SHOWN_BYTES_MAX } from "./early-documents.ts"

/** Entries that somebody must lack at least, and which share of all. */
const LACKING_MIN = 256
const LACKING_SHARE = 0.5

/** Bytes of what documents show in one snapshot, unless a single one has more. */
const TOGETHER_BYTES_MAX: number = 128 * 1024

export interface SnapshotSource {
  readonly record: Replica
  readonly documents: Documents
  /** Documents of which a saved form is kept: their history is long. */
  long(): Promise<readonly DocumentId[]>
  /** Runs while nothing changes the record. */
  still<T>(work: () => Promise<T>): Promise<T>
  /** Whether it is shown ahead of its history here too. */
  isEarly(document: DocumentId): boolean
}

/**
 * @param after - What the other device has.
 * @returns Nothing, if it has the most of it.
 */
export async function* documentSnapshots(
  source: SnapshotSource,
  after: VersionVector,
): AsyncGenerator<Uint8Array> {
  if (!lacksMost(source.record, after)) return
  const left = (await source.long()).filter(isShownEarly)
  while (left.length > 0) {
    const sealed = await source.still(() => sealSome(source, left))
    if (sealed) yield sealed
  }
}

/** Takes documents from `left`, as many as one snapshot holds. */
async function sealSome(
  { record, documents, isEarly }: SnapshotSource,
  left: DocumentId[],
): Promise<Uint8Array | undefined> {
  const shown: SnapshotDocument[] = []
  let bytes = 0
  for (let next = left[0]; next !== undefined && bytes < TOGETHER_BYTES_MAX; next = left[0]) {
    left.shift()
    if (isEarly(next)) continue
    const one = await shownOf(documents, next)
    if (one === undefined || one.shown.length > SHOWN_BYTES_MAX) continue
    if (shown.length > 0 && bytes + one.shown.length > TOGETHER_BYTES_MAX) {
      left.unshift(next)
      break
    }
    shown.push(one)
    bytes += one.shown.length
  }
  if (shown.length === 0) return undefined
  return record.snapshots.seal({ vector: record.vector, documents: shown })
}

/** `undefined`: nothing, or it cannot be read now: the log goes all the same. */
async function shownOf(
  documents: Documents,
  document: DocumentId,
): Promise<SnapshotDocument | undefined> {
  try {
    const value = await documents.read(document)
    if (value === undefined) return undefined
    const heads = (await documents.heads(document)).map(hexToBytes)
    return { document: utf8ToBytes(document), heads, shown: utf8ToBytes(canonicalJson(value)) }
  } catch (error) {
    if (error instanceof RecordError || error instanceof CodecError) return undefined
    throw error
  }
}

function lacksMost({ tree }: Replica, after: VersionVector): boolean {
  const covered = tree.coveredBy(after)
  let all = 0
  let lacking = 0
  for (const { incarnation, first, sequence } of tree.nodes()) {
    const has = Math.min(covered.get(bytesToHex(incarnation)) ?? 0, sequence)
    all += sequence - first + 1
    lacking += Math.min(sequence - has, sequence - first + 1)
  }
  return lacking >= LACKING_MIN && lacking >= LACKING_SHARE * all
}
