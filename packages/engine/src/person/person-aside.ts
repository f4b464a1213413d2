/**
 * What removed devices wrote that does not count, as programs see it.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { EditResult } from "./person.ts"

/** One entry that was set aside. */
export interface AsideRow {
  readonly id: string
  /** What the device that wrote it was called. */
  readonly device: string
  /** Fields that taking it would change: what it wrote there, and what is there now. */
  readonly fields: readonly AsideField[]
  /** What else is in it, which cannot be taken. */
  readonly others: readonly AsideOther[]
}

export interface AsideField {
  readonly path: string
  /** `undefined`: it would remove the field. */
  readonly value: JsonValue | undefined
  readonly now: JsonValue | undefined
}

/**
 * `field`: one that no command could set, or that holds others now. `company`: one that it met, or what
 * it told one. `file`: what it attached, with the fields that refer to it.
 */
export type AsideOther = "field" | "company" | "file" | "move" | "relay"

/** Enough of an id to be typed, and the least that is taken for one. */
export const ASIDE_ID_CHARS = 8
export const ASIDE_ID_CHARS_MIN = 4

/**
 * Entries of removed devices that the rules of membership leave out: hers to take or to drop. What was
 * decided about one is part of the record, so no other device asks again.
 *
 * Ids may be given by their beginning.
 */
export interface PersonAside {
  /** Those that nothing was decided about and that say something, in the order in which they came. */
  list(): Promise<readonly AsideRow[]>
  /**
   * Writes what they hold of fields into the record, each as an edit of this device. One that cannot be
   * written keeps none of the others from it.
   *
   * @throws {EngineError} `ASIDE_UNKNOWN`, `ASIDE_AMBIGUOUS`, `ASIDE_NO_FIELDS`.
   * @throws {RecordError} Why one was not written, once the others are.
   */
  take(ids: readonly string[]): Promise<EditResult>
  /**
   * They are not listed any more.
   *
   * @returns Their ids, whole. @throws {EngineError} `ASIDE_UNKNOWN`, `ASIDE_AMBIGUOUS`.
   */
  drop(ids: readonly string[]): Promise<readonly string[]>
}
