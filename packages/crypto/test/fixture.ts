/**
 * Reads this package's fixtures, and the vectors that are not part of the repository.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** A fixture of ours. The type is the caller's claim: fixtures are part of the source. */
export function readFixture<T>(name: string): T {
  return JSON.parse(readFileSync(join(import.meta.dirname, "fixtures", name), "utf8"))
}

/** The file of the shared vectors, if they lie beside the repository. */
export function findShared(path: string): string | undefined {
  const beside = join(import.meta.dirname, "../../../../shared")
  const file = join(process.env.FULCRUM_SHARED ?? beside, path)
  return existsSync(file) ? file : undefined
}
