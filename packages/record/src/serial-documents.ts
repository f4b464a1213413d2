/**
 * Documents in two places: those that need no Automerge near, in this thread, the others in a host that
 * may be lost. One call at a time, loading each document at its first use, and again after the host was
 * lost. A document is in one place at a time; what is near and turns out to need Automerge goes to the
 * host.
 *
 * What was written or taken is kept here too (`JOURNAL_CHANGES_MAX` newest of a document) until the
 * owner says that it is durable, since that comes only after it was answered: a host started anew
 * must not give out the same sequence number twice.
 *
 * A bounded number of documents is loaded (`LoadedMax`): the longest unused make room, once all of them
 * is durable.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { Sha256 } from "./change-writer.ts"
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
import { Followers } from "./follower-documents.ts"
import { type HostLink, lost, twiceIfLost, unlessLost } from "./host-link.ts"
import { bytesOf, LoadedDocuments, type LoadedMax } from "./loaded-documents.ts"
import {
  type Breathe,
  DECLINED,
  type Declined,
  inFew,
  isFew,
  NEAR_AT_ONCE_MAX,
  NearDocuments,
} from "./near-documents.ts"
import { RecordError } from "./record-error.ts"

/** In one call to the host, unless one document has more: some tenths of a second of work. */
const TOGETHER_CHANGES_MAX = 2048
const TOGETHER_BYTES_MAX = 4 << 20
/** Calls waiting for their turn. */
export const CALLS_WAITING_MAX = 4096
/** Changes of one document kept here; an owner is never further behind than that. */
export const JOURNAL_CHANGES_MAX = 16_384

/**
 * Measured on Automerge 3.5: a document of one change takes 40 kB, one of 10,000 (105 kB) 2 MB. Most
 * are in the host without Automerge's form, which takes a few kB.
 */
export const LOADED_MAX: LoadedMax = { documents: 4096, bytes: 8 << 20 }

export interface SerialOptions {
  readonly link: HostLink
  readonly reload: Reload
  readonly max?: LoadedMax | undefined
  /** Absent: no document is near. */
  readonly sha256?: Sha256
  /** Absent: what is near is done at once, however much it is. */
  readonly breathe?: Breathe
}

export class SerialDocuments implements Documents {
  readonly #link: HostLink
  readonly #reload: Reload
  readonly #max: LoadedMax
  readonly #near: NearDocuments | undefined
  readonly #loaded = new LoadedDocuments()
  readonly #journals = new Map<DocumentId, Uint8Array[]>()
  readonly #followers: Followers
  /** Those that a call under way is about, beside the one that it loads. */
  readonly #inUse = new Set<DocumentId>()
  #last: Promise<void> = Promise.resolve()
  readonly #breathe: Breathe
  #waitingCount = 0
  #isClosed = false

  constructor(options: SerialOptions) {
    const { link, reload, max = LOADED_MAX, sha256, breathe = (work) => work() } = options
    this.#breathe = breathe
    this.#link = link
    this.#reload = reload
    this.#max = max
    this.#near = sha256 && new NearDocuments(sha256)
    this.#followers = new Followers(link, (document) => this.#pieces(document))
  }

  edit(input: EditInput): Promise<EditResult | undefined> {
    return this.#inTurn(async () => {
      const { document } = input
      const near = await this.#nearly(document, (near) => near.edit(input))
      const result =
        near === DECLINED ? await this.#twice(document, () => this.#link.call("edit", input)) : near
      if (result !== undefined) await this.#keep(document, [result.change])
      return result
    })
  }

  apply(input: ApplyInput): Promise<Heads> {
    return this.#inTurn(() => this.#apply(input))
  }

  applyMany(inputs: readonly ApplyInput[]): Promise<void> {
    return this.#inTurn(async () => {
      const left: ApplyInput[] = []
      for (const { document, changes } of inputs) {
        const rest = await this.#applyNear(document, changes)
        if (rest.length > 0) left.push({ document, changes: rest })
      }
      try {
        for (const together of inTurns(left)) await this.#applyTogether(together)
      } finally {
        this.#inUse.clear()
      }
    })
  }

  async #apply(input: ApplyInput): Promise<Heads> {
    const { document, changes } = input
    const near = isFew(changes)
      ? await this.#nearly(document, (near) => near.apply(input))
      : DECLINED
    if (near === DECLINED) await this.#loadTwice(document)
    const heads = near === DECLINED ? await this.#link.call("apply", input) : near
    await this.#keep(document, changes)
    return heads
  }

  /** @returns Those that are left for the host. */
  async #applyNear(
    document: DocumentId,
    changes: readonly Uint8Array[],
  ): Promise<readonly Uint8Array[]> {
    if (changes.length > NEAR_AT_ONCE_MAX) return changes
    let taken = 0
    for (const some of inFew(changes)) {
      const near = await this.#nearly(document, (near) => near.apply({ document, changes: some }))
      if (near === DECLINED) break
      await this.#keep(document, some)
      taken += some.length
    }
    return changes.slice(taken)
  }

  async #applyTogether(inputs: readonly ApplyInput[]): Promise<void> {
    for (const { document } of inputs) {
      this.#inUse.add(document)
      await this.#loadTwice(document)
    }
    // Those that were loaded before the host was lost are not there.
    for (const { document } of inputs) this.#requireLoaded(document)
    await this.#link.call("applyMany", inputs)
    for (const { document, changes } of inputs) await this.#keep(document, changes)
    this.#inUse.clear()
  }

  read(document: DocumentId): Promise<JsonValue | undefined> {
    return this.#ask(document, "read", document, (near) => near.read(document))
  }

  conflicts(document: DocumentId): Promise<readonly Conflict[]> {
    return this.#ask(document, "conflicts", document, (near) => near.conflicts(document))
  }

  registers(document: DocumentId, path: readonly string[]): Promise<readonly CountedRegister[]> {
    const place = { document, path }
    return this.#ask(document, "registers", place, (near) => near.registers(document, path))
  }

  history(document: DocumentId, path: readonly string[] = []): Promise<readonly HistoryEntry[]> {
    return this.#ask(document, "history", { document, path })
  }

  save(document: DocumentId): Promise<Uint8Array> {
    return this.#ask(document, "save", document)
  }

  heads(document: DocumentId): Promise<readonly string[]> {
    return this.#ask(document, "heads", document, (near) => near.heads(document))
  }

  load(document: DocumentId, bytes: Uint8Array): Promise<Heads> {
    return this.#inTurn(async () => {
      const heads = await this.#link.call("load", { document, bytes })
      this.#near?.forget(document)
      this.#followers.release(document)
      this.#loaded.use(document, { place: this.#link.generation, bytes: bytes.length })
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
      const isElsewhere = this.#loaded.hasFar(this.#link.generation) || this.#followers.any
      this.#loaded.clear()
      this.#followers.clear()
      this.#near?.forgetAll()
      if (isElsewhere) await unlessLost(this.#link.call("forgetAll", undefined))
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

  /** @param near - How it is answered near; absent: it never is. */
  #ask<K extends HostCall>(
    document: DocumentId,
    name: K,
    input: HostCalls[K][0],
    near?: (near: NearDocuments) => HostCalls[K][1],
  ): Promise<HostCalls[K][1]> {
    return this.#inTurn(async () => {
      // What is elsewhere already answers there as quickly as it would be brought here.
      const place = this.#loaded.get(document)?.place
      if (near && place !== this.#link.generation) {
        const answer = await this.#nearly(document, async (here) => near(here))
        if (answer !== DECLINED) return answer
      }
      const call = () => this.#link.call(name, input)
      return place === "near" ? this.#aside(document, call) : this.#twice(document, call)
    })
  }

  /** Runs what needs a document that is near in the host, too. */
  #aside<T>(document: DocumentId, run: () => Promise<T>): Promise<T> {
    return twiceIfLost(async () => {
      await this.#followers.follow(document)
      this.#weigh(document)
      return run()
    })
  }

  /** Runs what needs a document near, if it can be there. */
  async #nearly<T>(
    document: DocumentId,
    run: (near: NearDocuments) => Promise<T | Declined>,
  ): Promise<T | Declined> {
    const near = this.#near
    if (near === undefined || !(await this.#loadNear(document, near))) return DECLINED
    return this.#breathe(() => run(near))
  }

  /** @returns Whether it is near now. */
  async #loadNear(document: DocumentId, near: NearDocuments): Promise<boolean> {
    const known = this.#loaded.get(document)
    if (known?.place === "near") {
      this.#loaded.use(document, known)
      await this.#makeRoom(document)
      return true
    }
    const isElsewhere = known?.place === this.#link.generation
    if (isElsewhere && known?.isFar === true) return false
    const pieces = await this.#pieces(document)
    if (!(await near.restore(document, pieces, this.#breathe))) {
      if (isElsewhere) this.#loaded.use(document, { ...known, isFar: true })
      else await this.#twice(document, async () => undefined)
      return false
    }
    if (isElsewhere) await this.#unload(document)
    this.#loaded.use(document, { place: "near", bytes: near.bytes(document) })
    await this.#makeRoom(document)
    return true
  }

  /** All that is kept of a document, durably and here. */
  async #pieces(document: DocumentId): Promise<readonly Uint8Array[]> {
    // Taken first: what becomes durable while the owner reads is forgotten here.
    const journal = [...(this.#journals.get(document) ?? [])]
    return [...(await this.#reload(document)), ...journal]
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

  #twice<T>(document: DocumentId, run: () => Promise<T>): Promise<T> {
    return twiceIfLost(async () => {
      await this.#load(document)
      return run()
    })
  }

  async #loadTwice(document: DocumentId): Promise<void> {
    await this.#twice(document, async () => undefined)
  }

  /** Has it in the host. */
  async #load(document: DocumentId): Promise<void> {
    const { generation } = this.#link
    const known = this.#loaded.get(document)
    if (known?.place === generation) {
      this.#loaded.use(document, known)
      await this.#makeRoom(document)
      return this.#requireLoaded(document)
    }
    const isNear = known?.place === "near"
    const bytes = await (isNear
      ? this.#followers.follow(document)
      : this.#followers.restore(document))
    if (isNear) this.#near?.forget(document)
    this.#followers.release(document)
    this.#loaded.use(document, { place: generation, bytes })
    await this.#makeRoom(document)
    this.#requireLoaded(document)
  }

  /** The host may be lost while others make room: then the new one has nothing of it. */
  #requireLoaded(document: DocumentId): void {
    if (this.#loaded.get(document)?.place !== this.#link.generation) throw lost()
  }

  /** Until what is loaded is within its bounds, or what is left is in use or not durable yet. */
  async #makeRoom(inUse: DocumentId): Promise<void> {
    for (const one of this.#loaded.documents()) {
      if (this.#loaded.isWithin(this.#max)) return
      const isFree = one !== inUse && !this.#inUse.has(one) && !this.#journals.has(one)
      if (isFree) await this.#unload(one)
    }
  }

  async #unload(document: DocumentId): Promise<void> {
    const loaded = this.#loaded.get(document)
    if (loaded === undefined) return
    this.#loaded.delete(document)
    if (loaded.place === "near") {
      this.#near?.forget(document)
      await this.#followers.forget(document)
    } else if (loaded.place === this.#link.generation) {
      await unlessLost(this.#link.call("forget", document))
    }
  }

  /** Notes what a document that is near takes, here and in the host. */
  #weigh(document: DocumentId): void {
    const here = this.#near?.bytes(document) ?? 0
    this.#loaded.size(document, here + this.#followers.bytes(document))
  }

  async #keep(document: DocumentId, changes: readonly Uint8Array[]): Promise<void> {
    const journal = this.#journals.get(document) ?? []
    journal.push(...changes.slice(-JOURNAL_CHANGES_MAX))
    journal.splice(0, journal.length - JOURNAL_CHANGES_MAX)
    this.#journals.set(document, journal)
    const loaded = this.#loaded.get(document)
    if (loaded?.place === "near") {
      await this.#followers.outgrown(document, changes)
      this.#weigh(document)
    } else if (loaded) {
      this.#loaded.size(document, loaded.bytes + bytesOf(changes))
    }
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
