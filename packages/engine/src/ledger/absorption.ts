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
import { ActorOwners } from "../documents/actor-owners.ts"
import type { DocumentCache } from "../documents/document-cache.ts"
import { ItemTable } from "../items/item-table.ts"
import type { RecordItem } from "../items/record-items.ts"
import { admissionEvidence } from "../membership/admission-evidence.ts"
import type { Membership } from "../membership/membership.ts"
import { keptEntries, readOwn } from "./kept-entries.ts"
import { Owed, type Owing } from "./owed.ts"
import { Quarantine, STRANDED } from "./quarantine.ts"
import { changesByDocument, vetEntries } from "./vetting.ts"

const NOTHING = new Uint8Array(0)
const arrivalSchema: Schema<number> = uint()

/** What entries came to, before it is written. */
export interface Absorbed {
  /** What is written with them. */
  readonly ops: readonly VaultOp[]
  /** Those that are no changes of documents. */
  readonly items: readonly RecordItem[]
  readonly documents: ReadonlySet<DocumentId>
  /** Arrival of the last entry; absent: there is none. */
  readonly applied?: number
  /** What waits until they are durable, and for a quiet moment then. */
  readonly owing?: Owing
}

/** What entries came to, before it is known whether it waits. */
interface Came extends Omit<Absorbed, "owing">, Owing {
  readonly mayWait: boolean
}

/** Fewer operations are sealed in a few milliseconds, and written at once if nothing waits. */
export const OWED_MIN = 64

/** Are sealed in a millisecond or two: nothing that comes in notices. */
export const OWED_PART = 64

export interface AbsorptionParts {
  readonly vault: Vault
  readonly record: Replica
  readonly membership: Membership
  readonly documents: Documents
  readonly cache: DocumentCache
  readonly clock?: Clock
  /** Fewer operations are written at once: {@link OWED_MIN}. */
  readonly owedMin: number
  /** As many are written at a time: {@link OWED_PART}. */
  readonly owedPart: number
}

export class Absorption {
  readonly items: ItemTable
  readonly quarantine: Quarantine
  readonly #parts: AbsorptionParts
  readonly #actorTable: Table
  readonly #appliedTable: Table
  readonly #owed = new Owed()

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

  /** Whether something waits for a quiet moment. */
  get owes(): boolean {
    return this.#owed.ops.length > 0
  }

  /** These entries are durable, and with them what is written with them. */
  written({ documents, owing }: Absorbed): void {
    if (owing) this.#owed.add(owing)
    else this.#owed.clear()
    this.#wait()
    this.#parts.documents.kept(documents)
  }

  /** Writes what waits: all of it, or a part. */
  async pay(amount: "all" | "part"): Promise<void> {
    const part = amount === "all" ? this.#owed.ops : this.#owed.part(this.#parts.owedPart)
    if (part.length === 0) return
    await this.#parts.vault.write(part)
    this.#owed.paid(part)
    this.#wait()
  }

  /** What is owed will be read again from the log. */
  forget(): void {
    this.#owed.clear()
    this.#wait()
  }

  async readApplied(): Promise<number | undefined> {
    const stored = await this.#appliedTable.get(NOTHING)
    return stored && decodeAs(arrivalSchema, stored, { bytesMax: 16 })
  }

  putApplied(arrival: number): VaultOp {
    return this.#appliedTable.put(NOTHING, 0, encodeAs(arrivalSchema, arrival))
  }

  /** Of entries of this device's own, which the documents have. */
  async own(entries: readonly AdmittedEntry[]): Promise<Absorbed> {
    const actors = this.#actors()
    const begun = await begin(entries, actors)
    const kept = keptEntries(entries.map(readOwn), { ...this.#parts, items: this.items })
    const applied = entries.at(-1)?.arrival
    const until = applied === undefined ? [] : [this.putApplied(applied)]
    return this.#absorbed({
      ...kept,
      ops: [...begun, ...kept.ops, ...until],
      documents: new Set(kept.changes.keys()),
      ...(applied !== undefined && { applied }),
      actors: actors.begun,
      mayWait: this.owes,
    })
  }

  /**
   * Of entries from elsewhere, in the order of their arrival: has the documents take them.
   *
   * @param options - `mayBegin`: they may wait though nothing else does, if they are many.
   */
  async foreign(
    entries: readonly AdmittedEntry[],
    { mayBegin }: { readonly mayBegin: boolean },
  ): Promise<Absorbed> {
    const { record, membership, documents: workshop, cache } = this.#parts
    const evidence = await admissionEvidence(record, membership, entries)
    const actors = this.#actors()
    const ops = [...(await begin(entries, actors))]
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
    const begins = mayBegin && ops.length >= this.#parts.owedMin
    return this.#absorbed({
      ...kept,
      ...{ ops, documents, applied },
      actors: actors.begun,
      mayWait: (this.owes || begins) && saved.documents.size === 0,
    })
  }

  #absorbed({ ops, changes, actors, mayWait, ...came }: Came): Absorbed {
    // A share's spans are read from there.
    const isRead = came.items.some(({ kind }) => kind === "carried")
    if (mayWait && !isRead && this.#owed.hasRoomFor(ops)) {
      return { ...came, ops: [], owing: { ops, changes, actors } }
    }
    return { ...came, ops: [...this.#owed.ops, ...ops] }
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

  #wait(): void {
    this.#parts.cache.waits(this.#owed.changes)
  }

  #actors(): ActorOwners {
    return new ActorOwners(this.#actorTable, this.#owed.actors)
  }
}

async function begin(
  entries: readonly AdmittedEntry[],
  actors: ActorOwners,
): Promise<readonly VaultOp[]> {
  const ops: VaultOp[] = []
  for (const entry of entries) ops.push(...(await actors.begin(entry)))
  return ops
}
