/**
 * The record as `fulcrum up` holds it: open, or locked.
 *
 * @module
 */
import type { Person } from "@fulcrum/engine/person"
import type { Outcome } from "./command.ts"
import { ProgramError } from "./program-error.ts"

export interface OpenedRecord {
  readonly person: Person
  /** Says so, to whoever opened it. */
  readonly ready: Outcome
}

export class HeldRecord {
  readonly #open: (key: Uint8Array | undefined) => Promise<OpenedRecord>
  #opening: Promise<OpenedRecord> | undefined
  #opened: OpenedRecord | undefined
  readonly #lockAsked = Promise.withResolvers<void>()
  /** A key was brought, and may still be in memory somewhere. */
  #hadKey = false

  /** @param open - Opens the record with its folder's key; without one it finds that itself. */
  constructor(open: (key: Uint8Array | undefined) => Promise<OpenedRecord>) {
    this.#open = open
  }

  /** @throws {ProgramError} `RECORD_LOCKED` */
  get person(): Person {
    if (this.#opened === undefined) throw recordLocked()
    return this.#opened.person
  }

  get isLocked(): boolean {
    return this.#opened === undefined
  }

  /** Resolves once somebody wants it locked. */
  get lockAsked(): Promise<void> {
    return this.#lockAsked.promise
  }

  /** Of several who ask at once the first opens it for all. @throws Why it stays locked. */
  async unlock(key?: Uint8Array): Promise<OpenedRecord> {
    if (this.#opened !== undefined) return this.#opened
    this.#hadKey ||= key !== undefined
    this.#opening ??= this.#open(key)
    try {
      this.#opened = await this.#opening
      return this.#opened
    } finally {
      this.#opening = undefined
    }
  }

  /** Whoever waits for {@link lockAsked} is told if it did not open, and its key was here. */
  forget(): void {
    if (this.isLocked && this.#opening === undefined && this.#hadKey) this.#lockAsked.resolve()
  }

  /** @returns Whether it is locked already; else whoever waits for {@link lockAsked} is told. */
  async lock(): Promise<boolean> {
    await this.#opening?.catch(() => undefined)
    if (this.#opened !== undefined) this.#lockAsked.resolve()
    return this.isLocked
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined)
    const opened = this.#opened
    this.#opened = undefined
    await opened?.person.close()
  }
}

export function recordLocked(): ProgramError {
  return new ProgramError("RECORD_LOCKED", "the record is locked", "run `fulcrum unlock`")
}

/** What a command is told that ran when it was locked. */
export function lockedMeanwhile(): ProgramError {
  return new ProgramError(
    "RECORD_LOCKED",
    "the record was locked before the command was done, which may be so all the same",
    "run `fulcrum unlock`, then look before you run it again",
  )
}
