/**
 * Documents over a host that may be lost: one call at a time, loading each document at its first
 * use, and again after the host was lost.
 *
 * What was written or taken is kept here too (`JOURNAL_CHANGES_MAX` newest of a document) until the
 * owner says that it is durable, since that comes only after it was answered: a host started anew
 * must not give out the same sequence number twice.
 *
 * The host has a bounded number of documents (`LoadedMax`): the longest unused make room, once all of
 * them is durable.
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

/** In one call to the host, unless one document has more: some tenths of a second of work. */
const TOGETHER_CHANGES_MAX = 2048
const TOGETHER_BYTES_MAX = 4 << 20
/** Calls waiting for their turn. */
export const CALLS_WAITING_MAX = 4096
/** Changes of one document kept here; an owner is never further behind than that. */
export const JOURNAL_CHANGES_MAX = 16_384

/** What the host may have loaded. */
export interface LoadedMax {
  readonly documents: number
  /** Of what they were loaded from. In the host it takes up to some twenty times as much. */
  readonly bytes: number
}

/**
 * Measured on Automerge 3.5: a document of one change takes 40 kB, one of 10,000 (105 kB) 2 MB. Most
 * are in the host without Automerge's form, which takes a few kB.
 */
export const LOADED_MAX: LoadedMax = { documents: 4096, bytes: 8 << 20 }

/** Where the host is. */
export interface HostLink extends AsyncDisposable {
  /** Starts the host, if it has to be started. */
  warm(): void
  /** Goes up with each start. */
  readonly generation: number
  /** @throws {RecordError} `RECORD_WORKER` if the host was lost; it is started again. */
  call<K extends HostCall>(name: K, input: HostCalls[K][0]): Promise<HostCalls[K][1]>
}

export class SerialDocuments implements Documents {
  readonly #link: HostLink
  readonly #reload: Reload
  readonly #max: LoadedMax
  /** What the host has, the longest unused first. */
  readonly #loaded = new Map<DocumentId, Loaded>()
  #loadedBytes = 0
  readonly #journals = new Map<DocumentId, Uint8Array[]>()
  /** Those that a call under way is about, beside the one that it loads. */
  readonly #inUse = new Set<DocumentId>()
  #last: Promise<void> = Promise.resolve()
  #waitingCount = 0
  #isClosed = false

  constructor(link: HostLink, reload: Reload, max: LoadedMax = LOADED_MAX) {
    this.#link = link
    this.#reload = reload
    this.#max = max
  }

  warm(): void {
    if (!this.#isClosed) this.#link.warm()
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

  applyMany(inputs: readonly ApplyInput[]): Promise<void> {
    return this.#inTurn(async () => {
      try {
        for (const together of inTurns(inputs)) await this.#applyTogether(together)
      } finally {
        this.#inUse.clear()
      }
    })
  }

  async #applyTogether(inputs: readonly ApplyInput[]): Promise<void> {
    for (const { document } of inputs) {
      this.#inUse.add(document)
      await this.#loadTwice(document)
    }
    // Those that were loaded before the host was lost are not there.
    for (const { document } of inputs) this.#requireLoaded(document)
    await this.#link.call("applyMany", inputs)
    for (const { document, changes } of inputs) this.#keep(document, changes)
    this.#inUse.clear()
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
      this.#use(document, { generation: this.#link.generation, bytes: bytes.length })
      this.#journals.set(document, [bytes])
      return heads
    })
  }

  forget(document: DocumentId): Promise<void> {
    // At once: whatever becomes of the call, what was given up is loaded no more.
    this.#journals.delete(document)
    const forget = async () => {
      // What an edit that waited has kept meanwhile is given up too.
      this.#journals.delete(document)
      await this.#unload(document)
    }
    return this.#inTurn(forget, { isRefusable: false })
  }

  forgetAll(): Promise<void> {
    this.#journals.clear()
    const forgetAll = async () => {
      this.#journals.clear()
      this.#loaded.clear()
      this.#loadedBytes = 0
      await unlessLost(this.#link.call("forgetAll", undefined))
    }
    return this.#inTurn(forgetAll, { isRefusable: false })
  }

  kept(documents: Iterable<DocumentId>): void {
    for (const document of documents) this.#journals.delete(document)
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
  async #inTurn<T>(run: () => Promise<T>, { isRefusable = true } = {}): Promise<T> {
    if (this.#isClosed) throw new RecordError("RECORD_CLOSED", "the documents are closed")
    if (isRefusable && this.#waitingCount >= CALLS_WAITING_MAX) {
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
      await this.#load(document)
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

  async #load(document: DocumentId): Promise<void> {
    const { generation } = this.#link
    const known = this.#loaded.get(document)
    if (known?.generation === generation) {
      this.#use(document, known)
      await this.#makeRoom(document)
      return this.#requireLoaded(document)
    }
    // Taken first: what becomes durable while the owner reads is forgotten here.
    const journal = [...(this.#journals.get(document) ?? [])]
    const pieces = [...(await this.#reload(document)), ...journal]
    if (pieces.length > 0) await this.#link.call("restore", { document, pieces })
    this.#use(document, { generation, bytes: bytesOf(pieces) })
    await this.#makeRoom(document)
    this.#requireLoaded(document)
  }

  /** The host may be lost while others make room: then the new one has nothing of it. */
  #requireLoaded(document: DocumentId): void {
    if (this.#loaded.get(document)?.generation !== this.#link.generation) throw lost()
  }

  /** Until what is loaded is within its bounds, or what is left is in use or not durable yet. */
  async #makeRoom(inUse: DocumentId): Promise<void> {
    for (const one of this.#loaded.keys()) {
      const { documents, bytes } = this.#max
      if (this.#loaded.size <= documents && this.#loadedBytes <= bytes) return
      const isFree = one !== inUse && !this.#inUse.has(one) && !this.#journals.has(one)
      if (isFree) await this.#unload(one)
    }
  }

  async #unload(document: DocumentId): Promise<void> {
    const loaded = this.#loaded.get(document)
    if (loaded === undefined) return
    this.#loaded.delete(document)
    this.#loadedBytes -= loaded.bytes
    if (loaded.generation !== this.#link.generation) return
    await unlessLost(this.#link.call("forget", document))
  }

  #use(document: DocumentId, loaded: Loaded): void {
    this.#loadedBytes += loaded.bytes - (this.#loaded.get(document)?.bytes ?? 0)
    this.#loaded.delete(document)
    this.#loaded.set(document, loaded)
  }

  #grow(document: DocumentId, changes: readonly Uint8Array[]): void {
    const loaded = this.#loaded.get(document)
    if (loaded === undefined) return
    this.#use(document, { ...loaded, bytes: loaded.bytes + bytesOf(changes) })
  }

  #keep(document: DocumentId, changes: readonly Uint8Array[]): void {
    this.#grow(document, changes)
    const journal = this.#journals.get(document) ?? []
    journal.push(...changes.slice(-JOURNAL_CHANGES_MAX))
    journal.splice(0, journal.length - JOURNAL_CHANGES_MAX)
    this.#journals.set(document, journal)
  }
}

function bytesOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

/** One document in the host. */
interface Loaded {
  /** In which it was loaded. */
  readonly generation: number
  readonly bytes: number
}

/** What was lost with its host needs not be forgotten there. */
async function unlessLost(call: Promise<undefined>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!isLost(error)) throw error
  }
}

/** In order, as many at a time as one call may have. */
function* inTurns(inputs: readonly ApplyInput[]): Generator<readonly ApplyInput[]> {
  let together: ApplyInput[] = []
  let [changeCount, bytes] = [0, 0]
  for (const input of inputs) {
    changeCount += input.changes.length
    bytes += bytesOf(input.changes)
    if (together.length > 0 && (changeCount > TOGETHER_CHANGES_MAX || bytes > TOGETHER_BYTES_MAX)) {
      yield together
      together = []
      changeCount = input.changes.length
      bytes = bytesOf(input.changes)
    }
    together.push(input)
  }
  if (together.length > 0) yield together
}

function lost(): RecordError {
  return new RecordError("RECORD_WORKER", "the documents' worker had to be started again")
}

function isLost(error: unknown): boolean {
  return error instanceof RecordError && error.code === "RECORD_WORKER"
}
