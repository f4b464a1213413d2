/**
 * Which program has a folder open, as far as the system tells: on Linux, by the lock that it holds.
 *
 * @module
 */
import { readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { CATALOG } from "./catalog.ts"

const LOCKS = "/proc/locks"

export interface FolderHolder {
  readonly pid: number
  /** Such as `pair`, without what was given to it; `undefined`: another program's. */
  readonly command: string | undefined
}

/** @returns `undefined` where nobody has it, or the system does not tell. */
export async function folderHolder(storeFolder: string): Promise<FolderHolder | undefined> {
  try {
    const { ino } = await stat(join(storeFolder, "LOCK"))
    const locks = await readFile(LOCKS, "utf8")
    const pid = pidIn(locks, ino)
    if (pid === undefined) return undefined
    const command = commandIn((await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0"))
    return { pid, command }
  } catch {
    // No such system, or the program has just ended.
    return undefined
  }
}

/** As a person is told: `fulcrum pair (process 4711)`. */
export function describeHolder({ pid, command }: FolderHolder): string {
  return command === undefined ? `process ${pid}` : `\`fulcrum ${command}\` (process ${pid})`
}

/** What the launcher starts: the sources, or what was bundled of them. */
const PROGRAM = /[/\\](nodes[/\\]device[/\\]src[/\\]main\.ts|bundle[/\\]device\.js)$/

/** The command among a process's words; what was given to it and its options is not told. */
export function commandIn(words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => PROGRAM.test(word))
  if (at < 0) return undefined
  const isCommand = (word: string) => CATALOG.some(({ name }) => name.split(" ")[0] === word)
  return words.find((word, i) => i > at && words[i - 1] !== "--home" && isCommand(word))
}

/** A line is `1: POSIX  ADVISORY  WRITE 4711 fd:01:131082 0 EOF`; the inode is the third part. */
function pidIn(locks: string, inode: number): number | undefined {
  for (const line of locks.split("\n")) {
    const [, , , mode, pid, place] = line.trim().split(/\s+/)
    if (mode === "WRITE" && place?.split(":")[2] === String(inode)) return Number(pid)
  }
  return undefined
}
