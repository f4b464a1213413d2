/**
 * Projection: what a share must be told, given the record, what is disclosed, and what the share
 * holds.
 *
 * A share's register is the record's own (decision 7), copied with the counter that it has there,
 * so nothing has to be settled: whatever a device puts, the greatest of all that was put is the
 * record's winner, and a device that was away puts nothing back. What is to be decided is only who
 * puts what, so that each is put once:
 *
 * - **Whoever edits** puts it, in the edit's own atomic batch, and *marks* it in the relationship's
 *   document as told.
 * - **Whoever sees that the share has less than the record** waits, if the record's is marked:
 *   somebody's put is on its way. If it is not, this device puts it: a first disclosure, or an edit
 *   that was not told, since by its device's clock the disclosure had ended. Two that do so put the
 *   same.
 * - If the share has more, this device's record is behind, and it waits for the record space.
 *
 * A counter counts how often the field was changed, before it was disclosed too; so each is put
 * with a number added that only the person's devices know, the same for all puts of a register.
 *
 * **A part of a register** (a name's `full`) is a register of its own, with the counter of the
 * whole. It is put only when the part changes. Of two wholes with one counter the record prefers
 * one, and the share may prefer the other's part; whoever knows both puts the record's one higher,
 * above what of the other is still on its way: counters are put in steps of {@link COUNTER_STEP}.
 *
 * Source: DESIGN, "Record and shares" (who projects); decisions 4 and 7.
 *
 * @module
 */
import { bytesToBase64url, uint64ToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { canonicalJson, equalJson, type JsonValue } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { hash, hkdf } from "@fulcrum/crypto/hash"
import { touches } from "./field-path.ts"
import type { Put, PutDay } from "./lane.ts"
import { compareRegisters, type Share, type ShareRegister } from "./share.ts"

/** Puts that fit between two edits of a register. */
export const COUNTER_STEP = 1024

/** Bytes of what is added to a register's counters. */
const OFFSET_BYTES = 5

/** One disclosed field, as the relationship's document has it. */
export interface ProjectedDisclosure {
  readonly path: string
  readonly follows: boolean
  /**
   * By a register's name (`registerName`), the marks of what was last put of it: several, where
   * devices put at the same time.
   */
  readonly told: ReadonlyMap<string, ReadonlySet<string>>
}

/** A register of the record at or below a disclosed path, or the part of one that lies there. */
export interface DisclosedRegister {
  readonly path: string
  /** From 1: of the record's register. */
  readonly counter: number
  /** `undefined`: unset. */
  readonly value: JsonValue | undefined
  /** Of a part: those of concurrent wholes with the same counter that the record does not show. */
  readonly ties: readonly (JsonValue | undefined)[]
  /** It is part of a register only. */
  readonly isPart: boolean
}

/** What the relationship's document must say, in the same atomic batch as the puts. */
export interface ToldUpdate {
  /** The disclosed path. */
  readonly path: string
  readonly register: string
  readonly mark: string
}

export interface Projection {
  /** In order of path, each register once. */
  readonly puts: readonly Put[]
  /** What is said again with them: no part of what was edited. */
  readonly again: readonly Put[]
  /** What would have to be put and cannot be. */
  readonly unfit: readonly Put[]
  /** The disclosed paths that they are at or below. */
  readonly paths: readonly string[]
  readonly updates: readonly ToldUpdate[]
  /** Registers that cannot be judged before more of the record, or of the share, has arrived. */
  readonly waits: readonly { readonly path: string; readonly for: "record" | "share" }[]
}

/**
 * @param input.disclosures - Those that hold.
 * @param input.registersAt - What the record has at and below a disclosed path.
 * @param input.offsetOf - What is added to the counters of a register, see {@link counterOffset}.
 * @param input.edited - Paths that the person has just set or unset on this device; empty when
 * something arrived.
 * @returns Nothing to write when nothing disclosed changed.
 */
export function project(input: {
  readonly disclosures: readonly ProjectedDisclosure[]
  readonly registersAt: (path: string) => readonly DisclosedRegister[]
  readonly offsetOf: (path: string) => number
  readonly share: Share
  readonly edited: readonly string[]
  /** From when what was edited holds; absent: at once. */
  readonly day?: PutDay | undefined
  /** Whether the vendor said that it took what this entry put. */
  readonly isTaken?: (chain: Uint8Array) => boolean
  /** Whether a message can hold it. */
  readonly fits?: (put: Put) => boolean
}): Projection {
  const puts = new Map<string, Put>()
  const again = new Map<string, Put>()
  const unfit = new Map<string, Put>()
  const paths = new Set<string>()
  const updates: ToldUpdate[] = []
  const waits: { path: string; for: "record" | "share" }[] = []
  const isTaken = (held: ShareRegister) => input.isTaken?.(held.by.chain) === true
  for (const disclosure of sortByPath(input.disclosures)) {
    const { path: disclosed } = disclosure
    const found = input.registersAt(disclosed).map((register) => judge(input, disclosure, register))
    for (const { register, step } of found) {
      if (step.do === "wait") waits.push({ path: register.path, for: step.for })
    }
    const due = found.flatMap(({ register, step, held, isEdited }) => {
      if (step.do !== "put") return []
      const { path, value } = register
      const isSaid = held !== undefined && equalJson(held.value, value)
      // What is put above another, and was to hold from a day, still does.
      const day = (isEdited ? input.day : undefined) ?? (isSaid ? held.day : undefined)
      const put: Put = { path, value, counter: step.counter, ...(day && { day }) }
      if (input.fits?.(put) !== false) return [{ put, mark: markOf(register) }]
      unfit.set(path, put)
      return []
    })
    if (due.length === 0) continue
    paths.add(disclosed)
    for (const { put, mark } of due) {
      puts.set(put.path, put)
      updates.push({ path: disclosed, register: registerName(put.path), mark })
    }
    for (const { register, step, held } of found) {
      const { path, value } = register
      if (step.do === "put" || held === undefined || isTaken(held)) continue
      if (!equalJson(held.value, value)) continue
      // Whatever a vendor rejects or gets first, it does not have half of a field.
      again.set(path, { path, value, counter: held.counter, day: held.day })
    }
  }
  return {
    puts: ordered(puts),
    again: ordered(again),
    unfit: ordered(unfit),
    paths: [...paths],
    updates,
    waits,
  }
}

function ordered(puts: ReadonlyMap<string, Put>): readonly Put[] {
  return [...puts.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

function judge(
  input: Parameters<typeof project>[0],
  { follows, told }: ProjectedDisclosure,
  register: DisclosedRegister,
) {
  const { path, counter } = register
  const held = input.share.registers.get(path)
  const least = (input.offsetOf(path) + counter) * COUNTER_STEP
  const marks = () => told.get(registerName(path))
  const isTold = held !== undefined || marks() !== undefined
  // What is told once is not told more of later.
  const isOver = !follows && (isTold || told.size > 0)
  const isEdited = input.edited.some((edited) => touches(edited, path))
  const hasMark = (one: DisclosedRegister) => marks()?.has(markOf(one)) === true
  const isMarked = () => hasMark(register)
  // Of what was not put, however great, a vendor is told nothing, not even by a counter.
  const rivals = register.ties.filter(
    (tie) => !equalJson(tie, register.value) && hasMark({ ...register, value: tie }),
  )
  const at = { register, least, rivals, isTold, isMarked, held, isEdited }
  const step = isOver ? NOTHING : nextStep(at)
  return { register, step, held, isEdited }
}

/** Names a register in the relationship's document, however long its path. */
export function registerName(path: string): string {
  return bytesToBase64url(hash(contexts.projectionRegister, utf8ToBytes(path)).subarray(0, 12))
}

/** Names what a register holds; two devices that put the same give the same mark. */
export function markOf({ path, value, counter }: DisclosedRegister): string {
  const json = value === undefined ? "" : canonicalJson(value)
  const parts = [utf8ToBytes(path), uint64ToBytes(counter), utf8ToBytes(json)]
  return bytesToBase64url(hash(contexts.projectionMark, ...parts).subarray(0, 12))
}

/**
 * What is added to a register's counters in one share: below 2^40, the same on all own devices, and
 * known to nobody else.
 *
 * @param secret - 32 bytes that only own devices have, of this relationship.
 */
export function counterOffset(secret: Uint8Array, path: string): number {
  const bytes = hkdf(
    contexts.projectionOffset,
    secret,
    new Uint8Array(),
    utf8ToBytes(path),
    OFFSET_BYTES,
  )
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0)
}

type Step =
  | { readonly do: "put"; readonly counter: number }
  | { readonly do: "wait"; readonly for: "record" | "share" }
  | { readonly do: "nothing" }

const NOTHING: Step = { do: "nothing" }
const FOR_SHARE: Step = { do: "wait", for: "share" }
const FOR_RECORD: Step = { do: "wait", for: "record" }

function nextStep(at: {
  readonly register: DisclosedRegister
  /** The register's counter, as it is put. */
  readonly least: number
  /** Of a part: other devices put these with the same counter, or are about to. */
  readonly rivals: readonly (JsonValue | undefined)[]
  /** Something was ever told of it. */
  readonly isTold: boolean
  /** Somebody says that they have put just this. */
  readonly isMarked: () => boolean
  readonly held: ShareRegister | undefined
  readonly isEdited: boolean
}): Step {
  const { register, least, rivals, isTold, isMarked, held, isEdited } = at
  const { value, isPart } = register
  const isBelowRival = (than: Pick<ShareRegister, "counter" | "value">) =>
    rivals.some((rival) => compareRegisters({ counter: least, value: rival }, than) > 0)
  // Above what else is put of the same counter, and is not the record's.
  const counter = isBelowRival({ counter: least, value }) ? least + 1 : least
  const put: Step = { do: "put", counter }
  // A field that was never there is not projected: *cleared* is said only of what was told.
  if (!isTold) return value === undefined ? NOTHING : put
  if (held === undefined) return isMarked() ? FOR_SHARE : put
  const isSaid = equalJson(value, held.value)
  const heldLeast = Math.floor(held.counter / COUNTER_STEP) * COUNTER_STEP
  // An edit is put all the same, and does not win: whoever has both must see the same.
  const behind = isEdited && !isMarked() ? put : FOR_RECORD
  if (heldLeast > least) return behind
  if (heldLeast < least) {
    if (isPart && isSaid) return isBelowRival(held) ? put : NOTHING
    return isMarked() ? FOR_SHARE : put
  }
  if (isSaid) return isBelowRival(held) ? { do: "put", counter: held.counter + 1 } : NOTHING
  const isBeaten = isPart && register.ties.some((tie) => equalJson(tie, held.value))
  if (isBeaten) return { do: "put", counter: held.counter + 1 }
  if (compareRegisters({ counter: least, value }, held) < 0) return behind
  return isMarked() ? FOR_SHARE : put
}

function sortByPath(disclosures: readonly ProjectedDisclosure[]): readonly ProjectedDisclosure[] {
  return [...disclosures].sort((a, b) => (a.path < b.path ? -1 : 1))
}
