/**
 * What happened in a run of scenario *members*, as whoever looks at all machines at once knows it: what
 * each entry's author had seen and knew when it was made, and who was ever given which key. The checks
 * compare with this what the programs make of their logs.
 *
 * @module
 */
import { type MembershipChange, readKeyBody } from "@fulcrum/access/key-body"
import type { Membership as MembershipView } from "@fulcrum/access/membership"
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import type { WrapKey } from "@fulcrum/crypto/wrap"
import type { Membership } from "@fulcrum/engine/membership"
import { type EpochId, type IncarnationId, idKey } from "@fulcrum/log/ids"
import type { AdmittedEntry, Replica } from "@fulcrum/log/replica"
import { followsDigest } from "@fulcrum/log/span"

/** Whose keys something was made with: of a device, or of recovery words. */
export interface Someone {
  /** The device's id in hex, or `words 0`. */
  readonly id: string
  readonly name: string
  readonly isWords: boolean
  readonly writer: string
  readonly wrap: WrapKey
  /** What all starts of its programs, on all machines, knew of keys. */
  readonly rings: Membership[]
}

/** One entry that somebody made; whether it became durable is another matter. */
export interface MadeEntry {
  readonly place: string
  readonly incarnation: string
  readonly sequence: number
  readonly by: Someone
  /** How far its author had each incarnation. */
  readonly seen: ReadonlyMap<string, number>
  /** The epoch that it was sealed under. */
  readonly epoch: string
  /** Of devices and words that were no members any more, as its author knew. */
  readonly removed: ReadonlySet<string>
  readonly key: MadeKey | undefined
}

/** What a key entry adds to that. */
export interface MadeKey {
  readonly epoch: EpochId
  readonly writer: PublicKey
  readonly incarnation: IncarnationId
  readonly follows: EpochId
  readonly clear: Uint8Array
  readonly changes: readonly MembershipChange[]
  /** The epochs whose keys it carries. */
  readonly carries: readonly string[]
  /** Its author left a wrap out, or added one. */
  readonly isLie: boolean
}

export interface Watched {
  readonly record: Replica
  readonly membership: Membership
  readonly by: Someone
  /** Whether the key span that is being made is not what it should be. */
  readonly isLie: () => boolean
  readonly made: (entries: readonly MadeEntry[]) => void
  /** What was made is on the disk. */
  readonly durable: (entries: readonly AdmittedEntry[], spans: readonly Uint8Array[]) => void
}

export class MemberHistory {
  readonly entries: Map<string, MadeEntry> = new Map()
  /** By writer key. */
  readonly #people = new Map<string, Someone>()
  /** All spans that were ever made, oldest first. */
  readonly spans: Uint8Array[] = []
  #keySpans = 0

  get people(): readonly Someone[] {
    return [...this.#people.values()]
  }

  byWriter(writer: Uint8Array): Someone | undefined {
    return this.#people.get(bytesToHex(writer))
  }

  byId(id: string): Someone | undefined {
    return this.people.find((one) => one.id === id)
  }

  meet(someone: Someone): void {
    this.#people.set(someone.writer, someone)
  }

  /** A number for each key span. */
  nextKeySpan(): number {
    return this.#keySpans++
  }

  /** @returns What was made at that place. */
  at(incarnation: Uint8Array, sequence: number): MadeEntry | undefined {
    return this.entries.get(`${bytesToHex(incarnation)} ${sequence}`)
  }

  get keyEntries(): readonly (MadeEntry & { readonly key: MadeKey })[] {
    return [...this.entries.values()].filter(isKeyEntry)
  }

  /** Notes what a replica makes from now on. */
  watch(watched: Watched): void {
    const { record, membership, by, isLie, made, durable } = watched
    by.rings.push(membership)
    const stage = record.stage.bind(record)
    record.stage = (items) => {
      const { current } = membership
      const before = this.#before(record, membership.view)
      const staged = stage(items)
      const epoch = current ? idKey(current.id) : ""
      made(staged.entries.map((entry) => this.#note(entry, { ...before, by, epoch })))
      return { ...staged, commit: () => this.#commit(staged, durable) }
    }
    this.#watchKeys(record, { by, isLie, made, durable, view: () => membership.view })
  }

  /** Notes a record's first key span, which makes its author a member. */
  watchFirst(record: Replica, by: Someone): void {
    this.#watchKeys(record, {
      by,
      isLie: () => false,
      made: () => undefined,
      durable: () => undefined,
      view: () => undefined,
    })
  }

  #watchKeys(
    record: Replica,
    watched: Pick<Watched, "by" | "isLie" | "made" | "durable"> & {
      readonly view: () => MembershipView | undefined
    },
  ): void {
    const { by, isLie, made, durable, view } = watched
    const stageKey = record.stageKey.bind(record)
    record.stageKey = (input) => {
      const before = this.#before(record, view())
      const { changes, previousKeys } = readKeyBody(input.body, followsDigest(input.follows))
      const staged = stageKey(input)
      const carries = previousKeys.map(({ id }) => idKey(id))
      const epoch = idKey(staged.epochId)
      const notes = staged.entries.map((entry) => {
        const { announces } = entry
        const { writer, incarnation } = entry
        const said = { changes, carries, isLie: isLie() }
        const key = announces && { ...announces, writer, incarnation, ...said }
        const removed = this.#removedAfter(before.removed, changes)
        return this.#note(entry, { ...before, removed, by, epoch, key })
      })
      made(notes)
      return { ...staged, commit: () => this.#commit(staged, durable) }
    }
  }

  /** Whether its author had seen another entry when it made this one. */
  saw(later: Pick<MadeEntry, "seen">, earlier: MadeEntry): boolean {
    return (later.seen.get(earlier.incarnation) ?? 0) >= earlier.sequence
  }

  #commit(
    staged: ReturnType<Replica["stage"]>,
    durable: (entries: readonly AdmittedEntry[], spans: readonly Uint8Array[]) => void,
  ): void {
    staged.commit()
    this.spans.push(...staged.spans)
    durable(staged.entries, staged.spans)
  }

  #before(record: Replica, view: MembershipView | undefined): Pick<MadeEntry, "seen" | "removed"> {
    const seen = record.tree.coveredBy(record.vector)
    const { devices = [], removed = [], recovery } = view ?? {}
    const members = new Set(devices.map(({ id }) => idKey(id)))
    const gone = removed.map(({ id }) => idKey(id)).filter((id) => !members.has(id))
    const current = recovery && bytesToHex(recovery.writer)
    const words = this.keyEntries
      .filter((entry) => this.saw({ seen }, entry))
      .flatMap(({ key }) => key.changes)
      .flatMap((change) =>
        change.kind === "recovery" ? [bytesToHex(change.value.certificate.writer)] : [],
      )
      .filter((writer) => writer !== current)
      .map((writer) => this.#people.get(writer)?.id ?? writer)
    return { seen, removed: new Set([...gone, ...words]) }
  }

  /** Whoever makes changes knows of them. */
  #removedAfter(
    before: ReadonlySet<string>,
    changes: readonly MembershipChange[],
  ): ReadonlySet<string> {
    const removed = new Set(before)
    for (const change of changes) {
      if (change.kind === "remove") removed.add(idKey(change.value.device))
      if (change.kind === "add") removed.delete(idKey(change.value.certificate.id))
      if (change.kind !== "recovery") continue
      const writer = bytesToHex(change.value.certificate.writer)
      for (const { id, isWords } of this.people) if (isWords) removed.add(id)
      removed.delete(this.#people.get(writer)?.id ?? writer)
    }
    return removed
  }

  #note(
    { incarnation, sequence }: AdmittedEntry,
    made: Pick<MadeEntry, "by" | "seen" | "removed" | "epoch"> & {
      readonly key?: MadeKey | undefined
    },
  ): MadeEntry {
    const id = bytesToHex(incarnation)
    const place = `${id} ${sequence}`
    const entry = { key: undefined, ...made, place, incarnation: id, sequence }
    this.entries.set(place, entry)
    return entry
  }
}

function isKeyEntry(entry: MadeEntry): entry is MadeEntry & { readonly key: MadeKey } {
  return entry.key !== undefined
}
