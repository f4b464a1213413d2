/**
 * Reads LevelDB's manifest: which files a database consists of.
 *
 * It is a log (`level-log-damage.ts`) of edits, each a list of fields with a tag before it; numbers
 * are varints, texts have their length before them:
 *
 * | tag | field                                                    |
 * | --: | -------------------------------------------------------- |
 * |   1 | comparator's name                                        |
 * |   2 | number of the oldest log that is not in a table yet      |
 * |   3 | next file's number                                       |
 * |   4 | last sequence                                            |
 * |   5 | level, key where its compaction goes on                  |
 * |   6 | level, number of a table taken away                      |
 * |   7 | level, number of a table added, size, first and last key |
 * |   9 | number of the log before (not used any more)             |
 *
 * Source: LevelDB, db/version_edit.cc, doc/impl.md.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import {
  BLOCK_BYTES,
  HEADER_BYTES,
  recordLength,
  TYPE_FIRST,
  TYPE_FULL,
  TYPE_LAST,
} from "./level-log-damage.ts"
import { readVarint } from "./level-table-damage.ts"

/** @returns Files that have to be there; `undefined` if the manifest does not say all of them. */
export function filesOfManifest(manifest: Uint8Array): readonly string[] | undefined {
  const tables = new Set<number>()
  let log: number | undefined
  for (const edit of payloadsOf(manifest)) {
    const cursor = { at: 0 }
    const number = () => readVarint(edit, cursor)
    const text = () => {
      const length = number()
      cursor.at += length
    }
    while (cursor.at < edit.length) {
      const tag = number()
      if (tag === 1) text()
      else if (tag === 2) log = number()
      else if (tag === 3 || tag === 4 || tag === 9) number()
      else if (tag === 5) {
        number()
        text()
      } else if (tag === 6) {
        number()
        tables.delete(number())
      } else if (tag === 7) {
        number()
        tables.add(number())
        number()
        text()
        text()
      } else return undefined
    }
  }
  if (log === undefined) return undefined
  const files = [...tables].map((number) => fileName(number, "ldb"))
  // Before the first opening is over there is no log.
  return log === 0 ? files : [...files, fileName(log, "log")]
}

/** @param kind - `log`, or `ldb` for a table. */
function fileName(number: number, kind: "log" | "ldb"): string {
  return `${String(number).padStart(6, "0")}.${kind}`
}

/** Whole payloads up to the first record that is not intact: the end was not flushed then. */
function* payloadsOf(log: Uint8Array): Generator<Uint8Array, void, void> {
  let parts: Uint8Array[] = []
  for (let blockAt = 0; blockAt < log.length; blockAt += BLOCK_BYTES) {
    const block = log.subarray(blockAt, blockAt + BLOCK_BYTES)
    for (let at = 0; at + HEADER_BYTES <= block.length; ) {
      const length = recordLength(block, at)
      if (length === undefined) return
      const type = block[at + 6]
      const payload = block.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length)
      parts = type === TYPE_FULL || type === TYPE_FIRST ? [payload] : [...parts, payload]
      if (type === TYPE_FULL || type === TYPE_LAST) yield concatBytes(parts)
      at += HEADER_BYTES + length
    }
  }
}
