/**
 * One relationship at its vendor: the share's log, the books that it adds up to, and what the
 * vendor answers.
 *
 * The log is the truth: what was answered is read from the vendor's own lane, so whatever a crash
 * left unanswered is answered at the next start. Every entry of the person's gets `delivered` and
 * `accepted` or `rejected` in one write with the events for webhooks; `applied` comes with the
 * same write where no hook is set, else with the write that deletes the last hook's event. An
 * entry with a day to come is accepted at once, and dealt with on that day in its time zone.
 *
 * A write whose outcome is not known makes this object stale: it reads itself again from the vault
 * before it goes on.
 *
 * Source: DESIGN, "Relations" (move, receipts) and "Keys" (a share space has two members).
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { WrapKey } from "@fulcrum/crypto/wrap"
import type { AdmittedEntry } from "@fulcrum/log/admitted-entry"
import type { Deflate } from "@fulcrum/log/deflate"
import { type EpochKey, epochKeySchema, idKey } from "@fulcrum/log/ids"
import type { AdmitResult, Replica } from "@fulcrum/log/replica"
import type { KeySpan } from "@fulcrum/log/space-keyring"
import type { VectorRow, VersionVector } from "@fulcrum/log/vector"
import { type Agreement, readAgreement } from "@fulcrum/relations/agreement"
import { Books, isEffective } from "@fulcrum/relations/books"
import type { Lane } from "@fulcrum/relations/certificate"
import { dayAt } from "@fulcrum/relations/day"
import {
  LANE_ITEMS_MAX,
  type MoveNote,
  type Receipt,
  type VendorItem,
  vendorLane,
} from "@fulcrum/relations/lane"
import { type Judgement, judgeEntry } from "@fulcrum/relations/policy"
import { type SharePlaceNote, unwrapShareKey } from "@fulcrum/relations/share-key"
import { webhookEvent } from "@fulcrum/relations/webhook-event"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { ShareSpace } from "../relationships/share-space.ts"
import { Mutex } from "../waiting/mutex.ts"
import type { StagedEvent } from "./hook-lines.ts"
import { answer, decision, isKept, itemsOf, type OpenEntry } from "./vendor-answers.ts"
import { VendorError } from "./vendor-error.ts"
import type { VendorHooks } from "./vendor-hooks.ts"
import { customerPlaces } from "./vendor-places.ts"
import { type CustomerRecord, decodeStored, encodeStored, usageSchema } from "./vendor-records.ts"

/** Bytes of spans that one customer may send in all: one cannot fill the vendor's disk. */
export const CUSTOMER_BYTES_MAX: number = 64 * 1024 * 1024
/** Entries that one customer may send in all: each is answered, and kept in memory. */
export const CUSTOMER_ENTRIES_MAX = 16_384
/** Registers that one customer's share may have: a record of thousands of fields fits. */
export const CUSTOMER_REGISTERS_MAX = 8192
/** Bytes that they may hold: what a field holds goes into an event, with what it held before. */
export const CUSTOMER_REGISTER_BYTES_MAX: number = 1024 * 1024
/** Puts of one customer in all: each is kept in memory. */
export const CUSTOMER_PUTS_MAX: number = 512 * 1024
/** Bytes of events after which one write has enough of them. */
const EVENTS_WRITE_BYTES: number = 4 * 1024 * 1024
/** Epochs' keys of one share. */
const EPOCHS_MAX = 4096
/**
 * Items of an answer that one entry of the person's may take: delivered, decided, applied; and one
 * that tells of her keys.
 */
const ANSWERS_PER_ENTRY = 4

export interface CustomerOptions {
  readonly vault: Vault
  /** The vendor's key, which certifies its writers. */
  readonly key: SigningKey
  /** The X-Wing key of the request that the customer answered. */
  readonly wrapKey: WrapKey
  readonly hooks: VendorHooks
  readonly random: Random
  readonly clock: Clock
  readonly deflate: Deflate
}

export class VendorCustomer {
  readonly id: string
  readonly record: CustomerRecord
  readonly agreement: Agreement
  readonly #options: CustomerOptions
  readonly #mutex = new Mutex()
  readonly #effects: Table
  readonly #usageTable: Table
  #space!: ShareSpace
  #books: Books
  #open = new Map<string, OpenEntry>()
  /** Keys that were found in key spans, by epoch. */
  #epochKeys = new Map<string, Uint8Array>()
  #usage = 0
  #isStale = true

  private constructor(options: CustomerOptions, record: CustomerRecord) {
    this.#options = options
    this.record = record
    this.id = bytesToHex(record.id)
    this.agreement = readAgreement(record.agreement)
    this.#books = this.#newBooks()
    this.#effects = options.vault.table("vendor.effects")
    this.#usageTable = options.vault.table("vendor.usage")
  }

  static async open(options: CustomerOptions, record: CustomerRecord): Promise<VendorCustomer> {
    const customer = new VendorCustomer(options, record)
    await customer.#load()
    return customer
  }

  get replica(): Replica {
    return this.#space.replica
  }

  get books(): Books {
    return this.#books
  }

  /** Whether two keys claim to speak for her: until the recovery key decides nothing is taken. */
  get isFrozen(): boolean {
    return this.#space.personKeys.isFrozen
  }

  /** Where the share lies, and lay: the newest first. */
  get places(): readonly SharePlaceNote[] {
    return customerPlaces(this.record, this.#space)
  }

  /** The person's lane, which she has in any case. */
  get personRows(): VersionVector {
    return this.#space.personRows
  }

  /** Where what she was told last of her keys stands in the vendor's lane. */
  get toldKeysAt(): Omit<VectorRow, "chain"> | undefined {
    return this.#space.toldKeysAt
  }

  /** Entries of the person's, and those that could not be read. */
  get counts(): { readonly entries: number; readonly refused: number } {
    const { personEntries, refusedEntries } = this.#space
    return { entries: personEntries.length, refused: refusedEntries }
  }

  /** Days to come, of entries that are accepted. */
  get pending(): readonly MoveNote[] {
    return [...this.#open.values()].flatMap(({ move, states, hasEffect }) =>
      move?.from !== undefined && states.has("accepted") && !hasEffect ? [move] : [],
    )
  }

  /**
   * Takes what the person wrote. Durable when it resolves; answered once {@link settle} is done.
   *
   * @throws {VendorError} `CUSTOMER_QUOTA`.
   */
  admit(spans: readonly Uint8Array[]): Promise<readonly AdmitResult[]> {
    return this.#mutex.run(async () => {
      await this.#refresh()
      const bytes = spans.reduce((sum, span) => sum + span.length, 0)
      const isOver =
        this.#usage + bytes > CUSTOMER_BYTES_MAX ||
        this.#space.personEntries.length >= CUSTOMER_ENTRIES_MAX
      if (isOver) throw new VendorError("CUSTOMER_QUOTA", "one customer has sent too much")
      this.#isStale = true
      const results = await this.#space.admit(spans)
      this.#isStale = false
      this.#usage += spans.reduce((sum, span, i) => sum + (isKept(results[i]) ? span.length : 0), 0)
      return results
    })
  }

  /** Answers what is unanswered and deals with what is due. @returns Whether anything was written. */
  settle(): Promise<boolean> {
    return this.#mutex.run(async () => {
      await this.#refresh()
      let hasWritten = false
      while (await this.#answerSome()) hasWritten = true
      return hasWritten
    })
  }

  /** Writes what goes with a delivered event; says `applied` if that was the entry's last. */
  delivered(input: {
    readonly about: Uint8Array | undefined
    readonly isLast: boolean
    readonly ops: readonly VaultOp[]
  }): Promise<void> {
    return this.#mutex.run(async () => {
      await this.#refresh()
      const entry = input.about && this.#open.get(bytesToHex(input.about))
      const isApplied = entry !== undefined && input.isLast && entry.hasEffect
      await this.#write(isApplied ? [answer(entry, "applied")] : [], input.ops)
    })
  }

  /** The first entry of the vendor's lane. Before anything is written. */
  stageAnswer(item: VendorItem): {
    readonly ops: readonly VaultOp[]
    readonly entry: AdmittedEntry
    commit(): void
  } {
    const staged = this.#space.replica.stage([{ kind: "payload", body: vendorLane.encode([item]) }])
    const entry = staged.entries.at(-1)
    if (entry === undefined) throw new TypeError("a staged append without its entry")
    return {
      ops: staged.ops,
      entry,
      commit: () => {
        staged.commit()
        this.#space.absorb(staged.entries)
      },
    }
  }

  async #refresh(): Promise<void> {
    if (!this.#isStale) return
    await this.#options.hooks.reread(this.record.id)
    await this.#load()
  }

  async #load(): Promise<void> {
    const { vault, key, random, deflate } = this.#options
    const { id, relationshipKey, spaceTag, chainKey, recoveryHash } = this.record
    this.#books = this.#newBooks()
    this.#open = new Map()
    this.#space = await ShareSpace.open({
      vault,
      spaceTag,
      chainKey,
      epochKey: (epoch) => this.#epochKeys.get(epoch),
      currentEpoch: () => this.#space.announcedEpoch,
      openKeySpan: (span) => this.#openKeySpan(span),
      keys: { person: relationshipKey, vendor: key.publicKey },
      own: {
        lane: "vendor",
        key,
        recoveryHash,
        startsAnew: () => this.#keysNews() !== undefined,
      },
      heard: (entry, lane) => this.#hear(entry, lane),
      random,
      deflate,
    })
    for (const entry of this.#open.values()) {
      if (!entry.states.has("accepted")) continue
      entry.hasEffect =
        entry.move?.from === undefined || (await this.#effects.get(id, entry.arrival)) !== undefined
    }
    const usage = await this.#usageTable.get(id)
    this.#usage = usage === undefined ? 0 : decodeStored(usageSchema, usage)
    this.#isStale = false
  }

  #newBooks(): Books {
    return new Books(this.agreement.fields.map(({ path }) => path))
  }

  #openKeySpan({ epoch, clear }: KeySpan): EpochKey | undefined {
    const { spaceTag } = this.record
    const key = unwrapShareKey({ clear, spaceTag, key: this.#options.wrapKey })
    if (key === undefined || this.#epochKeys.size >= EPOCHS_MAX) return undefined
    this.#epochKeys.set(idKey(epoch), key)
    return epochKeySchema.decode(key)
  }

  #hear(entry: AdmittedEntry, lane: Lane | undefined): void {
    if (entry.kind !== "payload") return
    if (lane === "person") this.#hearPerson(entry)
    else if (lane === "vendor") this.#hearOurselves(entry)
  }

  #hearPerson(entry: AdmittedEntry): void {
    const { writer, sequence, chain, arrival } = entry
    const items = itemsOf(entry.body)
    this.#open.set(bytesToHex(chain), {
      by: { writer, sequence, chain },
      arrival,
      items: items ?? [],
      move: items?.find((item) => item.kind === "move")?.value,
      isMalformed: items === undefined,
      states: new Set(),
      hasEffect: false,
    })
  }

  #hearOurselves({ body, writer, sequence, chain }: AdmittedEntry): void {
    const items = vendorLane.decode(body)
    for (const item of items) if (item.kind === "receipt") this.#hearAnswer(item.value)
    this.#books.apply({ lane: "vendor", by: { writer, sequence, chain }, items })
  }

  #hearAnswer({ about, state }: Receipt): void {
    const key = bytesToHex(about)
    const entry = this.#open.get(key)
    if (entry === undefined) return
    entry.states.add(state)
    // What was rejected is kept in the log alone.
    if (state === "accepted") this.#book(entry)
    if (state === "rejected" || state === "applied") this.#open.delete(key)
  }

  /** Into the books only as it is decided, so that each change shows what was before it. */
  #book({ by, items }: OpenEntry): void {
    this.#books.apply({ lane: "person", by, items })
  }

  /** One write of answers. @returns Whether there was something to answer. */
  async #answerSome(): Promise<boolean> {
    const hasNews = this.#keysNews() !== undefined
    if (this.isFrozen) {
      if (hasNews) await this.#write([], [])
      return hasNews
    }
    const answers: VendorItem[] = []
    const ops: VaultOp[] = []
    const events: StagedEvent[] = []
    const effected: OpenEntry[] = []
    const told = new Set<string>()
    let eventBytes = 0
    for (const entry of this.#open.values()) {
      if (answers.length > LANE_ITEMS_MAX - ANSWERS_PER_ENTRY) break
      if (eventBytes > EVENTS_WRITE_BYTES) break
      if (!entry.states.has("delivered")) answers.push(answer(entry, "delivered"))
      let isAccepted = entry.states.has("accepted")
      if (!isAccepted) {
        const judgement = this.#judge(entry)
        answers.push(decision(entry, judgement))
        isAccepted = judgement.outcome === "accepted"
        if (isAccepted) this.#book(entry)
      }
      if (!isAccepted || entry.hasEffect || !this.#isDue(entry)) continue
      const event = this.#stageEvent(entry, told)
      if (event === undefined) answers.push(answer(entry, "applied"))
      else {
        events.push(event.staged)
        eventBytes += event.bytes
        told.add(bytesToHex(entry.by.chain))
      }
      if (entry.move?.from !== undefined) {
        ops.push(this.#effects.put(this.record.id, entry.arrival, new Uint8Array(1)))
      }
      effected.push(entry)
    }
    if (answers.length === 0 && effected.length === 0 && !hasNews) return false
    await this.#write(answers, [...ops, ...events.flatMap((event) => event.ops)])
    for (const entry of effected) entry.hasEffect = true
    for (const event of events) event.commit()
    return true
  }

  #judge({ isMalformed, items }: OpenEntry): Judgement {
    if (isMalformed) return { outcome: "rejected", code: "other", retry: "no" }
    if (this.#books.state !== "agreed") {
      return { outcome: "rejected", code: "field_not_agreed", retry: "no" }
    }
    if (!this.#options.hooks.hasRoom(this.record.id)) {
      return { outcome: "rejected", code: "crm_unavailable", retry: "later" }
    }
    const puts = items.flatMap((item) => (item.kind === "put" ? [item.value] : []))
    const size = this.#books.sizeWith(puts)
    const isTooMuch =
      new Set(puts.map(({ path }) => path)).size < puts.length ||
      size.registers > CUSTOMER_REGISTERS_MAX ||
      size.bytes > CUSTOMER_REGISTER_BYTES_MAX ||
      size.puts > CUSTOMER_PUTS_MAX
    if (isTooMuch) return { outcome: "rejected", code: "other", retry: "no" }
    const today = dayAt(this.#options.clock.now())
    return judgeEntry({ agreement: this.agreement, items, today })
  }

  #isDue({ move }: OpenEntry): boolean {
    const { clock, hooks } = this.#options
    return isEffective(move, clock.now()) && hooks.hasRoom(this.record.id)
  }

  /** `undefined`: nobody is to be told, since there are no hooks or something newer holds. */
  #stageEvent(
    { by, move }: OpenEntry,
    told: ReadonlySet<string>,
  ): { readonly staged: StagedEvent; readonly bytes: number } | undefined {
    const { clock, hooks } = this.#options
    const isUntold = (entry: string) => {
      const other = this.#open.get(entry)
      return other !== undefined && !other.hasEffect && !told.has(entry)
    }
    const changes = this.#books.changesOf(by.chain, clock.now(), isUntold)
    if (changes.length === 0) return undefined
    const event = webhookEvent({
      type: "share.changed",
      relationship: this.record.id,
      writer: by.writer,
      sequence: by.sequence,
      agreement: this.agreement.agreement,
      timestampMs: clock.now(),
      changes,
      move: move?.id,
    })
    const staged = hooks.stage(this.record.id, event, by.chain)
    return staged && { staged, bytes: event.body.length }
  }

  /** What the person is to be told of her keys; `undefined`: what she was told last still holds. */
  #keysNews(): VendorItem | undefined {
    const { personKeys, newestKeys } = this.#space
    const told = newestKeys?.keys ?? [this.record.relationshipKey]
    const { isFrozen, newest } = personKeys
    const now = isFrozen && newest.length === 1 ? [] : newest
    const isTold =
      told.length === now.length && told.every((key, i) => equalBytes(key, now[i] ?? key))
    if (isTold) return undefined
    return { kind: "keys", value: { number: (newestKeys?.number ?? 0) + 1, keys: now } }
  }

  /** Nothing is written before what there is to say of her keys, in a line that begins with it. */
  async #write(decided: readonly VendorItem[], ops: readonly VaultOp[]): Promise<void> {
    const { vault } = this.#options
    const news = this.#keysNews()
    const answers = news === undefined ? decided : [news, ...decided]
    const staged =
      answers.length === 0
        ? undefined
        : this.#space.replica.stage([{ kind: "payload", body: vendorLane.encode(answers) }])
    const usage = this.#usageTable.put(this.record.id, 0, encodeStored(usageSchema, this.#usage))
    this.#isStale = true
    await vault.write([...(staged?.ops ?? []), ...ops, ...(staged ? [usage] : [])])
    this.#isStale = false
    if (staged === undefined) return
    staged.commit()
    this.#space.absorb(staged.entries)
  }
}
