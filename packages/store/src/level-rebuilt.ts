/**
 * Names beside a store's folder while it is made anew. The new store is made there, whole, and takes
 * the damaged one's place with two renames, under a lock on its name. Whoever opens the store and
 * finds the first of these done does the second.
 *
 * | name                 | what                                                  |
 * | -------------------- | ----------------------------------------------------- |
 * | `NAME`               | the store                                             |
 * | `NAME.salvage.new`   | copy of the damaged one, opened as far as it goes     |
 * | `NAME.rebuilt.new`   | the new one, until it is whole                        |
 * | `NAME.guard.new`     | a lock, while that goes on                            |
 * | `NAME.damaged-1`, …  | what was there before, as it was found                |
 *
 * @module
 */
import { rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { Level } from "level"
import { StoreError } from "./contract.ts"
import { draftsOf, isFolder, syncFolder } from "./level-data-folder.ts"
import { toStoreError } from "./level-error.ts"

/** Damaged stores that are kept beside each other. */
const KEPT_MAX = 100

/**
 * Puts a store that was made anew in its place, if that was cut off, and takes away what else was left.
 *
 * @throws {StoreError} `STORE_LOCKED`: it is being made anew.
 */
export async function finishRebuilding(folder: string): Promise<void> {
  const { salvage, rebuilt } = draftsOf(folder)
  const hasDrafts = (await isFolder(salvage)) || (await isFolder(rebuilt))
  if (!hasDrafts) return
  await using _ = await lockRebuilding(folder)
  if (!(await isFolder(folder)) && (await isFolder(rebuilt))) {
    await rename(rebuilt, folder)
    await syncFolder(dirname(folder))
  }
  for (const draft of [salvage, rebuilt]) await rm(draft, { recursive: true, force: true })
}

/**
 * For whoever makes a store anew: by LevelDB's own lock, which holds on every platform and between
 * containers that share a folder.
 *
 * @throws {StoreError} `STORE_LOCKED`, `STORE_FULL`, `STORE_IO`
 */
export async function lockRebuilding(folder: string): Promise<AsyncDisposable> {
  const guard = new Level(`${folder}.guard.new`)
  try {
    await guard.open()
  } catch (error) {
    throw toStoreError(error)
  }
  return {
    async [Symbol.asyncDispose]() {
      await guard.close()
      await rm(guard.location, { recursive: true, force: true })
    },
  }
}

/** Where the damaged store is kept. */
export async function freeName(folder: string): Promise<string> {
  for (let number = 1; number < KEPT_MAX; number++) {
    const name = `${folder}.damaged-${number}`
    if (!(await isFolder(name))) return name
  }
  throw new StoreError("STORE_IO", `${KEPT_MAX} damaged stores are kept here already`)
}
