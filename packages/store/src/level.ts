/**
 * The store on LevelDB, in one folder, for one process at a time.
 *
 * Each group of writes is one LevelDB batch with `sync: true`. After a write that failed LevelDB
 * 1.20 goes on appending to a log whose block offsets no longer fit, and what it then acknowledges
 * is lost at the next opening. So a failed write makes this adapter refuse further ones until it
 * has opened the database again, which it does by itself before the next write, once a probe shows
 * that there is room. Reading goes on meanwhile, from the database as it was.
 *
 * Before it is opened, the folder is checked for damage that LevelDB passes over, or ends the
 * process for: the end of logs and manifest against the note of the last close, and every table
 * against its checksums, which takes about a second for a gigabyte. What is damaged later shows in
 * the vault.
 *
 * @module
 */
import { Level } from "level"
import {
  checkKey,
  KEY_BYTES_MAX,
  type ListRange,
  type Store,
  StoreError,
  type WriteOp,
  writeBytes,
} from "./contract.ts"
import { GroupCommit } from "./group-commit.ts"
import { makeFolder } from "./level-data-folder.ts"
import { isCorruption, toStoreError } from "./level-error.ts"
import {
  checkFolder,
  isFull,
  layReserve,
  probeRoom,
  releaseReserve,
  removeNote,
  salvageTables,
  settleFolder,
  writeNote,
} from "./level-folder.ts"
import { lockFolder, lockPlace } from "./level-folder-lock.ts"
import { LogNames } from "./level-log-names.ts"
import { finishRebuilding } from "./level-rebuilt.ts"

/** What LevelDB may need to open and to take a write, besides the write: its log as a table. */
const REOPEN_BYTES = 4 * 1024 * 1024

/** Records that are read in this thread, as `get` does: more take longer than handing them over. */
const READ_HERE_MAX = 8

const PAGE_RECORDS = 1000
const PAGE_BYTES = 256 * 1024

export interface LevelStoreOptions {
  readonly folder: string
  /**
   * What to do about damage that shows before anything is read: refuse (the default), or open
   * what can be had, written anew, which may be older, wrong or have holes. Then open the vault with `repair` and
   * fetch again from a peer. `rewrite`: as if damage had shown, for what only shows when it is read.
   */
  readonly damaged?: "refuse" | "open" | "rewrite"
}

type Database = Level<Uint8Array, Uint8Array>

/** @throws {StoreError} `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FULL`, `STORE_DENIED`, `STORE_IO` */
export async function openLevelStore(options: LevelStoreOptions): Promise<Store> {
  const { folder, damaged = "refuse" } = options
  let lock: AsyncDisposable | undefined
  try {
    lock = await lockStore(folder)
    const database =
      damaged === "rewrite"
        ? await openRepaired(folder)
        : await openChecked(folder).catch(async (error: unknown) => {
            if (damaged === "refuse" || !isCorruption(error)) throw error
            return await openRepaired(folder)
          })
    await layReserve(folder)
    return new LevelStore(folder, database, lock)
  } catch (error) {
    await lock?.[Symbol.asyncDispose]()
    throw toStoreError(error)
  }
}

async function lockStore(folder: string): Promise<AsyncDisposable> {
  await using _ = await lockPlace(folder)
  await finishRebuilding(folder)
  await makeFolder(folder)
  return await lockFolder(folder)
}

class LevelStore implements Store {
  readonly #folder: string
  readonly #lock: AsyncDisposable
  readonly #commits: GroupCommit<readonly WriteOp[]>
  #logs: LogNames
  /** `undefined` when it could not be opened again; the next call tries. */
  #database: Database | undefined
  #opening: Promise<Database> | undefined
  /** A write failed on this database: no other may follow it. */
  #wounded = false
  #closing: Promise<void> | undefined

  constructor(folder: string, database: Database, lock: AsyncDisposable) {
    this.#folder = folder
    this.#lock = lock
    this.#database = database
    this.#commits = new GroupCommit((writes) => this.#commit(writes))
    this.#logs = new LogNames(folder)
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    checkKey(key)
    // In this thread: handing one record to another takes ten times as long as reading it.
    const value = await this.#read(async (database) => database.getSync(key))
    return value === undefined ? undefined : plain(value)
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    for (const key of keys) checkKey(key)
    const isFew = keys.length <= READ_HERE_MAX
    const values = await this.#read(async (database) =>
      isFew ? keys.map((key) => database.getSync(key)) : database.getMany([...keys]),
    )
    return values.map((value: Uint8Array | undefined) =>
      value === undefined ? undefined : plain(value),
    )
  }

  async *list(
    range: ListRange,
  ): AsyncGenerator<readonly [key: Uint8Array, value: Uint8Array], void, void> {
    let { gte, lt } = range
    let left = range.limit ?? Number.POSITIVE_INFINITY
    const reverse = range.reverse === true
    while (left > 0) {
      const database = await this.#readable()
      const iterator = database.iterator({
        gte,
        lt,
        reverse,
        limit: Number.isFinite(left) ? left : -1,
        highWaterMarkBytes: PAGE_BYTES,
      })
      try {
        for (;;) {
          const page = await iterator.nextv(PAGE_RECORDS)
          const last = page.at(-1)?.[0]
          if (last === undefined) return
          // Where another iterator goes on if the database is opened again meanwhile.
          if (reverse) lt = plain(last)
          else gte = successor(last)
          left -= page.length
          for (const [key, value] of page) yield [plain(key), plain(value)]
        }
      } catch (error) {
        if (database === this.#database || this.#closing !== undefined) throw toStoreError(error)
      } finally {
        await iterator.close()
      }
    }
  }

  async write(ops: readonly WriteOp[]): Promise<void> {
    const bytes = writeBytes(ops)
    if (this.#closing !== undefined) throw closed()
    await this.#commits.submit(ops, bytes)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => this.#lock[Symbol.asyncDispose]())
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #commit(writes: readonly (readonly WriteOp[])[]): Promise<void> {
    const ops = writes.length === 1 ? (writes[0] ?? []) : writes.flat()
    if (ops.length === 0) return
    const database = await this.#writable(ops)
    try {
      await database.batch([...ops], { sync: true })
      await this.#logs.written(ops)
    } catch (error) {
      this.#wounded = true
      throw toStoreError(error)
    }
  }

  async #read<T>(read: (database: Database) => Promise<T>): Promise<T> {
    for (;;) {
      const database = await this.#readable()
      try {
        return await read(database)
      } catch (error) {
        if (database === this.#database || this.#closing !== undefined) throw toStoreError(error)
      }
    }
  }

  async #readable(): Promise<Database> {
    if (this.#closing !== undefined) throw closed()
    if (this.#opening !== undefined) return await this.#opening
    return this.#database ?? (await this.#reopen())
  }

  /** A database that may be written to: opened again if the last write failed. */
  async #writable(ops: readonly WriteOp[]): Promise<Database> {
    if (this.#opening !== undefined) await this.#opening
    if (this.#database !== undefined && !this.#wounded) return this.#database
    try {
      await probeRoom(this.#folder, writeBytes(ops) + REOPEN_BYTES)
    } catch (error) {
      throw toStoreError(error)
    }
    return await this.#reopen()
  }

  #reopen(): Promise<Database> {
    this.#opening ??= this.#openAgain().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #openAgain(): Promise<Database> {
    const old = this.#database
    this.#database = undefined
    try {
      await old?.close()
      this.#database = await openDatabase(this.#folder)
      this.#logs = new LogNames(this.#folder)
      this.#wounded = false
      await layReserve(this.#folder)
      return this.#database
    } catch (error) {
      throw toStoreError(error)
    }
  }

  async #close(): Promise<void> {
    await this.#commits.drained()
    await this.#opening?.catch(() => undefined)
    if (this.#database === undefined) return
    try {
      await this.#database.close()
      if (!this.#wounded) await writeNote(this.#folder)
    } catch (error) {
      // Without the note the next opening searches the logs instead: nothing else is lost.
      if (!isFull(error)) throw toStoreError(error)
    }
  }
}

async function openChecked(folder: string): Promise<Database> {
  await checkFolder(folder)
  await removeNote(folder)
  return await openDatabase(folder)
}

/** Opens what can be had of a damaged folder, with every file written anew. */
async function openRepaired(folder: string): Promise<Database> {
  await salvageTables(folder)
  await repairDatabase(folder)
  await removeNote(folder)
  const database = await openDatabase(folder)
  await asNative(database).compactRange(Uint8Array.of(0), new Uint8Array(KEY_BYTES_MAX).fill(0xff))
  return database
}

/** Gives up the reserve if there is no room to open without. */
async function openDatabase(folder: string): Promise<Database> {
  try {
    return await openOnce(folder)
  } catch (error) {
    if (!isFull(error)) throw error
    await releaseReserve(folder)
    return await openOnce(folder)
  }
}

async function openOnce(folder: string): Promise<Database> {
  const database: Database = new Level<Uint8Array, Uint8Array>(folder, {
    keyEncoding: "view",
    valueEncoding: "view",
    // What is stored is ciphertext; and `level-table-damage.ts` reads it.
    compression: false,
  })
  await database.open()
  try {
    await settleFolder(folder)
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}

/** What `classic-level`, which `level` is in Node, has besides what `level`'s types say. */
interface NativeDatabase {
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>
}

function asNative(database: object): NativeDatabase {
  if (!isNative(database)) throw new TypeError("this is not the level of Node")
  return database
}

function isNative(database: object): database is NativeDatabase {
  return "compactRange" in database
}

async function repairDatabase(folder: string): Promise<void> {
  const repair: unknown = Reflect.get(Level, "repair")
  if (typeof repair !== "function") throw new TypeError("this is not the level of Node")
  await repair.call(Level, folder)
}

function closed(): StoreError {
  return new StoreError("STORE_CLOSED", "the store is closed")
}

/** LevelDB answers with Buffers, whose `slice` shares memory: nobody above expects that. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The least key after `key`. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}
