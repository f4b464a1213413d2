/**
 * Makes the name of a new log durable before anything in it is acknowledged.
 *
 * When what LevelDB holds in memory has grown to 4 MiB it begins a new log. It flushes what is in
 * it, with each batch, but not the folder that names it; and a flushed file whose name is lost is
 * lost. Most file systems bring the name along with the first flush; no standard says so (`fsync`,
 * Linux manual). LevelDB does not tell when it begins a log, so the folder is looked at.
 *
 * @module
 */
import { readdir } from "node:fs/promises"
import type { WriteOp } from "./contract.ts"
import { syncFolder } from "./level-data-folder.ts"

/**
 * Below this, no log can be full: of its 4 MiB in memory at most a third is lost between records.
 * So most writes need no look at the folder, which takes some 50 microseconds.
 */
const LOOK_BYTES = 2.5 * 1024 * 1024

/** What a record takes in memory besides key and value, at most. */
const RECORD_BYTES = 140

/** Of one opening of a database, whose folder was flushed since. */
export class LogNames {
  readonly #folder: string
  /** Of the records in memory, since the newest log began. */
  #bytes = 0
  #newest: number | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  /** To be called after each batch, before it is acknowledged. */
  async written(ops: readonly WriteOp[]): Promise<void> {
    let bytes = 0
    for (const op of ops) {
      bytes += RECORD_BYTES + op.key.length + (op.type === "put" ? op.value.length : 0)
    }
    this.#bytes += bytes
    // The first batch always goes to the log that was begun at opening.
    this.#newest ??= await this.#find()
    if (this.#bytes < LOOK_BYTES) return
    const newest = await this.#find()
    if (newest === this.#newest) return
    await syncFolder(this.#folder)
    this.#newest = newest
    this.#bytes = bytes
  }

  async #find(): Promise<number> {
    const numbers = (await readdir(this.#folder)).map((file) => /^(\d+)\.log$/.exec(file)?.[1])
    return Math.max(...numbers.map((number) => Number(number ?? 0)))
  }
}
