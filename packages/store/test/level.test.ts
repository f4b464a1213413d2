/** The level store: the contract, locks, kills and full disks. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { describe, expect, onTestFinished, test } from "vitest"
import type { Store } from "../src/contract.ts"
import { openLevelStore } from "../src/level.ts"
import { storeContract } from "../src/suite.ts"
import { RECORDS_IN_BATCH, recordsThere } from "./children/numbered-batch.ts"

const NODE_ARGUMENTS = ["--disable-warning=ExperimentalWarning"]
const WRITER = join(import.meta.dirname, "children/writer.ts")
const OPENS_AGAIN = join(import.meta.dirname, "children/opens-again.ts")
const OPENINGS = 8
const FULL_DISK = join(import.meta.dirname, "children/full-disk.ts")

/** A batch that is flushed when the kill comes may be there unacknowledged: four at a time. */
const WRITERS = 4
const ROUNDS = 6

describe("contract", () => {
  const cases = storeContract(async () => {
    const folder = await mkdtemp(join(tmpdir(), "fulcrum-store-"))
    return {
      open: () => openLevelStore({ folder }),
      dispose: () => rm(folder, { recursive: true, force: true }),
    }
  })
  for (const { name, run } of cases) test(name, run)
})

describe("other processes", () => {
  test("[S5] a folder that another process has open is STORE_LOCKED", async () => {
    const folder = await newFolder()
    const child = startWriter(folder, 0)
    await child.printed("open")
    await expect(openLevelStore({ folder })).rejects.toMatchObject({ code: "STORE_LOCKED" })
    await child.kill()
    const store = await openLevelStore({ folder })
    await store.close()
  })

  test("[S5] that many open at once, and that is killed meanwhile, is in use or opens, never damaged", async () => {
    const folder = await newFolder()
    const startOpener = (name: string) => startChild([OPENS_AGAIN, folder, name, String(OPENINGS)])
    const names = ["a", "b", "c", "d"]
    const children = names.map(startOpener)
    const [first] = children
    await first?.printed("wrote 2")
    await first?.kill()
    children[0] = startOpener("again")
    await Promise.all(children.map((child) => child.printed(`wrote ${OPENINGS}`)))
    const lines = children.flatMap((child) => child.lines)
    expect(
      lines.filter((line) => !line.startsWith("wrote") && line !== "code STORE_LOCKED"),
    ).toEqual([])
    expect(lines).toContain("code STORE_LOCKED")
    await Promise.all(children.map((child) => child.ended))
    await using store = await openLevelStore({ folder })
    for (const name of ["b", "c", "d", "again"]) {
      for (let at = 0; at < OPENINGS; at++) {
        expect(await store.get(new TextEncoder().encode(`${name} ${at}`))).toBeDefined()
      }
    }
  })

  test("[S9] [E1] a kill at any point loses nothing acknowledged and tears no batch", async () => {
    const folder = await newFolder()
    const random = seededNumbers(0x5eed)
    const acknowledged = new Set<number>()
    let next = 0
    for (let round = 0; round < ROUNDS; round++) {
      const child = startWriter(folder, next)
      await child.printed("open")
      // After some batches, however slow the machine is, and at any point of the next ones.
      const least = 18 + Math.floor(random() * 16)
      await expect
        .poll(() => child.lines.length, { interval: 1, timeout: 30_000 })
        .toBeGreaterThan(least)
      await new Promise((resolve) => setTimeout(resolve, random() * 40))
      await child.kill()
      const openedAt = performance.now()
      await using store = await openLevelStore({ folder })
      expect(performance.now() - openedAt).toBeLessThan(2000)
      for (const line of child.lines.slice(1)) acknowledged.add(Number(line))
      const last = round === ROUNDS - 1
      next = await checkBatches(store, { from: last ? 0 : next, first: next, acknowledged })
    }
    expect(acknowledged.size).toBeGreaterThan(100)
  })
})

describe("full disk", () => {
  const held = {
    refused: "STORE_FULL",
    refusedAgain: "STORE_FULL",
    readWhileFull: true,
    room: "taken",
    listed: true,
    readAfterwards: true,
    readAfterOpening: true,
  }

  test("[S8] [E4] a full file system loses nothing, is read and opened, and recovers", async (ctx) => {
    const folder = await newFolder()
    const [namespace, ...asRoot] = process.getuid?.() === 0 ? ["-m"] : ["-m", "-r"]
    const mount = `mount -t tmpfs -o size=48m none "${folder}"`
    const unshare = ["unshare", namespace ?? "", ...asRoot, "sh", "-c"]
    if (spawnSync(unshare[0] ?? "", [...unshare.slice(1), mount]).status !== 0) {
      ctx.skip("a small file system cannot be mounted here: it takes `unshare -m` and tmpfs")
    }
    const child = spawnSync(
      unshare[0] ?? "",
      [
        ...unshare.slice(1),
        `${mount} && exec "$@"`,
        "sh",
        process.execPath,
        ...NODE_ARGUMENTS,
      ].concat([FULL_DISK, join(folder, "store")]),
      { encoding: "utf8" },
    )
    expect(child.stderr).toBe("")
    expect(JSON.parse(child.stdout)).toMatchObject({
      ...held,
      readAfterOpeningWhileFull: true,
      refusedAfterOpening: "STORE_FULL",
    })
  })

  test("[S8] [E4] files that may not grow do the same", async (ctx) => {
    if (spawnSync("prlimit", ["--version"]).status !== 0) {
      ctx.skip("prlimit is not there, so the size of files cannot be limited")
    }
    const folder = await newFolder()
    const child = spawnSync(
      process.execPath,
      [...NODE_ARGUMENTS, FULL_DISK, join(folder, "store"), "limit"],
      { encoding: "utf8" },
    )
    expect(child.stderr).toBe("")
    expect(JSON.parse(child.stdout)).toMatchObject(held)
  })
})

/** @returns The number after the last batch that is there. */
async function checkBatches(
  store: Store,
  { from, first, acknowledged }: { from: number; first: number; acknowledged: ReadonlySet<number> },
): Promise<number> {
  let next = first
  let misses = 0
  for (let batch = from; misses < WRITERS; batch++) {
    const there = await recordsThere(store, batch)
    if (acknowledged.has(batch)) expect([batch, there]).toEqual([batch, RECORDS_IN_BATCH])
    else expect([0, RECORDS_IN_BATCH]).toContain(there)
    if (there > 0) next = Math.max(next, batch + 1)
    else if (batch >= first) misses++
  }
  for (const batch of acknowledged) expect(batch).toBeLessThan(next)
  return next
}

interface Writer {
  /** What it printed: `open`, then numbers. */
  readonly lines: readonly string[]
  printed(line: string): Promise<void>
  kill(): Promise<void>
  readonly ended: Promise<void>
}

function startWriter(folder: string, first: number): Writer {
  return startChild([WRITER, folder, String(first)])
}

function startChild(script: readonly string[]): Writer {
  const child: ChildProcess = spawn(process.execPath, [...NODE_ARGUMENTS, ...script], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const lines: string[] = []
  const waiting = new Map<string, () => void>()
  if (child.stdout === null) throw new Error("the child has no standard output")
  const reader = createInterface({ input: child.stdout })
  reader.on("line", (line) => {
    lines.push(line)
    waiting.get(line)?.()
  })
  const ended = new Promise<void>((resolve) => reader.once("close", resolve))
  const kill = async () => {
    child.kill("SIGKILL")
    await ended
  }
  onTestFinished(kill)
  return {
    lines,
    printed: (line) =>
      new Promise((resolve) => {
        if (lines.includes(line)) resolve()
        else waiting.set(line, resolve)
      }),
    kill,
    ended,
  }
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-store-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(folder, { recursive: true })
  return folder
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function seededNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
