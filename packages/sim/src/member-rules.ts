/**
 * What must be so in the end of scenario *members*, when all that remain have everything: the rules of
 * DESIGN, "Keys", held against what really happened.
 *
 * Of the rules for concurrent changes only what needs no second opinion is checked: what nobody else
 * meddled with. That all come to the same is checked of everything.
 *
 * @module
 */
import { readKeyBody } from "@fulcrum/access/key-body"
import type { MembershipEntry, RemovedDevice } from "@fulcrum/access/member-state"
import { type Membership as MembershipView, reduceMembership } from "@fulcrum/access/membership"
import { auditWraps } from "@fulcrum/access/rotation"
import { bytesToHex, equalBytes, hexToBytes } from "@fulcrum/codec/bytes"
import { recordItems } from "@fulcrum/engine/record-items"
import { type EpochId, epochIdSchema, idKey } from "@fulcrum/log/ids"
import type { AdmittedEntry } from "@fulcrum/log/replica"
import { describeView, type MemberChecks } from "./member-checks.ts"
import type { MadeEntry, MadeKey, MemberHistory } from "./member-history.ts"
import type { MemberProgram } from "./member-program.ts"

type KeyEntry = MadeEntry & { readonly key: MadeKey }

interface Removal {
  readonly entry: KeyEntry
  readonly target: string
}

/** Key entries, and whom they remove. */
interface Said {
  readonly keys: readonly KeyEntry[]
  readonly removals: readonly Removal[]
}

export class MemberRules {
  readonly #history: MemberHistory
  readonly #checks: MemberChecks

  constructor(history: MemberHistory, checks: MemberChecks) {
    this.#history = history
    this.#checks = checks
  }

  /** @throws {SimError} What is not as it must be. */
  async settled(programs: readonly MemberProgram[]): Promise<void> {
    // By all that anybody has: who is removed may not know it, and may have what nobody else can read.
    const view = this.#viewOf(programs)
    const remaining = programs.filter(({ by }) => isMember(view, by.writer))
    const [whole] = remaining.toSorted((a, b) => b.entryCount - a.entryCount)
    if (whole === undefined) return
    for (const program of remaining) this.#same(program, whole)
    this.#checks.throwIfFailed()
    for (const program of programs) {
      if (!remaining.includes(program)) this.#checks.restored(program.name, new Set())
    }
    await this.#checks.settled(remaining)
    const [one] = remaining
    if (one === undefined) return
    const entries: AdmittedEntry[] = []
    for await (const entry of one.log.entriesAfter(0)) entries.push(entry)
    this.#whatCounts(one, entries)
    this.#audits(one, entries)
    this.#copies(one, entries)
    this.#removals(one, entries)
    this.#checks.throwIfFailed()
  }

  /** Who belongs by the key entries of all logs together. */
  #viewOf(programs: readonly MemberProgram[]): MembershipView {
    const entries = this.#history.keyEntries.filter(({ key, sequence }) =>
      programs.some(({ log }) => (log.tree.get(key.incarnation)?.sequence ?? 0) >= sequence),
    )
    const [first] = entries
    if (first === undefined) throw new TypeError("a record without a first entry")
    return reduceMembership(
      entries.map(({ sequence, key: { epoch, incarnation, writer, carries, changes } }) => {
        const follows = carries.map((id) => epochIdSchema.decode(hexToBytes(id)))
        return { epoch, incarnation, writer, sequence, follows, changes }
      }),
      first.key.epoch,
    )
  }

  #same(program: MemberProgram, whole: MemberProgram): void {
    const isSame =
      equalBytes(program.log.digest, whole.log.digest) &&
      describeView(program.view) === describeView(whole.view) &&
      program.ledger.quarantine.count === whole.ledger.quarantine.count
    if (isSame) return
    const both = [program, whole].map(({ name, standing }) => `${name}: ${standing}`)
    this.#checks.fail("SIM_DIVERGED", `not the same after all was exchanged\n${both.join("\n")}`)
  }

  /** What a removed device wrote, and what members did. */
  #whatCounts({ view, ledger }: MemberProgram, entries: readonly AdmittedEntry[]): void {
    const made = entries.flatMap((entry) => this.#madeOf(entry) ?? [])
    for (const entry of entries) {
      const own = this.#madeOf(entry)
      if (entry.kind !== "payload" || own === undefined) continue
      const must = isMember(view, own.by.writer) || this.#isKept(own, view, made)
      const counts = itemsOf(entry).every((item) => ledger.state.removalsDone.has(item))
      if (must && !counts) {
        this.#checks.fail("SIM_LOST", `what ${own.by.name} wrote is left out: ${own.place}`)
      }
      // What follows a removal is said alike by all who do it.
      if (!must && counts && isNamed(entry)) {
        this.#checks.fail("SIM_FORGED", `what ${own.by.name} wrote counts: ${own.place}`)
      }
    }
  }

  /** DESIGN, "Keys": the remover had seen it, or a member wrote upon it who did not know. */
  #isKept(entry: MadeEntry, view: MembershipView, made: readonly MadeEntry[]): boolean {
    const removed = view.removed.find(({ writer }) => bytesToHex(writer) === entry.by.writer)
    const history = this.#history
    return (removed?.removals ?? []).some(({ incarnation, sequence }) => {
      const removal = history.at(incarnation, sequence)
      if (removal === undefined) return false
      const knows = (one: MadeEntry) => one === removal || history.saw(one, removal)
      return (
        history.saw(removal, entry) ||
        made.some((one) => isMember(view, one.by.writer) && history.saw(one, entry) && !knows(one))
      )
    })
  }

  /** Every member can tell whether each key span was wrapped as it should be. */
  #audits({ membership }: MemberProgram, entries: readonly AdmittedEntry[]): void {
    const known = new Map<string, MembershipEntry>()
    for (const entry of entries) {
      const made = this.#madeOf(entry)
      if (entry.announces === undefined || made === undefined || !isKey(made)) continue
      const { epoch, follows, clear } = entry.announces
      const { incarnation, sequence, writer } = entry
      const body = readKeyBody(entry.body, follows)
      const before = body.previousKeys.map(({ id }) => id)
      const view = reduceMembership(closure(before, known), membership.genesis)
      known.set(idKey(epoch), {
        ...{ epoch, incarnation, sequence, writer, changes: body.changes },
        follows: before,
      })
      const epochKey = membership.epochKey(epoch)
      if (epochKey === undefined) {
        this.#checks.fail("SIM_LOST", `a member lacks the key of an epoch of ${made.by.name}`)
        continue
      }
      const author = made.by.isWords ? ("recovery" as const) : ("device" as const)
      const { isRight } = auditWraps({ membership: view, clear, body, epochKey, author })
      if (isRight && made.key.isLie) {
        this.#checks.fail("SIM_UNNOTICED", `wraps of ${made.by.name} are wrong, and nobody sees it`)
      }
      if (!isRight && !made.key.isLie) {
        this.#checks.fail("SIM_ACCUSED", `wraps of ${made.by.name} are right, and said to be wrong`)
      }
    }
  }

  /** Two that go on from one place are both kept, and told. */
  #copies({ log }: MemberProgram, entries: readonly AdmittedEntry[]): void {
    const told = new Set(log.tree.branchings().map(({ incarnation }) => idKey(incarnation)))
    const last = new Map<string, number>()
    for (const { incarnation, sequence } of entries) last.set(idKey(incarnation), sequence)
    const children = new Map<string, number>()
    for (const { begin } of entries) {
      if (begin?.parent === undefined) continue
      const key = idKey(begin.parent.incarnation)
      children.set(key, (children.get(key) ?? 0) + 1)
      const isCopied = (children.get(key) ?? 0) > 1 || begin.parent.sequence < (last.get(key) ?? 0)
      if (isCopied && !told.has(key)) {
        this.#checks.fail("SIM_UNNOTICED", "a line goes on in two ways, and nobody is told")
      }
    }
  }

  #removals({ view }: MemberProgram, entries: readonly AdmittedEntry[]): void {
    const keys = entries.flatMap((entry) => {
      const made = this.#madeOf(entry)
      return made && isKey(made) && this.#wasEntitled(made) ? [made] : []
    })
    const removals = keys.flatMap((entry) =>
      targetsOf(entry.key).map((target) => ({ entry, target })),
    )
    const isIn = (id: string) => view.devices.some((device) => idKey(device.id) === id)
    for (const removal of removals) {
      const { entry, target } = removal
      const { isWords, id } = entry.by
      const isBack = keys.some(({ by, key, ...rest }) => {
        return by.isWords && addsTo(key, target) && !this.#saw(entry, { by, key, ...rest })
      })
      const all = { keys, removals }
      const isClean = isWords ? this.#areSet(entry, all) : this.#isClean(id, keys, removals)
      if (isClean && !isBack && isIn(target)) {
        this.#checks.fail("SIM_FORGED", `${target} belongs, though ${entry.by.name} removed it`)
      }
      this.#mutual(removal, { keys, removals, isIn, isBack, view })
    }
    for (const back of keys.filter(({ by }) => by.isWords)) {
      // Words that were replaced at the same time count as removed; others are as good as who set them.
      const isReplaced = keys.some(
        (entry) =>
          entry.key.changes.some(({ kind }) => kind === "recovery") &&
          !this.#saw(back, entry) &&
          !this.#saw(entry, back),
      )
      if (isReplaced || !this.#areSet(back, { keys, removals })) continue
      for (const id of addsOf(back.key)) {
        const others = removals.filter(({ target }) => target === id)
        const isLast = others.every(({ entry }) => this.#saw(back, entry))
        if (isLast && others.length > 0 && !isIn(id)) {
          this.#checks.fail("SIM_LOST", `${id} does not belong, though the words brought it back`)
        }
      }
    }
    for (const { by, key } of keys) {
      if (!by.isWords && !this.#isClean(by.id, keys, removals)) continue
      for (const change of key.changes) {
        if (change.kind !== "suite" || view.leastSuite >= change.value.least) continue
        this.#checks.fail("SIM_LOST", `${by.name} raised the least suite, and it is less`)
      }
    }
  }

  /** Of two that remove each other, and nobody else them, the one that joined earlier stays. */
  #mutual(
    { entry, target }: Removal,
    all: {
      readonly keys: readonly KeyEntry[]
      readonly removals: readonly Removal[]
      readonly isIn: (id: string) => boolean
      readonly isBack: boolean
      readonly view: MembershipView
    },
  ): void {
    const { keys, removals, isIn, isBack, view } = all
    const against = removals.filter((other) => other.target === entry.by.id)
    const isMutual =
      against.length > 0 &&
      against.every(
        (other) =>
          other.entry.by.id === target &&
          !this.#saw(other.entry, entry) &&
          !this.#saw(entry, other.entry),
      )
    const [ours, theirs] = [entry.by.id, target].map((id) => joinedIn(id, keys))
    if (!isMutual || ours === undefined || theirs === undefined) return
    if (!this.#saw(theirs, ours) || !this.#isClean(ours.by.id, keys, removals, entry.by.id)) return
    if (isIn(entry.by.id) && (isBack || !isIn(target))) return
    const { name } = entry.by
    const left = view.removed.map((one: RemovedDevice) => one.name).join(", ")
    this.#checks.fail("SIM_FORGED", `${name} joined earlier and does not stay; removed: ${left}`)
  }

  /** Nobody removed it, nor who let it in. @param except - But for this device. */
  #isClean(
    id: string,
    keys: readonly KeyEntry[],
    removals: readonly Removal[],
    except?: string,
  ): boolean {
    const isRemoved = removals.some(({ target }) => target === id && target !== except)
    if (isRemoved) return false
    const joined = joinedIn(id, keys)
    if (joined === undefined) return false
    if (joined.by.id === id || joined.by.isWords) return true
    return this.#isClean(joined.by.id, keys, removals, except)
  }

  /** Whether nobody disputes, at the same time, that whoever set these words belonged. */
  #areSet(entry: KeyEntry, all: Said): boolean {
    const { writer } = entry.by
    const isSetter = (one: KeyEntry) =>
      one.by.writer !== writer && setsWords(one.key, writer) && this.#history.saw(entry, one)
    return all.keys.some((one) => isSetter(one) && this.#isUndisputed(one, all))
  }

  /** Nor of whoever let that one in. */
  #isUndisputed(entry: KeyEntry, all: Said): boolean {
    const { by } = entry
    const isDisputed = all.removals.some(
      (removal) =>
        removal.target === by.id &&
        !this.#saw(entry, removal.entry) &&
        !this.#saw(removal.entry, entry),
    )
    if (isDisputed) return false
    if (by.isWords) return this.#areSet(entry, all)
    const joined = joinedIn(by.id, all.keys)
    return joined === undefined || joined.by.id === by.id || this.#isUndisputed(joined, all)
  }

  /** Whether its author belonged, by all that it had seen, or leaves with it: programs ask before they write. */
  #wasEntitled({ by, key, removed }: KeyEntry): boolean {
    return !removed.has(by.id) || targetsOf(key).includes(by.id)
  }

  #saw(later: MadeEntry, earlier: MadeEntry): boolean {
    return later === earlier || this.#history.saw(later, earlier)
  }

  #madeOf({ incarnation, sequence }: AdmittedEntry): MadeEntry | undefined {
    return this.#history.at(incarnation, sequence)
  }
}

function isKey(entry: MadeEntry): entry is KeyEntry {
  return entry.key !== undefined
}

function isMember(view: MembershipView, writer: string): boolean {
  const { recovery, devices } = view
  if (recovery && bytesToHex(recovery.writer) === writer) return true
  return devices.some((device) => bytesToHex(device.writer) === writer)
}

function closure(
  heads: readonly EpochId[],
  known: ReadonlyMap<string, MembershipEntry>,
): readonly MembershipEntry[] {
  const found = new Set<MembershipEntry>()
  const queue = heads.map((id) => known.get(idKey(id)))
  for (const entry of queue) {
    if (entry === undefined || found.has(entry)) continue
    found.add(entry)
    queue.push(...entry.follows.map((id) => known.get(idKey(id))))
  }
  return [...found]
}

function itemsOf({ body }: AdmittedEntry): readonly string[] {
  return recordItems
    .decode(body)
    .flatMap((item) => (item.kind === "removalDone" ? [idKey(item.value.epoch)] : []))
}

/** Whether the scenario wrote it: its names end in zeros. */
function isNamed(entry: AdmittedEntry): boolean {
  return itemsOf(entry).every((item) => item.endsWith("0".repeat(48)))
}

function targetsOf({ changes }: MadeKey): readonly string[] {
  return changes.flatMap((change) => (change.kind === "remove" ? [idKey(change.value.device)] : []))
}

function setsWords({ changes }: MadeKey, writer: string): boolean {
  return changes.some(
    (change) =>
      change.kind === "recovery" && bytesToHex(change.value.certificate.writer) === writer,
  )
}

function addsOf({ changes }: MadeKey): readonly string[] {
  return changes.flatMap((change) =>
    change.kind === "add" ? [idKey(change.value.certificate.id)] : [],
  )
}

function addsTo(key: MadeKey, id: string): boolean {
  return addsOf(key).includes(id)
}

/** The first that let it in. */
function joinedIn(id: string, keys: readonly KeyEntry[]): KeyEntry | undefined {
  return keys.find(({ key, by }) => addsTo(key, id) && !by.isWords)
}
