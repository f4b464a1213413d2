/**
 * In a page: the storage contract's suite, on the browser's database and in memory, and what only a
 * browser can show.
 *
 * @module
 */

import type { Store } from "@fulcrum/store"
import { openBrowserStore } from "@fulcrum/store/browser"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { type StoreCase, type StorePlace, storeContract } from "@fulcrum/store/suite"

/** By the name of a case: `ok`, or how it failed. */
export type Results = Readonly<Record<string, string>>

let places = 0

async function browserPlace(): Promise<StorePlace> {
  const name = `place ${places++}`
  return {
    open: () => openBrowserStore({ name }),
    async dispose() {
      indexedDB.deleteDatabase(`fulcrum-${name}`)
    },
  }
}

async function memoryPlace(): Promise<StorePlace> {
  const disk = new MemoryDisk()
  return { open: () => openMemoryStore({ disk }), dispose: async () => undefined }
}

export async function runContract(where: "browser" | "memory"): Promise<Results> {
  return resultsOf(storeContract(where === "browser" ? browserPlace : memoryPlace))
}

async function resultsOf(cases: readonly StoreCase[]): Promise<Results> {
  const results: Record<string, string> = {}
  for (const { name, run } of cases) {
    results[name] = await run().then(
      () => "ok",
      (error: unknown) => String(error),
    )
  }
  return results
}

/** What transactions are asked for, as the browser sees it. */
export async function durabilities(): Promise<readonly string[]> {
  const seen: string[] = []
  const objectStore = IDBTransaction.prototype.objectStore
  IDBTransaction.prototype.objectStore = function (name) {
    seen.push(`${this.mode} ${this.durability}`)
    return objectStore.call(this, name)
  }
  try {
    await using store = await openBrowserStore({ name: "durability" })
    await store.write([{ type: "put", key: Uint8Array.of(1), value: Uint8Array.of(2) }])
  } finally {
    IDBTransaction.prototype.objectStore = objectStore
  }
  return seen
}

/** @returns How many records were there before, one of them more now. */
export async function countAndAdd(name: string): Promise<number> {
  await using store = await openBrowserStore({ name })
  const count = await countIn(store)
  await store.write([{ type: "put", key: Uint8Array.of(1, count), value: new Uint8Array(100) }])
  return count
}

/** Opens a store, and keeps it open as long as the page is there. */
export async function hold(name: string): Promise<void> {
  await openBrowserStore({ name })
}

async function countIn(store: Store): Promise<number> {
  let count = 0
  for await (const _ of store.list({ gte: Uint8Array.of(1), lt: Uint8Array.of(2) })) count++
  return count
}
