/**
 * What the comparing bench asks of an engine: to make a record in one process, and to have it in
 * another.
 *
 * Each contestant does it as its own documents say to, at the settings that suit the work best.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { RecordShape, SeededEdit, SeededValues } from "../seeded-record.ts"

/** What a contestant leaves out that the others may do. */
export type LeftOut =
  | "encryption"
  | "signatures"
  | "disk"
  | "history"
  /** It carries them and does not know them. */
  | "documents"
  | "network"
  | "live edits"

export interface Contestant {
  readonly name: string
  /** The npm packages that it is made of, the one that names its version first. */
  readonly packages: readonly string[]
  readonly leavesOut: readonly LeftOut[]
  /**
   * In the first process: writes the seeded record, then waits on 127.0.0.1 for whoever connects.
   * Not timed.
   */
  readonly serve: (options: ServeOptions) => Promise<Server>
  /** In the second: all that can be done before the two meet. Not timed. */
  readonly prepare: (options: PrepareOptions) => Promise<Newcomer>
}

export interface ServeOptions {
  readonly shape: RecordShape
  /** Its own, and empty. */
  readonly folder: string
}

export interface Server extends AsyncDisposable {
  /** Where it listens on 127.0.0.1: one port for all, so that a slow line can be put before it. */
  readonly port: number
  /** What else who connects must know, as JSON. */
  readonly invitation: JsonValue
  /** Makes one more edit; resolves once it is made here. Who is connected is told. */
  edit(edit: SeededEdit): Promise<void>
}

export interface PrepareOptions {
  readonly shape: RecordShape
  readonly folder: string
  readonly port: number
  readonly invitation: JsonValue
}

/** One new device, which has nothing yet. */
export interface Newcomer extends AsyncDisposable {
  /**
   * Connects. Resolves once the whole record is here: durable, where the contestant has a disk, and
   * any of its documents can be read.
   *
   * @param readable - Called once all can be read, if that is earlier.
   */
  clone(expected: SeededValues, readable: () => void): Promise<void>
  /** All that it has, as the application reads it. */
  read(expected: SeededValues): Promise<SeededValues>
  /**
   * Calls `seen` with each value that the other process sets from now on in the field of the record's
   * first edit, once it can be read.
   */
  watch(seen: (value: string) => void): Promise<void>
}
