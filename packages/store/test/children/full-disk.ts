/**
 * Fills the disk under a store and frees it again.
 *
 * `node full-disk.ts FOLDER` runs on a small file system; `node full-disk.ts FOLDER limit` limits
 * the size of its own files instead. Prints one JSON document: what held.
 */
import { execFileSync } from "node:child_process"
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import { type Store, StoreError } from "../../src/contract.ts"
import { openLevelStore } from "../../src/level.ts"
import { numberedBatch, RECORDS_IN_BATCH, recordsThere } from "./numbered-batch.ts"

const [folder = "", how = "small"] = process.argv.slice(2)
const fillers = join(folder, "..")
const steps: Record<string, unknown> = {}
let acknowledged = 0

fill("early", 8 * 1024 * 1024)
let store = await openLevelStore({ folder: join(folder) })
await writeWhile(store, () => acknowledged < 200)
if (how === "limit") limitFileSize("1048576")
steps.refused = await writeWhile(store, () => true)
steps.refusedAgain = await codeOf(store.write(numberedBatch(acknowledged)))
steps.readWhileFull = await wholeBatches(store)
if (how === "small") {
  fill("late", 512 * 1024 * 1024)
  await store.close()
  store = await openLevelStore({ folder })
  steps.readAfterOpeningWhileFull = await wholeBatches(store)
  fill("later", 512 * 1024 * 1024)
  steps.refusedAfterOpening = await writeWhile(store, () => true)
}
const listing = store.list({ gte: Uint8Array.of(0), lt: Uint8Array.of(255) })
let listed = 0
for await (const _ of listing) {
  // Room comes back, and the database is opened again, in the middle of a list.
  if (listed++ === 100) {
    if (how === "limit") limitFileSize("unlimited")
    for (const name of ["early", "late", "later"]) rmSync(join(fillers, name), { force: true })
    steps.room = (await codeOf(store.write(numberedBatch(acknowledged)))) ?? "taken"
    acknowledged++
  }
}
steps.listed = listed >= (acknowledged - 1) * RECORDS_IN_BATCH
await writeWhile(store, () => acknowledged % 50 !== 0)
steps.readAfterwards = await wholeBatches(store)
await store.close()
store = await openLevelStore({ folder })
steps.readAfterOpening = await wholeBatches(store)
await store.close()
writeSync(1, JSON.stringify({ acknowledged, ...steps }))

/** Writes batches, and keeps count of the acknowledged, until one is refused. */
async function writeWhile(into: Store, more: () => boolean): Promise<string | undefined> {
  while (more()) {
    const refused = await codeOf(into.write(numberedBatch(acknowledged)))
    if (refused !== undefined) return refused
    acknowledged++
  }
  return undefined
}

async function wholeBatches(from: Store): Promise<boolean> {
  for (let batch = 0; batch < acknowledged; batch++) {
    if ((await recordsThere(from, batch)) !== RECORDS_IN_BATCH) return false
  }
  return true
}

async function codeOf(act: Promise<unknown>): Promise<string | undefined> {
  try {
    await act
  } catch (error) {
    return error instanceof StoreError ? error.code : String(error)
  }
  return undefined
}

/** Takes up to `bytes` of what room there is. */
function fill(name: string, bytes: number): void {
  if (how === "limit") return
  const file = openSync(join(fillers, name), "w")
  const chunk = new Uint8Array(64 * 1024)
  try {
    for (let at = 0; at < bytes; at += chunk.length) writeSync(file, chunk)
    fsyncSync(file)
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error
  } finally {
    closeSync(file)
  }
}

function limitFileSize(bytes: string): void {
  execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${bytes}:unlimited`])
}
