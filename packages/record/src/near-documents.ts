/**
 * Documents in their owner's own thread: those that are a straight line, which need no Automerge. Of each
 * what stands in it is held, and where its line ends, not its changes. What they are asked takes microseconds, where handing it to another thread and back takes
 * a millisecond on a machine at rest.
 *
 * Whatever needs Automerge, or more time than this thread should be kept for, is declined with the
 * document as it was: it then goes to the host of the others.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import { isSavedForm } from "./change-format.ts"
import { ChangeWriter, type Sha256 } from "./change-writer.ts"
import { conflicts, registersAround, valuesOf } from "./document-cells.ts"
import { editOpen } from "./document-edit.ts"
import {
  type ApplyInput,
  type Conflict,
  type CountedRegister,
  DOCUMENT_OPS_MAX,
  type DocumentId,
  type EditInput,
  type EditResult,
  type Heads,
} from "./documents.ts"
import { applyChanges, type ForeignParts } from "./foreign-changes.ts"
import { bytesOf } from "./loaded-documents.ts"
import { OpenDocument } from "./open-document.ts"
import { assemble } from "./registers.ts"
import { StraightLine } from "./straight-line.ts"

/** Edits in one call: some hundreds of registers take a few milliseconds. */
const EDITS_MAX = 64
/**
 * Changes of others in one call, and their bytes. At some six bytes an operation, whatever they say is
 * read within some 5 ms.
 */
export const NEAR_CHANGES_MAX = 64
export const NEAR_BYTES_MAX: number = 16 * 1024
/** Of one document; of more at once Automerge is quicker. */
export const NEAR_AT_ONCE_MAX = 512
/** What a document may be loaded from here. */
const PIECES_MAX = 512
const PIECES_BYTES_MAX: number = 64 * 1024
/** Of what stands in one document: it is read in one go, some 50 ms of them. */
const LINE_BYTES_MAX: number = 512 * 1024

/** Runs work here, and lets this thread do something else once much was done. */
export type Breathe = <T>(work: () => Promise<T>) => Promise<T>

export const DECLINED: unique symbol = Symbol("declined")
export type Declined = typeof DECLINED

class NeedsAutomerge extends Error {}

export class NearDocuments {
  readonly #open = new Map<DocumentId, OpenDocument>()
  readonly #parts: ForeignParts

  constructor(sha256: Sha256) {
    this.#parts = {
      writer: new ChangeWriter(sha256),
      fits: ({ opCount, bytes }) => opCount <= DOCUMENT_OPS_MAX && bytes <= LINE_BYTES_MAX,
      automerge: () => Promise.reject(new NeedsAutomerge()),
    }
  }

  /** About how much memory a document that is here takes. */
  bytes(document: DocumentId): number {
    return this.#of(document).line?.bytes ?? 0
  }

  /** @returns Whether it is here now. */
  async restore(
    document: DocumentId,
    pieces: readonly Uint8Array[],
    breathe: Breathe = (work) => work(),
  ): Promise<boolean> {
    const isMuch = pieces.length > PIECES_MAX || bytesOf(pieces) > PIECES_BYTES_MAX
    if (isMuch || pieces.some(isSavedForm)) return false
    let one = OpenDocument.ofLine(StraightLine.empty())
    for (const some of inFew(pieces)) {
      const before = one
      const next = await breathe(() => unlessDeclined(applyChanges(before, some, this.#parts)))
      if (next === DECLINED) return false
      one = next
    }
    this.#open.set(document, one)
    return true
  }

  /** @throws {RecordError} As `Documents.edit`. */
  async edit(input: EditInput): Promise<EditResult | undefined | Declined> {
    if (input.edits.length > EDITS_MAX) return DECLINED
    const edited = await unlessDeclined(editOpen(this.#of(input.document), input, this.#parts))
    if (edited === DECLINED) return DECLINED
    this.#open.set(input.document, edited.next)
    return edited.result
  }

  /** @throws {RecordError} As `Documents.apply`. */
  async apply({ document, changes }: ApplyInput): Promise<Heads | Declined> {
    if (!isFew(changes)) return DECLINED
    const next = await unlessDeclined(applyChanges(this.#of(document), changes, this.#parts))
    if (next === DECLINED) return DECLINED
    this.#open.set(document, next)
    return { heads: next.heads }
  }

  read(document: DocumentId): JsonValue | undefined {
    return assemble(valuesOf(this.#of(document).cells))
  }

  conflicts(document: DocumentId): readonly Conflict[] {
    return conflicts(this.#of(document).cells)
  }

  registers(document: DocumentId, path: readonly string[]): readonly CountedRegister[] {
    return registersAround(this.#of(document).cells, path)
  }

  heads(document: DocumentId): readonly string[] {
    return this.#of(document).heads
  }

  forget(document: DocumentId): void {
    this.#open.delete(document)
  }

  forgetAll(): void {
    this.#open.clear()
  }

  #of(document: DocumentId): OpenDocument {
    const one = this.#open.get(document)
    if (one === undefined) throw new TypeError("this document is not here")
    return one
  }
}

/** Whether changes are few enough to be taken here in one call. */
export function isFew(changes: readonly Uint8Array[]): boolean {
  return changes.length <= NEAR_CHANGES_MAX && bytesOf(changes) <= NEAR_BYTES_MAX
}

/** In order, as many at a time as are few; one that is too much by itself alone. */
export function* inFew(changes: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let few: Uint8Array[] = []
  for (const change of changes) {
    if (few.length > 0 && !isFew([...few, change])) {
      yield few
      few = []
    }
    few.push(change)
  }
  if (few.length > 0) yield few
}

async function unlessDeclined<T>(work: Promise<T>): Promise<T | Declined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof NeedsAutomerge) return DECLINED
    throw error
  }
}
