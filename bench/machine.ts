/**
 * Where and with what the times were taken.
 *
 * @module
 */
import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { cpus, totalmem } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly platform: string
  readonly node: string
  /** Of the outside libraries that the bench's time goes through. */
  readonly versions: Readonly<Record<string, string>>
  /** The commit measured, with a mark if files were changed since; absent outside a checkout. */
  readonly commit?: string
}

const root = join(import.meta.dirname, "..")
const LIBRARIES = [
  "@automerge/automerge",
  "@chainsafe/libp2p-noise",
  "@chainsafe/libp2p-yamux",
  "@noble/ciphers",
  "classic-level",
  "libp2p",
]

export async function describeMachine(): Promise<Machine> {
  const versions: Record<string, string> = {}
  for (const name of LIBRARIES) versions[name] = await versionOf(name)
  const commit = await git("describe", "--always", "--dirty", "--exclude=*")
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    versions,
    ...(commit !== undefined && { commit }),
  }
}

async function versionOf(name: string): Promise<string> {
  const path = join(root, "node_modules", name, "package.json")
  const manifest: unknown = JSON.parse(await readFile(path, "utf8"))
  return String(Object(manifest).version)
}

async function git(...args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)("git", [...args], { cwd: root })
    return stdout.trim()
  } catch {
    // No git, or no checkout: the numbers then name no commit.
    return undefined
  }
}
