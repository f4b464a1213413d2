/**
 * Inputs that were found once, one file each under `fixtures/TARGET/`: they are run each time, and
 * are seeds for more.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const FOLDER = fileURLToPath(new URL("./fixtures/", import.meta.url))

export interface Fixture {
  readonly target: string
  readonly file: string
  readonly input: Uint8Array
}

export function fixturesOf(target: string): readonly Fixture[] {
  const folder = join(FOLDER, target)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .toSorted()
    .map((name) => ({ target, file: join(folder, name), input: read(join(folder, name)) }))
}

/** @param file - As `keepFixture` named it: its folder says which target it is for. */
export function readFixture(file: string): Fixture {
  return { target: basename(dirname(file)), file, input: read(file) }
}

/** @returns The file, from the root of the repository. */
export function keepFixture(target: string, input: Uint8Array): string {
  const name = `${createHash("sha256").update(input).digest("hex").slice(0, 16)}.bin`
  mkdirSync(join(FOLDER, target), { recursive: true })
  writeFileSync(join(FOLDER, target, name), input)
  return join("tests/fuzz/fixtures", target, name)
}

function read(file: string): Uint8Array {
  return new Uint8Array(readFileSync(file))
}
