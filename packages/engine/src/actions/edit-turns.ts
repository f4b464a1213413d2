/**
 * Edits of documents that are shown ahead of their history wait for it, and keep their order: of two
 * edits of one document the later is made later.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { DocumentId } from "@fulcrum/record/documents"
import type { ShownDocuments } from "../documents/shown-documents.ts"
import { RecordBehindError } from "../failures/engine-error.ts"
import { deadline } from "../mailboxes/relay-visit.ts"
import { Signal } from "../waiting/signal.ts"

/** How long an edit waits for the history of what is shown. */
const HISTORY_MS = 10_000

export interface EditTurnsOptions {
  readonly shown: ShownDocuments
  readonly clock: Clock
  /** Fires when the record is closed. */
  readonly signal: AbortSignal
}

export class EditTurns {
  readonly #options: EditTurnsOptions
  /** What the edits wait for that could not be made yet, by their turn. */
  readonly #waiting = new Map<number, string>()
  readonly #changed = new Signal()
  #next = 0

  constructor(options: EditTurnsOptions) {
    this.#options = options
    options.shown.onChange(() => this.#changed.notify())
  }

  /**
   * Does what edits documents; if they are still coming, once they have come.
   *
   * @param work - Is given its turn, for {@link EditTurns.requireNext}.
   * @throws {EngineError} `RECORD_BEHIND`: they did not come.
   */
  async run<T>(work: (turn: number) => Promise<T>): Promise<T> {
    const turn = this.#next++
    try {
      return await work(turn)
    } catch (error) {
      if (!(error instanceof RecordBehindError)) throw error
      return await this.#whenHere(turn, work, error)
    }
  }

  /** @throws {EngineError} `RECORD_BEHIND`: an earlier edit waits for one of these documents. */
  requireNext(turn: number, documents: readonly DocumentId[]): void {
    for (const [earlier, document] of this.#waiting) {
      const isBefore = earlier < turn && documents.some((one) => one === document)
      if (isBefore) throw new RecordBehindError(document)
    }
  }

  async #whenHere<T>(
    turn: number,
    work: (turn: number) => Promise<T>,
    { document }: RecordBehindError,
  ): Promise<T> {
    const { clock, signal } = this.#options
    const late = deadline(clock, signal, HISTORY_MS)
    this.#waiting.set(turn, document)
    try {
      for (;;) {
        // What it waits for may have come since it was tried.
        const changed = this.#changed.wait(late.signal)
        try {
          return await work(turn)
        } catch (error) {
          if (!(error instanceof RecordBehindError) || late.signal.aborted) throw error
          this.#waiting.set(turn, error.document)
        }
        await changed
      }
    } finally {
      late.done()
      this.#waiting.delete(turn)
      this.#changed.notify()
    }
  }
}
