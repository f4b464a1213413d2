/**
 * Names beside a store's folder while it is made anew. The new store is made there, whole, and takes
 * the damaged one's place with two renames. Whoever opens the store and finds the first of these done
 * does the second: nobody makes a store of that name otherwise while there is none.
 *
 * | name                 | what                                                  |
 * | -------------------- | ----------------------------------------------------- |
 * | `NAME`               | the store                                             |
 * | `NAME.salvage.new`   | copy of the damaged one, opened as far as it goes     |
 * | `NAME.rebuilt.new`   | the new one, until it is whole                        |
 * | `NAME.damaged-1`, …  | what was there before, as it was found                |
 *
 * @module
 */
import { rename } from "node:fs/promises"
import { dirname } from "node:path"
import { StoreError } from "./contract.ts"
import { isFolder, syncFolder } from "./level-data-folder.ts"

/** Damaged stores that are kept beside each other. */
const KEPT_MAX = 100

/** Puts a store that was made anew in its place, if that was cut off. */
export async function finishRebuilding(folder: string): Promise<void> {
  const { rebuilt } = draftsOf(folder)
  if ((await isFolder(folder)) || !(await isFolder(rebuilt))) return
  await rename(rebuilt, folder)
  await syncFolder(dirname(folder))
}

export function draftsOf(folder: string): { readonly salvage: string; readonly rebuilt: string } {
  return { salvage: `${folder}.salvage.new`, rebuilt: `${folder}.rebuilt.new` }
}

/** Where the damaged store is kept. */
export async function freeName(folder: string): Promise<string> {
  for (let number = 1; number < KEPT_MAX; number++) {
    const name = `${folder}.damaged-${number}`
    if (!(await isFolder(name))) return name
  }
  throw new StoreError("STORE_IO", `${KEPT_MAX} damaged stores are kept here already`)
}
