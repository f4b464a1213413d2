/**
 * What LevelDB and the file system say, as the contract's errors.
 *
 * @module
 */
import { StoreError } from "./contract.ts"
import { isFull } from "./level-folder.ts"

export function isCorruption(error: unknown): boolean {
  const mapped = toStoreError(error)
  return mapped instanceof StoreError && mapped.code === "STORE_CORRUPT"
}

/** Mistakes of our own, and what is a store error already, as they are. */
export function toStoreError(error: unknown): unknown {
  if (error instanceof StoreError || error instanceof TypeError || error instanceof RangeError) {
    return error
  }
  const cause = { cause: error }
  if (isFull(error)) {
    return new StoreError("STORE_FULL", "the disk is full", cause)
  }
  switch (levelCode(error)) {
    case "LEVEL_LOCKED":
      return new StoreError("STORE_LOCKED", "this folder is in use by another program", cause)
    case "LEVEL_CORRUPTION":
      return new StoreError("STORE_CORRUPT", "the store's files are damaged", cause)
    case "LEVEL_DATABASE_NOT_OPEN":
    case "LEVEL_ITERATOR_NOT_OPEN":
      return new StoreError("STORE_CLOSED", "the store is closed", cause)
    default: {
      const denied = denialOf(error)
      if (denied !== undefined) return new StoreError("STORE_DENIED", denied, cause)
      return new StoreError("STORE_IO", "the disk failed", cause)
    }
  }
}

/** The code of the error itself, or the one that `abstract-level` wrapped. */
function levelCode(error: unknown): string | undefined {
  let found: string | undefined
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string") found = at.code
  }
  return found
}

/** What the system does not let this user do, or anybody; LevelDB says it in words alone. */
function denialOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = "code" in at ? at.code : undefined
    if (code === "EROFS" || /read-only file system/i.test(at.message)) {
      return "the disk can only be read"
    }
    const isForbidden = code === "EACCES" || code === "EPERM"
    if (isForbidden || /permission denied|operation not permitted/i.test(at.message)) {
      return "the data folder may not be written to by you"
    }
  }
  return undefined
}
