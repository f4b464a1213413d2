/**
 * One document in memory: what stands in it, and Automerge's own form of it, made once that is needed.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { type AsLoaded, afterMore, inPortions } from "./as-loaded.ts"
import type { AutomergeEngine, AutomergeHandle } from "./automerge-wasm.ts"
import { ACTOR_BYTES } from "./change-format.ts"
import type { Cells } from "./document-cells.ts"
import { StraightLine } from "./straight-line.ts"

/** Automerge's form, and in whose name it writes (hex). */
export interface Written extends AsLoaded {
  readonly handle: AutomergeHandle
  readonly actor: string
}

/** No writer's: of a document that nothing was written to here. */
export const NO_ACTOR: string = "00".repeat(ACTOR_BYTES)

const NOTHING: Cells = new Map()

export class OpenDocument {
  /** Sorted hex hashes. */
  readonly heads: readonly string[]
  /** Absent: not every change follows the one before, or that is not known. */
  readonly line: StraightLine | undefined
  /** Of what is no line. */
  readonly #cells: Cells
  /** All changes of a line, of which Automerge's form can be made again; of others none. */
  readonly #changes: Uint8Array[] | undefined
  #written: Written | undefined
  /** How many of `#changes` are in `#written`. */
  #writtenCount = 0
  /** What saving it gives, where it was saved to try it. */
  #saved: Uint8Array | undefined

  static empty(): OpenDocument {
    const line = StraightLine.empty()
    return new OpenDocument({ cells: NOTHING, heads: line.heads, line }, [])
  }

  /** Of its line alone: its changes are elsewhere, and Automerge's form of it too. */
  static ofLine(line: StraightLine): OpenDocument {
    return new OpenDocument({ cells: NOTHING, heads: line.heads, line }, undefined)
  }

  private constructor(
    state: Pick<OpenDocument, "cells" | "heads" | "line">,
    changes: Uint8Array[] | undefined,
    written?: Written,
    writtenCount = 0,
  ) {
    this.#cells = state.cells
    this.heads = state.heads
    this.line = state.line
    this.#changes = changes
    this.#written = written
    this.#writtenCount = writtenCount
  }

  /** As they are now: they may be others once there is a change. */
  get cells(): Cells {
    return this.line?.cells ?? this.#cells
  }

  /** @param saved - What saving it gives, where that is known. */
  static of(written: Written, cells: Cells, saved?: Uint8Array): OpenDocument {
    const state = { cells, heads: headsOf(written.handle), line: undefined }
    const open = new OpenDocument(state, undefined, written)
    open.#saved = saved
    return open
  }

  /** The document with these changes, which make `line` of its line. This one is used no more. */
  extended(changes: readonly Uint8Array[], line: StraightLine): OpenDocument {
    if (this.#changes === undefined) return OpenDocument.ofLine(line)
    const state = { cells: NOTHING, heads: line.heads, line }
    for (const change of changes) this.#changes.push(change)
    return new OpenDocument(state, this.#changes, this.#written, this.#writtenCount)
  }

  /** Its saved form: the one that was made to try it, if nothing has come since. */
  save(automerge: AutomergeEngine): Uint8Array {
    // Once: whoever asks keeps it, and it is asked again only after further changes.
    const saved = this.#saved ?? this.written(automerge).handle.save()
    this.#saved = undefined
    return saved
  }

  /** Whether Automerge's form is in memory and could be made again. */
  get canRest(): boolean {
    return this.#written !== undefined && this.#changes !== undefined
  }

  /** Gives back what {@link OpenDocument.written} makes again. */
  rest(): void {
    if (this.#changes === undefined) return
    this.#written?.handle.free()
    this.#written = undefined
    this.#writtenCount = 0
  }

  /** Automerge's form with all changes. Whoever writes there makes another document of it. */
  written(automerge: AutomergeEngine): Written {
    if (this.#written === undefined && this.#changes === undefined) {
      throw new TypeError("this document's changes are elsewhere")
    }
    const left = this.#changes?.slice(this.#writtenCount) ?? []
    const written = grown(this.#written, left, automerge)
    this.#written = written
    this.#writtenCount = this.#changes?.length ?? 0
    return written
  }

  /** Gives back Automerge's memory, unless `next` goes on with it. */
  free(next?: OpenDocument): void {
    const isShared = next !== undefined && next.#written?.handle === this.#written?.handle
    if (!isShared) this.#written?.handle.free()
  }
}

/** With these changes; of nothing it is loaded from them at once. */
function grown(
  before: Written | undefined,
  changes: readonly Uint8Array[],
  automerge: AutomergeEngine,
): Written {
  const written: Written = before ?? { handle: automerge.empty(NO_ACTOR), actor: NO_ACTOR }
  if (changes.length === 0) return written
  for (const some of inPortions(changes, written)) written.handle.loadIncremental(concatBytes(some))
  const now = before === undefined ? { isAsLoaded: true } : afterMore(before, changes.length)
  return { ...written, ...now }
}

export function headsOf(handle: AutomergeHandle): readonly string[] {
  return handle.getHeads().sort()
}
