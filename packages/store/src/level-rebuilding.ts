/**
 * Making a store anew from what can be had of a damaged one. The damaged files are worked on in a copy
 * only, and kept.
 *
 * @module
 */
import { cp, rename, rm } from "node:fs/promises"
import type { Store } from "./contract.ts"
import { openLevelStore } from "./level.ts"
import { isFolder } from "./level-data-folder.ts"
import { lockFolder } from "./level-folder-lock.ts"
import { draftsOf, finishRebuilding, freeName } from "./level-rebuilt.ts"

export interface Rebuilt<T> {
  readonly result: T
  /** Where the damaged store is kept. */
  readonly kept: string
}

/**
 * @param rebuild - Makes the new store from what can be had of the damaged one, and closes both. If it
 * throws, everything is as it was.
 * @throws {StoreError} `STORE_LOCKED`, `STORE_CORRUPT`: nothing can be had; `STORE_FULL`, `STORE_IO`.
 */
export async function rebuildStore<T>(
  folder: string,
  rebuild: (damaged: Store, into: Store) => Promise<T>,
): Promise<Rebuilt<T>> {
  await finishRebuilding(folder)
  await using _ = await lockFolder(folder)
  const { salvage, rebuilt } = draftsOf(folder)
  const kept = await freeName(folder)
  await removeAll(salvage, rebuilt)
  try {
    await cp(folder, salvage, { recursive: true, preserveTimestamps: true })
    const result = await inDrafts({ salvage, rebuilt }, rebuild)
    await rename(folder, kept)
    await finishRebuilding(folder)
    return { result, kept }
  } finally {
    await removeAll(salvage).catch(() => undefined)
    // Where the store is away this is it.
    if (await isFolder(folder)) await removeAll(rebuilt).catch(() => undefined)
  }
}

async function inDrafts<T>(
  { salvage, rebuilt }: ReturnType<typeof draftsOf>,
  rebuild: (damaged: Store, into: Store) => Promise<T>,
): Promise<T> {
  await using opened = new AsyncDisposableStack()
  const damaged = opened.use(await openLevelStore({ folder: salvage, damaged: "open" }))
  const into = opened.use(await openLevelStore({ folder: rebuilt }))
  return await rebuild(damaged, into)
}

async function removeAll(...folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
}
