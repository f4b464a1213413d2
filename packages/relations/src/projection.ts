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
import { bytesToBase64url, uint64ToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { hash } from "@fulcrum/crypto/hash"
import { touches } from "./field-path.ts"
import type { Put } from "./lane.ts"
import type { Share, ShareRegister } from "./share.ts"

/** What an edit adds to a counter, at most; as many settlements fit in between. */
export const EDIT_STEP = 1024

/** One disclosed field, as the relationship's document has it. */
export interface ProjectedDisclosure {
  readonly path: string
  readonly follows: boolean
  /** Of the last projection known to the record; 0: none yet. */
  readonly counter: number
  /** Marks of the puts that the record knows, and their counters; untold ones begin with `~`. */
  readonly marks: ReadonlyMap<string, number>
}

/** What the relationship's document must say, in the same atomic batch as the puts. */
export interface CounterUpdate {
  readonly path: string
  readonly counter: number
  readonly mark: string
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
    const put: Put = { path, value, counter: step.counter }
    puts.push(put)
    updates.push({ path, counter: put.counter, mark: markOf(put), drop: [...marks.keys()] })
  }
  for (const { path, marks, counter: before, follows } of sortByPath(input.ended ?? [])) {
    if (!isEdited(path) || !follows) continue
    const counter = nextEdit(before)
    const mark = UNTOLD + markOf({ path, value: input.valueAt(path), counter })
    updates.push({ path, counter, mark, drop: [...marks.keys()].filter(isUntold) })
  }
  return { puts, updates, waits }
}

const UNTOLD = "~"

function isUntold(mark: string): boolean {
  return mark.startsWith(UNTOLD)
}

/** Names a put inside the record; two devices that write the same put give the same mark. */
export function markOf({ path, value, counter }: Put): string {
  const json = value === undefined ? "" : canonicalJson(value)
  const parts = [utf8ToBytes(path), uint64ToBytes(counter), utf8ToBytes(json)]
  return bytesToBase64url(hash(contexts.projectionMark, ...parts).subarray(0, 12))
}

type Step =
  | { readonly do: "put"; readonly counter: number }
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
    const isAllUntold = [...marks].every(([mark, at]) => at <= heldCounter || isUntold(mark))
    const isKnown = held === undefined || marks.has(markOf(held))
    if (!isAllUntold || !isKnown) return { do: "wait", for: "share" }
    if (!follows || isSame(value, held?.value)) return NOTHING
    const isLast = marks.has(UNTOLD + markOf({ path, value, counter }))
    return { do: "put", counter: isLast ? counter : counter + 1 }
  }
  // A field that was never there is not projected: *cleared* is said only of what was held.
  if (held === undefined) return value === undefined ? NOTHING : editStep(0)
  if (heldCounter > counter || !marks.has(markOf(held))) return { do: "wait", for: "record" }
  return follows && !isSame(value, held.value) ? { do: "put", counter: counter + 1 } : NOTHING
}

const NOTHING: Step = { do: "nothing" }

function editStep(counter: number): Step {
  return { do: "put", counter: nextEdit(counter) }
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
