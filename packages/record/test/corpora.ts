/**
 * Data that other people wrote, beside the repository; tests that want it say so when it is not
 * there.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const shared =
  process.env.FULCRUM_SHARED ?? join(import.meta.dirname, "..", "..", "..", "..", "shared")

/** The folder, or `undefined` if it is not there. */
export function corpus(name: string): string | undefined {
  const folder = join(shared, "corpora", name)
  return existsSync(folder) ? folder : undefined
}

export function filesUnder(folder: string, extensions: readonly string[]): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => extensions.some((extension) => file.endsWith(extension)))
    .map((file) => join(folder, file))
    .sort()
}

export function readBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path))
}
