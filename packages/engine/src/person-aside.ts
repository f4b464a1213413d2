/**
 * What removed devices wrote that does not count, as programs see it.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { EditResult } from "./person.ts"

/** One entry that was set aside. */
export interface AsideRow {
  /** Begins with no other's {@link ASIDE_ID_CHARS} characters, but by chance. */
  readonly id: string
  /** What the device that wrote it was called. */
  readonly device: string
  /** Fields that it would change: what it wrote there, and what is there now. */
  readonly fields: readonly AsideField[]
  /** How much else is in it, such as a relationship or an attachment: that cannot be taken. */
  readonly others: number
}

export interface AsideField {
  readonly path: string
  /** `undefined`: it would remove the field. */
  readonly value: JsonValue | undefined
  readonly now: JsonValue | undefined
}

/** Enough of an id to be typed. */
export const ASIDE_ID_CHARS = 8

/**
 * Entries of removed devices that the rules of membership leave out: hers to take or to drop. What was
 * decided about one is part of the record, so no other device asks again.
 *
 * Ids may be given by their beginning.
 */
export interface PersonAside {
  /** Those that nothing was decided about, in the order in which they came. */
  list(): Promise<readonly AsideRow[]>
  /**
   * Writes what they hold of fields into the record, as one edit of this device.
   *
   * @throws {EngineError} `ASIDE_UNKNOWN`, `ASIDE_AMBIGUOUS`, `ASIDE_NO_FIELDS`.
   */
  take(ids: readonly string[]): Promise<EditResult>
  /** They are not listed any more. @throws {EngineError} `ASIDE_UNKNOWN`, `ASIDE_AMBIGUOUS`. */
  drop(ids: readonly string[]): Promise<void>
}
