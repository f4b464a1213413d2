/**
 * Entries in order, as many at a time as are applied with one write: bounds memory, also of the
 * documents that they change.
 *
 * @module
 */
import type { AdmittedEntry } from "@fulcrum/log/replica"

export const PIECE_ENTRIES_MAX = 8192
/** Of their bodies, unless a single one has more. */
const BYTES_MAX: number = 4 * 1024 * 1024

class Piece {
  readonly entries: AdmittedEntry[] = []
  readonly #entriesMax: number
  #bytes = 0

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  /** @returns Whether there was room for it. */
  add(entry: AdmittedEntry): boolean {
    const bytes = this.#bytes + entry.body.length
    const isFull = this.entries.length >= this.#entriesMax || bytes > BYTES_MAX
    if (isFull && this.entries.length > 0) return false
    this.entries.push(entry)
    this.#bytes = bytes
    return true
  }
}

export function inPieces(
  entries: readonly AdmittedEntry[],
  entriesMax: number = PIECE_ENTRIES_MAX,
): readonly (readonly AdmittedEntry[])[] {
  const pieces: Piece[] = []
  for (const entry of entries) {
    if (pieces.at(-1)?.add(entry)) continue
    const piece = new Piece(entriesMax)
    piece.add(entry)
    pieces.push(piece)
  }
  return pieces.map((piece) => piece.entries)
}

export function isOnePiece(
  entries: readonly AdmittedEntry[],
  entriesMax: number = PIECE_ENTRIES_MAX,
): boolean {
  const piece = new Piece(entriesMax)
  return entries.every((entry) => piece.add(entry))
}

/** The same of entries that are read one by one. */
export async function* readPieces(
  entries: AsyncIterable<AdmittedEntry>,
  entriesMax: number = PIECE_ENTRIES_MAX,
): AsyncGenerator<readonly AdmittedEntry[], void, void> {
  let piece = new Piece(entriesMax)
  for await (const entry of entries) {
    if (piece.add(entry)) continue
    yield piece.entries
    piece = new Piece(entriesMax)
    piece.add(entry)
  }
  if (piece.entries.length > 0) yield piece.entries
}
