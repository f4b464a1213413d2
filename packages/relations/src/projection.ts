/**
 * Projection: what a share must be told, given the record, what is disclosed, and what the share
 * holds.
 *
 * The relationship's document holds for each disclosed field the counter that was last projected,
 * and the *marks* of the puts with that counter. A field is projected only if the share's counter
 * is that one and the share's put is among the marks. If the share is ahead, or holds a put of the
 * same counter that the record does not know, this device's record is behind: it waits for the
 * record space. If the share is behind, it waits for the share. So a device that was away, or hears
 * of the share first, never writes over what it has not seen.
 *
 * Concurrent edits give puts of one counter. Whoever sees both writes the record's winner; two who
 * do so write the same register. Such a *settlement* raises the counter by one, an edit raises it
 * to the next multiple of `EDIT_STEP`, so that a settlement of two older edits never wins over an
 * edit that was made meanwhile on top of one of them.
 *
 * Source: DESIGN, "Record and shares" (who projects).
 *
 * @module
 */
import { bytesToBase64url, uint64ToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { hash } from "@fulcrum/crypto/hash"
import type { Put } from "./lane.ts"
import type { Share } from "./share.ts"

/** What an edit adds to a counter, at most; as many settlements fit in between. */
export const EDIT_STEP = 1024

/** One disclosed field, as the relationship's document has it. */
export interface ProjectedDisclosure {
  readonly path: string
  readonly follows: boolean
  /** Of the last projection known to the record; 0: none yet. */
  readonly counter: number
  /** Marks of the puts that the record knows, and their counters. */
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
 * @param input.cause - `edit`: the person has just changed something here; `merge`: something
 * arrived.
 * @returns Nothing to write when nothing disclosed changed.
 */
export function project(input: {
  readonly disclosures: readonly ProjectedDisclosure[]
  readonly valueAt: (path: string) => JsonValue | undefined
  readonly share: Share
  readonly cause: "edit" | "merge"
}): Projection {
  const puts: Put[] = []
  const updates: CounterUpdate[] = []
  const waits: { path: string; for: "record" | "share" }[] = []
  for (const disclosure of sortByPath(input.disclosures)) {
    const { path, counter, marks } = disclosure
    const lacks = whatLacks(disclosure, input.share)
    if (lacks !== undefined) {
      waits.push({ path, for: lacks })
      continue
    }
    const value = input.valueAt(path)
    if (!isDue(disclosure, value, input.share)) continue
    const put: Put = { path, value, counter: nextCounter(counter, input.cause) }
    puts.push(put)
    updates.push({ path, counter: put.counter, mark: markOf(put), drop: [...marks.keys()] })
  }
  return { puts, updates, waits }
}

/** Names a put inside the record; two devices that write the same put give the same mark. */
export function markOf({ path, value, counter }: Put): string {
  const json = value === undefined ? "" : canonicalJson(value)
  const parts = [utf8ToBytes(path), uint64ToBytes(counter), utf8ToBytes(json)]
  return bytesToBase64url(hash(contexts.projectionMark, ...parts).subarray(0, 12))
}

function whatLacks(
  { path, counter, marks }: ProjectedDisclosure,
  share: Share,
): "record" | "share" | undefined {
  const held = share.registers.get(path)
  const heldCounter = held?.counter ?? 0
  if (heldCounter > counter) return "record"
  if (heldCounter < counter) return "share"
  return held === undefined || marks.has(markOf(held)) ? undefined : "record"
}

/** A field that was never there is not projected: *cleared* is said only of what was held. */
function isDue(
  { path, counter, follows }: ProjectedDisclosure,
  value: JsonValue | undefined,
  share: Share,
): boolean {
  if (counter === 0) return value !== undefined
  return follows && !isSame(value, share.registers.get(path)?.value)
}

function isSame(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return canonicalJson(a) === canonicalJson(b)
}

function nextCounter(counter: number, cause: "edit" | "merge"): number {
  return cause === "merge" && counter > 0
    ? counter + 1
    : (Math.floor(counter / EDIT_STEP) + 1) * EDIT_STEP
}

function sortByPath(disclosures: readonly ProjectedDisclosure[]): readonly ProjectedDisclosure[] {
  return [...disclosures].sort((a, b) => (a.path < b.path ? -1 : 1))
}
