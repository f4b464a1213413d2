/**
 * Power loss under a level store: what a disk may hold of what was not flushed.
 *
 * The operations of a real run are recorded (`power-loss/watching-recorder.ts`), the power is taken
 * away at points of it, and each folder that may then be found is opened. 120 by default; thousands,
 * and others:
 *
 *     FULCRUM_POWER_LOSS_STATES=5000 FULCRUM_POWER_LOSS_SEED=7 \
 *       npx vitest run packages/store/test/level-power-loss.test.ts
 *
 * A state that breaks a promise is told with its number, which with the same seed is the same state.
 *
 * @module
 */
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { openLevelStore } from "../src/level.ts"
import { type Findings, runCampaign } from "./power-loss/campaign.ts"
import type { DiskOp, NameRules } from "./power-loss/disk-history.ts"
import { hasStrace, recordByTracing } from "./power-loss/traced-recorder.ts"
import { foldersFlushed, type Recorded, recordByWatching } from "./power-loss/watching-recorder.ts"
import { work } from "./power-loss/workload.ts"

const STATES = Number(process.env.FULCRUM_POWER_LOSS_STATES ?? 120)
const SEED = process.env.FULCRUM_POWER_LOSS_SEED ?? "1"

const TEST_MS_MAX = 60_000 + STATES * 1000

/** What is laid down for the store to open needs no disk: it is quicker in memory, if Linux has it. */
const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir()

/** Enough for a canary to be caught many times over. */
const CANARY_STATES = 40

/** Enough for LevelDB to merge tables. */
const TRACED_SITTINGS = 7

describe("[S11] [E2] power loss", { timeout: TEST_MS_MAX }, () => {
  test("at any point loses nothing acknowledged, tears nothing, and opens at once", async () => {
    const findings = await run(await record(), STATES)
    expect(findings.broken).toEqual([])
    expect(findings.twice).toBeGreaterThan(STATES / 4)
  })

  test("of a folder that is new, again and again, leaves one that can be begun", async () => {
    const { before, ops } = await record({ sittings: 1 })
    const making = ops.slice(
      0,
      ops.findIndex(({ type }) => type === "submit"),
    )
    const findings = await run({ before, interleaved: () => making, twiceEvery: 1 }, STATES * 1.5)
    expect(findings.broken).toEqual([])
    expect(findings.twice).toBe(STATES * 1.5)
  })

  test("cannot bring back a deleted file beside a note that does not know it", async () => {
    // As late as LevelDB's background thread may delete it.
    const ops = (await record()).interleaved(() => 0)
    const noted = ops.findLastIndex((op) => op.type === "rename" && op.to === "CLOSED")
    const deleted = ops.findLastIndex(
      (op, at) => at < noted && op.type === "delete" && op.name.endsWith(".log"),
    )
    expect(ops.slice(deleted, noted)).toContainEqual({ type: "flush-folder" })
  })

  test("where flushing a file does not bring its name is found, and never read wrongly", async () => {
    const findings = await run(await record(), STATES / 3, "posix")
    expect(findings.broken).toEqual([])
    expect(findings.refused).toBeLessThan(STATES / 10)
  })

  test("leaves the names of folders that were made on the way to the store's", async () => {
    const folder = await newFolder()
    const flushed = await foldersFlushed(async () => {
      await (await openLevelStore({ folder: join(folder, "home", "device", "store") })).close()
    })
    const above = [folder, join(folder, "home"), join(folder, "home", "device")]
    expect(flushed).toEqual(expect.arrayContaining(above))
  })

  test("is caught by these checks if batches are not flushed", async () => {
    const findings = await run(await record({ neverFlush: true }), CANARY_STATES)
    expect(findings.broken.join("\n")).toMatch(/batches of \d+ acknowledged/)
  })

  test("is caught by these checks if the store leaves all names to LevelDB", async () => {
    const { before, interleaved } = await record()
    // LevelDB flushes the folder too when it has made a table: as late as that may be.
    const ops = withoutOwnFlushes(interleaved(() => 0))
    const findings = await run({ before, interleaved: () => ops }, CANARY_STATES, "posix")
    expect(findings.broken.join("\n")).toMatch(/batches of \d+ acknowledged/)
  })
})

describe("[S11] [E2] what was traced", { timeout: TEST_MS_MAX }, () => {
  test("is what was watched, and power loss in it loses nothing either", async (context) => {
    if (!hasStrace()) context.skip("strace is not there: what is known of LevelDB is not compared")
    const folder = await newFolder()
    const traced = await recordByTracing({
      script: join(import.meta.dirname, "power-loss/workload.ts"),
      folder: join(folder, "store"),
      args: [String(TRACED_SITTINGS)],
      trace: join(folder, "trace"),
    })
    const watched = shapeOf((await record()).ops)
    expect(shapeOf(traced.slice(0, endOfSitting(traced, 2)))).toEqual(watched)
    // The later sittings have what cannot be watched: tables merged into others.
    const merged = traced.filter((op) => op.type === "delete" && op.name.endsWith(".ldb"))
    expect(merged.length).toBeGreaterThan(1)
    const findings = await run({ before: new Map(), interleaved: () => traced }, STATES / 3)
    expect(findings.broken).toEqual([])
  })
})

async function record({
  sittings = 2,
  ...options
}: {
  readonly sittings?: number
  readonly neverFlush?: boolean
} = {}): Promise<Recorded> {
  const folder = join(await newFolder(), "store")
  await mkdir(folder)
  return await recordByWatching(
    folder,
    ({ note }) =>
      work(folder, sittings, {
        submitted: (batch) => note({ type: "submit", batch }),
        acknowledged: (batch) => note({ type: "acknowledge", batch }),
      }),
    options,
  )
}

async function run(
  history: Pick<Recorded, "before" | "interleaved"> & { readonly twiceEvery?: number },
  states: number,
  names: NameRules = "usual",
): Promise<Findings> {
  const folder = await newFolder(MEMORY)
  const findings = await runCampaign({
    folder,
    before: history.before,
    ops: history.interleaved,
    twiceEvery: history.twiceEvery ?? 3,
    names,
    seed: `power loss ${SEED}`,
    states: Math.ceil(states),
  })
  if (STATES > 1000) console.log(findings)
  return findings
}

/** Where the sitting is over, with its note. */
function endOfSitting(ops: readonly DiskOp[], sitting: number): number {
  const notes = ops.flatMap((op, at) => (op.type === "rename" && op.to === "CLOSED" ? [at] : []))
  // The folder is flushed after it.
  return (notes[sitting - 1] ?? 0) + 2
}

/**
 * What does not depend on which thread was quicker: what happened to each file, the order of all
 * that is not about a log, and how often the folder was flushed.
 */
function shapeOf(ops: readonly DiskOp[]): unknown {
  const byFile = new Map<string, string[]>()
  const order: string[] = []
  let folderFlushes = 0
  for (const op of ops) {
    if (op.type === "flush-folder") folderFlushes++
    if (!("name" in op)) continue
    const steps = byFile.get(op.name) ?? []
    byFile.set(op.name, steps)
    // However many calls it took.
    if (op.type === "append" && steps.at(-1)?.startsWith("append")) {
      steps.push(`append ${Number(steps.pop()?.split(" ")[1]) + op.bytes.length}`)
    } else {
      steps.push(op.type === "append" ? `append ${op.bytes.length}` : op.type)
      if (!op.name.endsWith(".log")) order.push(`${op.type} ${op.name}`)
    }
  }
  return { byFile: Object.fromEntries(byFile), order, folderFlushes }
}

/** LevelDB flushes a folder just before it flushes a manifest, and at no other time. */
function withoutOwnFlushes(ops: readonly DiskOp[]): readonly DiskOp[] {
  return ops.filter((op, at) => {
    const next = ops[at + 1]
    return (
      op.type !== "flush-folder" || (next?.type === "flush" && next.name.startsWith("MANIFEST"))
    )
  })
}

async function newFolder(where: string = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(where, "fulcrum-power-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
