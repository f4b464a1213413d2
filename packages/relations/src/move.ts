/**
 * Moves: one change of the record, and whom it reaches. Always previewed first.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import { isDay, isZone } from "./day.ts"
import type { DisclosureChoice } from "./disclosure.ts"
import { isFieldPath, isWithin, touches } from "./field-path.ts"
import type { MoveNote } from "./lane.ts"
import { RelationsError } from "./relations-error.ts"
import type { Share } from "./share.ts"

/** Paths changed by one move. */
export const MOVE_ASSIGNMENTS_MAX = 64
/** Earlier values that one move note may carry. */
const BEFORE_MAX = 16

export interface MoveAssignment {
  readonly path: string
  readonly before: JsonValue | undefined
  readonly after: JsonValue | undefined
}

/** What the plan needs to know of a relationship. */
export interface MoveRelationship {
  readonly id: string
  readonly vendor: string
  readonly agreed: boolean
  readonly disclosures: readonly DisclosureChoice[]
}

export interface MoveReach {
  readonly relationship: string
  readonly vendor: string
  /** The disclosed paths whose registers are written, in order. */
  readonly paths: readonly string[]
}

export interface MovePlan {
  readonly assignments: readonly MoveAssignment[]
  readonly from: string | undefined
  readonly gets: readonly MoveReach[]
  readonly unaffected: readonly { readonly relationship: string; readonly vendor: string }[]
}

/**
 * Plans a move: who gets what. Writes nothing.
 *
 * @throws {RelationsError} `MOVE_INVALID`: no change, a path twice, a day that is none or past.
 */
export function planMove(input: {
  readonly assignments: readonly MoveAssignment[]
  /** Day from which it holds; absent: at once. */
  readonly from?: string | undefined
  readonly today: string
  readonly relationships: readonly MoveRelationship[]
}): MovePlan {
  checkAssignments(input.assignments)
  checkDay(input.from, input.today)
  const gets: MoveReach[] = []
  const unaffected: { relationship: string; vendor: string }[] = []
  for (const { id, vendor, agreed, disclosures } of input.relationships) {
    const paths = agreed
      ? disclosures
          .filter(({ path, follows }) => follows && isTouched(path, input.assignments))
          .map(({ path }) => path)
          .sort()
      : []
    if (paths.length > 0) gets.push({ relationship: id, vendor, paths })
    else unaffected.push({ relationship: id, vendor })
  }
  return { assignments: input.assignments, from: input.from, gets, unaffected }
}

/**
 * What makes an entry's puts a move. A move of name carries the values before it, since vendors
 * find her by them: only of fields that this share holds, so nothing new is told.
 *
 * @throws {RelationsError} `MOVE_INVALID`: the time zone is not known.
 */
export function moveNote(input: {
  /** 16 bytes. */
  readonly id: Uint8Array
  readonly from?: string | undefined
  /** The person's; goes with the day only. */
  readonly zone?: string | undefined
  /** The disclosed paths that the entry writes. */
  readonly paths: readonly string[]
  /** Before the entry. */
  readonly share: Share
}): MoveNote {
  if (input.zone !== undefined && !isZone(input.zone)) throw invalid("an unknown time zone")
  // Of a whole card, not all of it.
  const names = input.paths.map((path) => (path === "card" ? "card/name" : path))
  const before = names
    .filter((path) => isWithin(path, "card/name"))
    .slice(0, BEFORE_MAX)
    .flatMap((path) => {
      const value = input.share.valueAt(path)
      return value === undefined ? [] : [{ path, value }]
    })
  return input.from === undefined
    ? { id: input.id, before }
    : { id: input.id, from: input.from, zone: input.zone, before }
}

function isTouched(path: string, assignments: readonly MoveAssignment[]): boolean {
  return assignments.some((one) => touches(one.path, path))
}

function checkAssignments(assignments: readonly MoveAssignment[]): void {
  if (assignments.length === 0) throw invalid("nothing to change")
  if (assignments.length > MOVE_ASSIGNMENTS_MAX) throw invalid("too many changes in one move")
  for (const [i, { path }] of assignments.entries()) {
    if (!isFieldPath(path)) throw invalid(`${path} is no field that companies can hold`)
    const other = assignments.find((one, j) => i !== j && touches(one.path, path))
    if (other !== undefined) throw invalid(`${path} and ${other.path} are one change`)
  }
}

function checkDay(from: string | undefined, today: string): void {
  if (from === undefined) return
  if (!isDay(from)) throw invalid("not a day; write it as 2026-12-15")
  if (from < today) throw invalid("that day is over; leave it out for a change that holds now")
}

function invalid(message: string): RelationsError {
  return new RelationsError("MOVE_INVALID", message)
}
