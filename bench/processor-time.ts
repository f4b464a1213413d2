/**
 * How busy other programs kept the machine: the caveat of every time that is reported. Read from
 * Linux's `/proc`; elsewhere it cannot be told.
 *
 * @module
 */
import { readFileSync } from "node:fs"

/** Clock ticks per second of `/proc`: fixed at 100 on Linux (`man 5 proc`, `sysconf(_SC_CLK_TCK)`). */
const TICKS_PER_SECOND = 100

/** @param pids - The processes that are meant to be busy. */
export function startForeignTime(pids: readonly number[]): () => number {
  const before = read(pids)
  const begun = performance.now()
  return () => {
    const after = read(pids)
    if (before === undefined || after === undefined) return -1
    const seconds = (performance.now() - begun) / 1000
    const foreign = after.all - before.all - (after.ours - before.ours)
    return Math.max(0, foreign / TICKS_PER_SECOND / seconds)
  }
}

function read(pids: readonly number[]): { all: number; ours: number } | undefined {
  try {
    const [first = ""] = readFileSync("/proc/stat", "utf8").split("\n")
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = first
      .split(/\s+/)
      .slice(1)
      .map(Number)
    const ours = pids.reduce((sum, pid) => sum + ticksOf(pid), 0)
    return { all: user + nice + system + irq + softirq, ours }
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
    throw error
  }
}

function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  // The name in parentheses may hold spaces; user and system time are the 14th and 15th field.
  const rest = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return Number(rest[11]) + Number(rest[12])
}
