/**
 * The person's lane of one share: which of its entries count, and what they add up to.
 *
 * An entry counts if the key that let its writer in speaks for the person; if an earlier one did,
 * what whoever replaced it had seen counts, and what a writer by a newer key goes on from. The rest
 * is held: it counts once that changes.
 *
 * The two sides see different parts of this. A vendor goes by its log, in the order of arrival: what
 * it took stays taken, and while two keys claim to be the next one it takes nothing. On the
 * person's own devices her record says which keys are hers; when they learn of a removal, what the
 * removed device said besides counts no more, unless the vendor says that it took it.
 *
 * Source: `relations/successor.ts`, rules 4 and 5.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { type IncarnationId, idKey } from "@fulcrum/log/ids"
import type { IncarnationTree, TreeNode } from "@fulcrum/log/incarnation-tree"
import type { AdmittedEntry } from "@fulcrum/log/replica"
import type { VectorRow, VersionVector } from "@fulcrum/log/vector"
import { type PersonItem, personLane } from "@fulcrum/relations/lane"
import type { PersonKeys } from "@fulcrum/relations/person-keys"
import { type EntryPosition, Share } from "@fulcrum/relations/share"

/** Entries that a vendor holds of one customer, and bytes of them: a thief cannot fill its memory. */
export const HELD_ENTRIES_MAX = 1024
export const HELD_BYTES_MAX: number = 4 * 1024 * 1024

/** An entry of the person's lane, read. */
export interface PersonEntry {
  readonly at: EntryPosition
  readonly incarnation: IncarnationId
  readonly arrival: number
  readonly items: readonly PersonItem[]
}

export interface PersonLaneOptions {
  readonly side: "person" | "vendor"
  readonly keys: PersonKeys
  readonly tree: () => IncarnationTree
  /** Whether the vendor has said that it took the entry with this chain hash. */
  readonly isAnswered: (chain: Uint8Array) => boolean
  /** Told of each entry as it begins to count. */
  readonly counted: (entry: AdmittedEntry) => void
}

interface Where {
  readonly incarnation: IncarnationId
  readonly sequence: number
  readonly chain: Uint8Array
}

/** A writer that goes on where another ended. */
interface Begun extends Where {
  readonly parent: VectorRow
}

export class PersonLane {
  readonly #options: PersonLaneOptions
  /** By incarnation, the key that let its writer in. */
  readonly #certifiers = new Map<string, Uint8Array>()
  /** All that was read. */
  readonly #told: PersonEntry[] = []
  readonly #begun: Begun[] = []
  /** Of those, the ones that do not count. */
  #heldBegun: Begun[] = []
  /** At a vendor: what does not count yet, in the order of arrival. */
  #held: AdmittedEntry[] = []
  #heldBytes = 0
  /** On the person's side: what was read and does not count. */
  readonly #missing = new Set<PersonEntry>()
  #refused = 0
  #share = new Share()
  #counting: PersonEntry[] = []
  readonly #byChain = new Map<string, PersonEntry>()
  /** Where writers that count go on from. */
  #continued: VectorRow[] = []
  /** By certifier, how far what it let in counts, given what is in the log now. */
  readonly #covered = new Map<string, ReadonlyMap<string, number>>()
  #coveredAt: VersionVector | undefined
  /** What counts is to be found out anew, once somebody asks. */
  #isStale = false

  constructor(options: PersonLaneOptions) {
    this.#options = options
  }

  /** What those that count add up to. */
  get share(): Share {
    this.#refresh()
    return this.#share
  }

  get counting(): readonly PersonEntry[] {
    this.#refresh()
    return this.#counting
  }

  /** Those that do not count too. */
  get told(): readonly PersonEntry[] {
    return this.#told
  }

  /** Entries that could not be read, and those that a vendor had no room to hold. */
  get refused(): number {
    return this.#refused
  }

  entryAt(chain: Uint8Array): PersonEntry | undefined {
    return this.#byChain.get(bytesToHex(chain))
  }

  certifierOf(incarnation: IncarnationId): Uint8Array | undefined {
    return this.#certifiers.get(idKey(incarnation))
  }

  /** Takes in an entry of this lane; {@link PersonLane.settle} is due after the last of several. */
  hear(entry: AdmittedEntry, certifier: Uint8Array): void {
    const { incarnation, begin, kind } = entry
    if (begin !== undefined) this.#certifiers.set(idKey(incarnation), certifier)
    if (kind !== "payload" && this.#isStale) {
      if (begin?.parent !== undefined) this.#begun.push(begunOf(entry, begin.parent))
      if (kind === "key") this.#count(entry)
      return
    }
    this.#refresh()
    if (begin?.parent !== undefined) this.#hearBegun(begunOf(entry, begin.parent))
    if (kind === "key" || this.#counts(entry)) this.#count(entry)
    // Begin entries are looked at from where they were noted.
    else if (kind === "payload") this.#hold(entry)
  }

  /** After entries, keys or answers came: what was held and counts now. */
  settle(): void {
    if (this.#isStale) return
    if (this.#heldBegun.length + this.#held.length + this.#missing.size === 0) return
    this.#covered.clear()
    for (let hasGrown = true; hasGrown; ) {
      const due = this.#heldBegun
      this.#heldBegun = []
      for (const begun of due) this.#continueFrom(begun)
      hasGrown = this.#heldBegun.length < due.length
    }
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    for (const entry of held) {
      if (this.#counts(entry)) this.#count(entry)
      else this.#hold(entry)
    }
    for (const entry of [...this.#missing]) if (this.#counts(whereOf(entry))) this.#apply(entry)
  }

  /**
   * What counted may count no more: only on the person's side, who has told nobody of it. It is found out
   * once somebody asks: a removal replaces the keys of all relationships, and asks nothing of most.
   */
  rebuild(): void {
    this.#isStale = true
  }

  #refresh(): void {
    if (!this.#isStale) return
    this.#isStale = false
    this.#covered.clear()
    this.#continued = []
    this.#heldBegun = [...this.#begun]
    this.#share = new Share()
    this.#counting = []
    for (const entry of this.#told) this.#missing.add(entry)
    this.settle()
  }

  /** What the vendor took, and nobody who speaks for her stands by. */
  get disowned(): readonly PersonEntry[] {
    this.#refresh()
    return this.#counting.filter((entry) => !this.#isCovered(whereOf(entry)))
  }

  /** Whether a line has entries that nobody stands by until it goes on under a newer key. */
  isOrphaned(last: TreeNode): boolean {
    this.#refresh()
    const tree = this.#options.tree()
    const line = new Set<string>()
    for (let node: TreeNode | undefined = last; node !== undefined; ) {
      line.add(node.key)
      node = node.parent && tree.get(node.parent.incarnation)
    }
    return this.#told.some(
      (entry) => line.has(idKey(entry.incarnation)) && !this.#isCovered(whereOf(entry)),
    )
  }

  #hearBegun(begun: Begun): void {
    this.#begun.push(begun)
    this.#continueFrom(begun)
    // What it goes on from is here already, and counts from now on, whatever comes next.
    if (this.#held.length + this.#missing.size > 0) this.settle()
  }

  #continueFrom(begun: Begun): void {
    if (!this.#counts(begun)) {
      this.#heldBegun.push(begun)
      return
    }
    this.#continued.push(begun.parent)
    this.#covered.clear()
  }

  #counts(where: Where): boolean {
    const { side, isAnswered } = this.#options
    return this.#isCovered(where) || (side === "person" && isAnswered(where.chain))
  }

  #isCovered({ incarnation, sequence }: Where): boolean {
    const { side, keys } = this.#options
    const certifier = this.certifierOf(incarnation)
    if (certifier === undefined || (side === "vendor" && keys.isFrozen)) return false
    if (keys.isNewest(certifier)) return true
    const seen = keys.seenOf(certifier)
    if (seen === undefined) return false
    const tree = this.#options.tree()
    if (this.#coveredAt !== tree.vector) this.#covered.clear()
    this.#coveredAt = tree.vector
    const key = bytesToHex(certifier)
    const covered = this.#covered.get(key) ?? tree.coveredBy([...seen, ...this.#continued])
    this.#covered.set(key, covered)
    return (covered.get(idKey(incarnation)) ?? 0) >= sequence
  }

  /** `undefined`: it has not the lane's form. */
  #read(entry: AdmittedEntry): PersonEntry | undefined {
    const { writer, sequence, chain, arrival, incarnation } = entry
    try {
      const items = personLane.decode(entry.body)
      const read = { at: { writer, sequence, chain }, incarnation, arrival, items }
      this.#told.push(read)
      this.#byChain.set(bytesToHex(chain), read)
      return read
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#refused++
      return undefined
    }
  }

  #count(entry: AdmittedEntry): void {
    const read = entry.kind === "payload" ? this.#read(entry) : undefined
    if (read !== undefined) this.#apply(read)
    this.#options.counted(entry)
  }

  #apply(entry: PersonEntry): void {
    this.#missing.delete(entry)
    this.#counting.push(entry)
    for (const item of entry.items) if (item.kind === "put") this.#share.apply(item.value, entry.at)
  }

  /** The person's own devices keep what they read; a vendor keeps what it may have to read. */
  #hold(entry: AdmittedEntry): void {
    if (this.#options.side === "person") {
      const read = this.#read(entry)
      if (read !== undefined) this.#missing.add(read)
      return
    }
    const bytes = this.#heldBytes + entry.body.length
    if (this.#held.length >= HELD_ENTRIES_MAX || bytes > HELD_BYTES_MAX) {
      this.#refused++
      return
    }
    this.#held.push(entry)
    this.#heldBytes = bytes
  }
}

function begunOf({ incarnation, sequence, chain }: AdmittedEntry, parent: VectorRow): Begun {
  return { incarnation, sequence, chain, parent }
}

function whereOf({ incarnation, at }: PersonEntry): Where {
  return { incarnation, sequence: at.sequence, chain: at.chain }
}
