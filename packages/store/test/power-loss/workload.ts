/**
 * Batches told by their number, written to a vault on a level store in several sittings: some of a
 * few hundred bytes, some that cross several blocks of a log, and enough large ones to make LevelDB
 * begin a new log in the middle.
 *
 * `node workload.ts FOLDER SITTINGS` does the same in a process of its own, which can be traced.
 *
 * @module
 */
import { mkdirSync, writeSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { seededRandom } from "@fulcrum/crypto/random"
import { openLevelStore } from "../../src/level.ts"
import { openVault, type Vault } from "../../src/vault.ts"

export const VAULT_KEY: Uint8Array = seededRandom("power loss").fork("key").bytes(32)

/** Written one after another, except the last three of a sitting: those are called at once. */
const BATCHES_IN_SITTING = 8
const BULK_BATCHES = 11
const group = utf8ToBytes("group")

export interface Marks {
  submitted(batch: number): void
  acknowledged(batch: number): void
}

/** @param sittings - How often the store is opened; the second one has the large batches. */
export async function work(folder: string, sittings: number, marks: Marks): Promise<void> {
  const random = seededRandom("power loss").fork("nonces")
  let batch = 0
  for (let sitting = 0; sitting < sittings; sitting++) {
    const store = await openLevelStore({ folder })
    await using vault = await openVault({ store, key: VAULT_KEY, random })
    const writeOne = async (): Promise<void> => {
      const own = batch++
      marks.submitted(own)
      await writeBatch(vault, own)
      marks.acknowledged(own)
    }
    const count = BATCHES_IN_SITTING + (sitting === 1 ? BULK_BATCHES : 0)
    for (let at = 0; at < count - 3; at++) await writeOne()
    await Promise.all([writeOne(), writeOne(), writeOne()])
    await oneLogLeft(folder)
  }
}

/** LevelDB makes a table of a full log in a thread of its own, and leaves it when it is closed. */
async function oneLogLeft(folder: string): Promise<void> {
  const logs = async () => (await readdir(folder)).filter((file) => /^\d+\.log$/.test(file))
  while ((await logs()).length > 1) await sleep(2)
}

async function writeBatch(vault: Vault, batch: number): Promise<void> {
  const table = vault.table("records")
  await vault.write([
    ...recordsOf(batch).map((value, at) => table.put(group, batch * 8 + at, value)),
    vault.table("last").put(group, 0, Uint8Array.of(batch)),
  ])
}

/** @returns How many batches are there. @throws {Error} One is there in part, or is wrong. */
export async function countBatches(vault: Vault): Promise<number> {
  const table = vault.table("records")
  const last = await vault.table("last").get(group)
  const batches = last === undefined ? 0 : (last[0] ?? 0) + 1
  const listed = new Map<number, Uint8Array>()
  for await (const { order, value } of table.list(group)) listed.set(order, value)
  for (let batch = 0; batch < batches; batch++) {
    for (const [at, right] of recordsOf(batch).entries()) {
      const there = listed.get(batch * 8 + at)
      if (there === undefined) throw new Error(`batch ${batch} of ${batches} is torn or lost`)
      if (Buffer.compare(there, right) !== 0) throw new Error(`batch ${batch} has a wrong value`)
      listed.delete(batch * 8 + at)
    }
  }
  if (listed.size > 0) throw new Error(`there is more than ${batches} batches`)
  return batches
}

/** One to five records of a batch. */
function recordsOf(batch: number): Uint8Array[] {
  return Array.from({ length: 1 + (batch % 5) }, (_, at) => {
    const value = new Uint8Array(bytesOf(batch, at)).fill(batch * 16 + at)
    value.set([batch, at])
    return value
  })
}

function bytesOf(batch: number, at: number): number {
  const isBulk = batch >= BATCHES_IN_SITTING && batch < BATCHES_IN_SITTING + BULK_BATCHES
  if (isBulk && at === 0) return 420_000
  return batch % 4 === 3 && at === 0 ? 80_000 : 100 + ((batch * 37 + at * 211) % 800)
}

if (import.meta.main) {
  const [folder = "", sittings = "2"] = process.argv.slice(2)
  mkdirSync(folder, { recursive: true })
  await work(folder, Number(sittings), {
    submitted: (batch) => writeSync(1, `submitted ${batch}\n`),
    acknowledged: (batch) => writeSync(1, `acknowledged ${batch}\n`),
  })
}
