/**
 * The store in a browser, on IndexedDB, for one page or worker of an origin at a time.
 *
 * Each group of writes is one transaction, which lands whole or not at all. Browsers by default say
 * that it has once it was handed to the system, so durability `strict` is asked for: it is flushed
 * first. `browser-level` has no way to say that; the connection that it opened is told to.
 *
 * Whether a browser keeps what is here when its disk runs out is for the page to ask
 * (`navigator.storage.persist()`).
 *
 * Source: Indexed Database API 3.0, "IDBTransactionOptions"; Web Locks API.
 *
 * @module
 */
import { BrowserLevel } from "browser-level"
import {
  checkKey,
  type ListRange,
  type Store,
  StoreError,
  type WriteOp,
  writeBytes,
} from "./contract.ts"
import { GroupCommit } from "./group-commit.ts"

type Database = BrowserLevel<Uint8Array, Uint8Array>

const PAGE_RECORDS = 100

/**
 * @param options.name - Of the database, within the page's origin.
 * @throws {StoreError} `STORE_LOCKED`, `STORE_FULL`, `STORE_IO`
 */
export async function openBrowserStore({ name }: { readonly name: string }): Promise<Store> {
  const unlock = await lock(`fulcrum store ${name}`)
  try {
    const database: Database = new BrowserLevel(name, {
      prefix: "fulcrum-",
      keyEncoding: "view",
      valueEncoding: "view",
    })
    await database.open()
    flushAlways(database)
    return new BrowserStore(database, unlock)
  } catch (error) {
    unlock()
    throw toStoreError(error)
  }
}

class BrowserStore implements Store {
  readonly #database: Database
  readonly #unlock: () => void
  readonly #commits: GroupCommit<readonly WriteOp[]>
  #closing: Promise<void> | undefined

  constructor(database: Database, unlock: () => void) {
    this.#database = database
    this.#unlock = unlock
    this.#commits = new GroupCommit((writes) => this.#commit(writes))
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    checkKey(key)
    return this.#read(() => this.#database.get(key))
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    for (const key of keys) checkKey(key)
    return this.#read(() => this.#database.getMany([...keys]))
  }

  async *list({
    gte,
    lt,
    reverse = false,
    limit = -1,
  }: ListRange): AsyncGenerator<readonly [key: Uint8Array, value: Uint8Array], void, void> {
    if (limit === 0) return
    this.#requireOpen()
    const iterator = this.#database.iterator({
      ...{ gte, lt, reverse },
      limit: Number.isFinite(limit) ? limit : -1,
    })
    try {
      for (;;) {
        const page = await this.#read(() => iterator.nextv(PAGE_RECORDS))
        if (page.length === 0) return
        yield* page
      }
    } finally {
      await iterator.close()
    }
  }

  async write(ops: readonly WriteOp[]): Promise<void> {
    const bytes = writeBytes(ops)
    this.#requireOpen()
    await this.#commits.submit(ops, bytes)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    try {
      await this.#commits.drained()
      await this.#database.close()
    } catch (error) {
      throw toStoreError(error)
    } finally {
      this.#unlock()
    }
  }

  async #commit(writes: readonly (readonly WriteOp[])[]): Promise<void> {
    const ops = writes.flat()
    if (ops.length === 0) return
    try {
      await this.#database.batch(ops)
    } catch (error) {
      throw toStoreError(error)
    }
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    this.#requireOpen()
    try {
      return await read()
    } catch (error) {
      throw toStoreError(error)
    }
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new StoreError("STORE_CLOSED", "the store is closed")
  }
}

/** @returns What gives it up. @throws {StoreError} `STORE_LOCKED` */
function lock(name: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(name, { ifAvailable: true }, (held) => {
        if (held === null) {
          reject(new StoreError("STORE_LOCKED", "another page or worker has this store open"))
          return
        }
        return new Promise<void>((unlock) => resolve(unlock))
      })
      .catch(reject)
  })
}

/** From here on nothing that this connection writes is acknowledged before it is on the disk. */
function flushAlways(database: Database): void {
  const connection: unknown = Reflect.get(database, "db")
  if (!(connection instanceof IDBDatabase)) {
    throw new TypeError("this browser-level keeps its connection elsewhere")
  }
  const begin = connection.transaction.bind(connection)
  connection.transaction = (stores, mode, options) =>
    begin(stores, mode, { ...options, durability: "strict" })
}

function toStoreError(error: unknown): unknown {
  if (error instanceof StoreError || error instanceof TypeError || error instanceof RangeError) {
    return error
  }
  const cause = { cause: error }
  for (let at = error; at instanceof Error || at instanceof DOMException; at = at.cause) {
    if (at.name === "QuotaExceededError") {
      return new StoreError("STORE_FULL", "the browser gives this page no more room", cause)
    }
  }
  return new StoreError("STORE_IO", "the browser's database failed", cause)
}
