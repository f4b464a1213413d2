/**
 * Documents over a host that may be lost: one call at a time, loading each document at its first
 * use, and again after the host was lost.
 *
 * What was written or taken since a document was loaded is kept here too (`JOURNAL_CHANGES_MAX`
 * newest), because the owner makes it durable only after it was answered: a host started anew
 * must not give out the same sequence number twice.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { HostCall, HostCalls } from "./document-host.ts"
import type {
  ApplyInput,
  Conflict,
  CountedRegister,
  DocumentId,
  Documents,
  EditInput,
  EditResult,
  Heads,
  HistoryEntry,
  Reload,
} from "./documents.ts"
import { RecordError } from "./record-error.ts"

/** Calls waiting for their turn. */
export const CALLS_WAITING_MAX = 4096
/** Changes of one document kept here; an owner is never further behind than that. */
export const JOURNAL_CHANGES_MAX = 16_384

/** Where the host is. */
export interface HostLink extends AsyncDisposable {
  /** Goes up with each start. */
  readonly generation: number
  /** @throws {RecordError} `RECORD_WORKER` if the host was lost; it is started again. */
  call<K extends HostCall>(name: K, input: HostCalls[K][0]): Promise<HostCalls[K][1]>
}

export class SerialDocuments implements Documents {
  readonly #link: HostLink
  readonly #reload: Reload
  /** The generation in which a document was loaded. */
  readonly #loadedIn = new Map<DocumentId, number>()
  readonly #journals = new Map<DocumentId, Uint8Array[]>()
  #last: Promise<void> = Promise.resolve()
  #waitingCount = 0
  #isClosed = false

  constructor(link: HostLink, reload: Reload) {
    this.#link = link
    this.#reload = reload
  }

  edit(input: EditInput): Promise<EditResult | undefined> {
    return this.#inTurn(async () => {
      const result = await this.#twice(input.document, () => this.#link.call("edit", input))
      if (result !== undefined) this.#keep(input.document, [result.change])
      return result
    })
  }

  apply(input: ApplyInput): Promise<Heads> {
    return this.#inTurn(async () => {
      await this.#loadTwice(input.document)
      const heads = await this.#link.call("apply", input)
      this.#keep(input.document, input.changes)
      return heads
    })
  }

  read(document: DocumentId): Promise<JsonValue | undefined> {
    return this.#ask(document, () => this.#link.call("read", document))
  }

  conflicts(document: DocumentId): Promise<readonly Conflict[]> {
    return this.#ask(document, () => this.#link.call("conflicts", document))
  }

  registers(document: DocumentId, path: readonly string[]): Promise<readonly CountedRegister[]> {
    return this.#ask(document, () => this.#link.call("registers", { document, path }))
  }

  history(document: DocumentId, path: readonly string[] = []): Promise<readonly HistoryEntry[]> {
    return this.#ask(document, () => this.#link.call("history", { document, path }))
  }

  save(document: DocumentId): Promise<Uint8Array> {
    return this.#ask(document, () => this.#link.call("save", document))
  }

  heads(document: DocumentId): Promise<readonly string[]> {
    return this.#ask(document, () => this.#link.call("heads", document))
  }

  load(document: DocumentId, bytes: Uint8Array): Promise<Heads> {
    return this.#inTurn(async () => {
      const heads = await this.#link.call("load", { document, bytes })
      this.#loadedIn.set(document, this.#link.generation)
      this.#journals.set(document, [bytes])
      return heads
    })
  }

  forget(document: DocumentId): Promise<void> {
    return this.#inTurn(async () => {
      this.#journals.delete(document)
      if (!this.#loadedIn.delete(document)) return
      await this.#link.call("forget", document)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#last
    await this.#link[Symbol.asyncDispose]()
  }

  #ask<T>(document: DocumentId, run: () => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#twice(document, run))
  }

  /** After every call before it. */
  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new RecordError("RECORD_CLOSED", "the documents are closed")
    if (this.#waitingCount >= CALLS_WAITING_MAX) {
      throw new RecordError("RECORD_BUSY", "too many calls are waiting")
    }
    this.#waitingCount++
    const result = this.#last.then(run)
    this.#last = result.then(
      () => undefined,
      () => undefined,
    )
    try {
      return await result
    } finally {
      this.#waitingCount--
    }
  }

  async #twice<T>(document: DocumentId, run: () => Promise<T>): Promise<T> {
    const attempt = async (): Promise<T> => {
      await this.#loaded(document)
      return run()
    }
    try {
      return await attempt()
    } catch (error) {
      if (!isLost(error)) throw error
      return attempt()
    }
  }

  async #loadTwice(document: DocumentId): Promise<void> {
    await this.#twice(document, async () => undefined)
  }

  async #loaded(document: DocumentId): Promise<void> {
    if (this.#loadedIn.get(document) === this.#link.generation) return
    const pieces = [...(await this.#reload(document)), ...(this.#journals.get(document) ?? [])]
    if (pieces.length > 0) await this.#link.call("restore", { document, pieces })
    this.#loadedIn.set(document, this.#link.generation)
  }

  #keep(document: DocumentId, changes: readonly Uint8Array[]): void {
    const journal = this.#journals.get(document) ?? []
    journal.push(...changes.slice(-JOURNAL_CHANGES_MAX))
    journal.splice(0, journal.length - JOURNAL_CHANGES_MAX)
    this.#journals.set(document, journal)
  }
}

function isLost(error: unknown): boolean {
  return error instanceof RecordError && error.code === "RECORD_WORKER"
}
