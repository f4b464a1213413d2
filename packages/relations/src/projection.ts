/**
 * Projection: what a share must be told, given the record, what is disclosed, and what the share
 * holds.
 *
 * The relationship's document holds for each disclosed field the counter that was last projected,
 * and the *marks* of the puts that the record knows. There are two reasons to write a register:
 *
 * - **An edit.** The person has just changed the field on this device. Its put is in the same
 *   atomic batch, with the next multiple of `EDIT_STEP` above the record's counter, so counters
 *   grow along every chain of edits. It never waits, for an edit without its put could be settled
 *   by another device when it no longer holds; if the share is ahead, the put simply does not win.
 * - **A settlement.** Concurrent edits left another value in the share than in the record; whoever
 *   sees both writes the record's winner, and two who do so write the same register. It needs the
 *   share's counter to be the record's, and the share's put to be among the marks. If the share is
 *   ahead, or holds a put that the record does not know, this device's record is behind: it waits
 *   for the record space. If the share is behind, it waits for the share. So a device that was
 *   away, or hears of the share first, never puts back what it has not seen replaced.
 *
 * An edit of a field whose disclosure has ended by this device's clock is not told. It counts all the
 * same, under a mark that says so: if the disclosure holds after all, by another clock, what was not
 * told is settled in the order in which it was edited, and not by whoever is first.
 *
 * A settlement raises the counter by one only: settling two older edits never wins over an edit
 * that was made meanwhile on top of one of them.
 *
 * Source: DESIGN, "Record and shares" (who projects).
 *
 * @module
 */
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { touches } from "./field-path.ts"
import { PUT_KNOWS_MAX, type Put } from "./lane.ts"
import { isMark, markOf, markToBytes } from "./put-mark.ts"
import type { Share, ShareRegister } from "./share.ts"

/** What an edit adds to a counter, at most; as many settlements fit in between. */
export const EDIT_STEP = 1024

/** One disclosed field, as the relationship's document has it. */
export interface ProjectedDisclosure {
  readonly path: string
  readonly follows: boolean
  /** Of the last projection known to the record; 0: none yet. */
  readonly counter: number
  /** The puts that the record knows, by their marks; those of untold ones begin with `~`. */
  readonly marks: ReadonlyMap<string, KnownPut>
}

/** What the record keeps of a put. */
export interface KnownPut {
  readonly counter: number
  /** Marks of those that it knew, the nearest first; absent: none. */
  readonly knows?: readonly string[]
  /** In a settlement: the mark of the edit whose value it says again. */
  readonly again?: string
}

/** What the relationship's document must say, in the same atomic batch as the puts. */
export interface CounterUpdate {
  readonly path: string
  readonly mark: string
  readonly known: KnownPut
  /** Marks no longer needed. */
  readonly drop: readonly string[]
}

export interface Projection {
  /** In order of path. */
  readonly puts: readonly Put[]
  readonly updates: readonly CounterUpdate[]
  /** Fields that cannot be judged before more of the record, or of the share, has arrived. */
  readonly waits: readonly { readonly path: string; readonly for: "record" | "share" }[]
}

/**
 * @param input.edited - Paths that the person has just set or unset on this device; empty when
 * something arrived.
 * @returns Nothing to write when nothing disclosed changed.
 */
export function project(input: {
  readonly disclosures: readonly ProjectedDisclosure[]
  /** Those that have ended: nothing of them is told. */
  readonly ended?: readonly ProjectedDisclosure[]
  readonly valueAt: (path: string) => JsonValue | undefined
  readonly share: Share
  readonly edited: readonly string[]
}): Projection {
  const puts: Put[] = []
  const updates: CounterUpdate[] = []
  const waits: { path: string; for: "record" | "share" }[] = []
  const isEdited = (path: string) => input.edited.some((edited) => touches(edited, path))
  for (const disclosure of sortByPath(input.disclosures)) {
    const { path, marks } = disclosure
    const value = input.valueAt(path)
    const step = nextStep(disclosure, value, input.share.registers.get(path), isEdited(path))
    if (step.do === "wait") waits.push({ path, for: step.for })
    if (step.do !== "put") continue
    const bare: Put = { path, value, counter: step.counter }
    const known = { counter: step.counter, ...ties(bare, marks, step.isEdit) }
    puts.push({ ...bare, ...tiesToBytes(known) })
    updates.push({ path, mark: markOf(bare), known, drop: [...marks.keys()] })
  }
  for (const { path, marks, counter: before, follows } of sortByPath(input.ended ?? [])) {
    if (!isEdited(path) || !follows) continue
    const counter = nextEdit(before)
    const mark = UNTOLD + markOf({ path, value: input.valueAt(path), counter })
    updates.push({ path, mark, known: { counter }, drop: [...marks.keys()].filter(isUntold) })
  }
  return { puts, updates, waits }
}

const UNTOLD = "~"

function isUntold(mark: string): boolean {
  return mark.startsWith(UNTOLD)
}

/** What a put says of those before it: an edit overwrites them, a settlement says one again. */
function ties(
  put: Put,
  marks: ProjectedDisclosure["marks"],
  isEdit: boolean,
): Pick<KnownPut, "knows" | "again"> {
  const told = [...marks].filter(([mark]) => isMark(mark)).sort(([a], [b]) => (a < b ? -1 : 1))
  const before = told.flatMap(([, { knows = [] }]) => knows)
  const knows = [...new Set([...told.map(([mark]) => mark), ...before])].slice(0, PUT_KNOWS_MAX)
  if (isEdit) return knows.length === 0 ? {} : { knows }
  const same = told.find(([mark, { counter }]) => markOf({ ...put, counter }) === mark)
  // Of a value that was told nowhere it cannot be said which put it was.
  return same === undefined ? {} : { knows, again: same[1].again ?? same[0] }
}

function tiesToBytes({ knows, again }: KnownPut): Pick<Put, "knows" | "again"> {
  return {
    ...(knows && { knows: knows.map(markToBytes) }),
    ...(again !== undefined && { again: markToBytes(again) }),
  }
}

type Step =
  | { readonly do: "put"; readonly counter: number; readonly isEdit: boolean }
  | { readonly do: "wait"; readonly for: "record" | "share" }
  | { readonly do: "nothing" }

function nextStep(
  { path, counter, marks, follows }: ProjectedDisclosure,
  value: JsonValue | undefined,
  held: ShareRegister | undefined,
  isEdit: boolean,
): Step {
  const heldCounter = held?.counter ?? 0
  // What was never told is not cleared.
  const wasTold = held !== undefined || [...marks.keys()].some((mark) => !isUntold(mark))
  if (isEdit && follows && (wasTold || (counter > 0 && value !== undefined))) {
    const isThere = heldCounter === counter && isSame(value, held?.value)
    return isThere ? NOTHING : editStep(counter)
  }
  if (heldCounter < counter) {
    const isAllUntold = [...marks].every(
      ([mark, known]) => known.counter <= heldCounter || isUntold(mark),
    )
    const isKnown = held === undefined || marks.has(markOf(held))
    if (!isAllUntold || !isKnown) return { do: "wait", for: "share" }
    if (!follows || isSame(value, held?.value)) return NOTHING
    const isLast = marks.has(UNTOLD + markOf({ path, value, counter }))
    return { do: "put", counter: isLast ? counter : counter + 1, isEdit: isLast }
  }
  // A field that was never there is not projected: *cleared* is said only of what was held.
  if (held === undefined) return value === undefined ? NOTHING : editStep(0)
  if (heldCounter > counter || !marks.has(markOf(held))) return { do: "wait", for: "record" }
  return follows && !isSame(value, held.value) ? settleStep(counter) : NOTHING
}

const NOTHING: Step = { do: "nothing" }

function editStep(counter: number): Step {
  return { do: "put", counter: nextEdit(counter), isEdit: true }
}

function settleStep(counter: number): Step {
  return { do: "put", counter: counter + 1, isEdit: false }
}

function nextEdit(counter: number): number {
  return (Math.floor(counter / EDIT_STEP) + 1) * EDIT_STEP
}

function isSame(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return canonicalJson(a) === canonicalJson(b)
}

function sortByPath(disclosures: readonly ProjectedDisclosure[]): readonly ProjectedDisclosure[] {
  return [...disclosures].sort((a, b) => (a.path < b.path ? -1 : 1))
}
