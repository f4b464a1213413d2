/**
 * What entries of the log come to beside it: changes that the documents have taken, items, and those
 * that do not count. Beside the log is a cache, which may lag behind it and never runs ahead.
 *
 * | table            | group | order | value                      |
 * | ---------------- | ----- | ----- | -------------------------- |
 * | `engine.actors`  | actor | 0     | who announced it first     |
 * | `engine.applied` | empty | 0     | arrival applied last       |
 *
 * @module
 */

import { decodeAs, encodeAs, type Schema, uint } from "@fulcrum/codec/schema"
import type { Clock } from "@fulcrum/crypto/clock"
import type { AdmittedEntry, Replica } from "@fulcrum/log/replica"
import type { DocumentId, Documents } from "@fulcrum/record/documents"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { ActorOwners } from "./actor-owners.ts"
import { admissionEvidence } from "./admission-evidence.ts"
import type { DocumentCache } from "./document-cache.ts"
import { ItemTable } from "./item-table.ts"
import { keptEntries, readOwn } from "./kept-entries.ts"
import type { Membership } from "./membership.ts"
import { Quarantine, STRANDED } from "./quarantine.ts"
import type { RecordItem } from "./record-items.ts"
import { changesByDocument, vetEntries } from "./vetting.ts"

const NOTHING = new Uint8Array(0)
const arrivalSchema: Schema<number> = uint()

/** What entries came to, before it is written. */
export interface Absorbed {
  readonly ops: readonly VaultOp[]
  /** Those that are no changes of documents. */
  readonly items: readonly RecordItem[]
  readonly documents: ReadonlySet<DocumentId>
  /** Arrival of the last entry. */
  readonly applied: number
}

/** What is still to be written, as it was read from entries that are durable. */
interface Owed {
  readonly ops: readonly VaultOp[]
  readonly changes: ReadonlyMap<DocumentId, readonly Uint8Array[]>
  readonly actors: ReadonlyMap<string, Uint8Array>
}

/** Operations that wait for a quiet moment, and the bytes of their values: memory, and a write. */
const OWED_MAX = 8192
const OWED_BYTES_MAX: number = 8 * 1024 * 1024

const NOTHING_OWED: Owed = { ops: [], changes: new Map(), actors: new Map() }

/** Fewer operations are sealed in a few milliseconds, and written at once. */
export const OWED_MIN = 64

export interface AbsorptionParts {
  readonly vault: Vault
  readonly record: Replica
  readonly membership: Membership
  readonly documents: Documents
  readonly cache: DocumentCache
  readonly clock?: Clock
  /** Fewer operations are written at once: {@link OWED_MIN}. */
  readonly owedMin: number
}

export class Absorption {
  readonly items: ItemTable
  readonly quarantine: Quarantine
  readonly #parts: AbsorptionParts
  readonly #actorTable: Table
  readonly #appliedTable: Table
  #owed: Owed = NOTHING_OWED
  /** What the last call of `foreign` came to, if it may wait. */
  #mayWait: { readonly absorbed: Absorbed; readonly owed: Owed } | undefined

  constructor(parts: AbsorptionParts) {
    const { vault } = parts
    this.#parts = parts
    this.items = new ItemTable(vault)
    this.quarantine = new Quarantine(vault)
    this.#actorTable = vault.table("engine.actors")
    this.#appliedTable = vault.table("engine.applied")
  }

  /** Key of the device that announced an Automerge actor first, given in hex. */
  writerOf(actor: string): Promise<Uint8Array | undefined> {
    return this.#actors().writerOf(actor)
  }

  /**
   * Leaves what entries came to for the next write, if nobody reads it from the disk meanwhile: the
   * log has it, and whoever reloads a document is given its changes.
   */
  owe(absorbed: Absorbed): boolean {
    if (this.#mayWait?.absorbed !== absorbed) return false
    this.#set(this.#mayWait.owed)
    this.#parts.documents.kept(absorbed.documents)
    return true
  }

  /** What is owed. */
  get owed(): readonly VaultOp[] {
    return this.#owed.ops
  }

  /** This was written, and with it what was owed. */
  written(documents: Iterable<DocumentId>): void {
    this.#parts.documents.kept(documents)
    this.#set(NOTHING_OWED)
  }

  /** What is owed will be read again from the log. */
  forget(): void {
    this.#set(NOTHING_OWED)
  }

  async readApplied(): Promise<number | undefined> {
    const stored = await this.#appliedTable.get(NOTHING)
    return stored && decodeAs(arrivalSchema, stored, { bytesMax: 16 })
  }

  putApplied(arrival: number): VaultOp {
    return this.#appliedTable.put(NOTHING, 0, encodeAs(arrivalSchema, arrival))
  }

  /** Of entries of this device's own, which the documents have. */
  async own(entries: readonly AdmittedEntry[]): Promise<Pick<Absorbed, "ops" | "items">> {
    const begun = await begin(entries, this.#actors())
    const kept = keptEntries(entries.map(readOwn), { ...this.#parts, items: this.items })
    return { ops: [...this.owed, ...begun, ...kept.ops], items: kept.items }
  }

  /** Of entries from elsewhere, in the order of their arrival: has the documents take them. */
  async foreign(entries: readonly AdmittedEntry[]): Promise<Absorbed> {
    const { record, membership, documents: workshop, cache } = this.#parts
    const evidence = await admissionEvidence(record, membership, entries)
    const actors = this.#actors()
    const ops = [...this.owed, ...(await begin(entries, actors))]
    const { accepted, refused, documents } = await vetEntries(entries, {
      documents: workshop,
      admits: (entry) => (membership.admits(entry, evidence) ? undefined : STRANDED),
      writerOf: (actor) => actors.writerOf(actor),
      clock: this.#parts.clock,
    })
    for (const { entry, code } of refused) ops.push(this.quarantine.put(entry.arrival, code))
    const saved = await cache.saveOutgrown(changesByDocument(accepted), workshop)
    const kept = keptEntries(accepted, { cache, items: this.items }, saved.documents)
    const applied = entries.at(-1)?.arrival ?? 0
    ops.push(...saved.ops, ...kept.ops, this.putApplied(applied))
    const absorbed = { ops, items: kept.items, documents, applied }
    // A share's spans are read from there.
    const isRead = kept.items.some(({ kind }) => kind === "carried")
    const { owedMin } = this.#parts
    const isWorthIt = ops.length >= owedMin && ops.length <= OWED_MAX
    const owed = {
      ops,
      changes: joined(this.#owed.changes, kept.changes),
      actors: new Map([...this.#owed.actors, ...actors.begun]),
    }
    const isSmall = saved.documents.size === 0 && bytesOf(ops) <= OWED_BYTES_MAX
    const waits = isWorthIt && isSmall && !isRead
    this.#mayWait = waits ? { absorbed, owed } : undefined
    return absorbed
  }

  /** What empties the tables, to make them anew from the log. */
  async clear(): Promise<readonly VaultOp[]> {
    this.forget()
    const ops: VaultOp[] = [this.putApplied(0)]
    for (const table of [this.#parts.cache, this.quarantine, this.items]) {
      ops.push(...(await table.clear()))
    }
    return ops
  }

  #set(owed: Owed): void {
    this.#owed = owed
    this.#parts.cache.waits(owed.changes)
  }

  #actors(): ActorOwners {
    return new ActorOwners(this.#actorTable, this.#owed.actors)
  }
}

function joined(
  before: Owed["changes"],
  after: Owed["changes"],
): ReadonlyMap<DocumentId, readonly Uint8Array[]> {
  const all = new Map(before)
  for (const [document, changes] of after) {
    all.set(document, [...(all.get(document) ?? []), ...changes])
  }
  return all
}

function bytesOf(ops: readonly VaultOp[]): number {
  return ops.reduce((sum, op) => sum + (op.type === "put" ? op.value.length : 0), 0)
}

async function begin(
  entries: readonly AdmittedEntry[],
  actors: ActorOwners,
): Promise<readonly VaultOp[]> {
  const ops: VaultOp[] = []
  for (const entry of entries) ops.push(...(await actors.begin(entry)))
  return ops
}
