import { seededRandom } from "@fulcrum/crypto/random"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type VaultOp } from "@fulcrum/store/vault"
import { expect, test } from "vitest"
import { UNDO_MAX, UndoLog } from "../src/actions/undo-log.ts"

test("no more edits are kept than that, also after writes that failed", async () => {
  const disk = new MemoryDisk()
  const store = await openMemoryStore({ disk })
  const vault = await openVault({ store, key: new Uint8Array(32), random: seededRandom("undo") })
  let log = new UndoLog(vault)
  const push = async (fails: boolean) => {
    const ops: VaultOp[] = []
    const done: (() => void)[] = []
    const step = { write: (...some: VaultOp[]) => ops.push(...some), after: done.push.bind(done) }
    await log.push(step, "edit", [])
    if (fails) return
    await vault.write(ops)
    for (const one of done) one()
  }
  for (let edit = 0; edit < UNDO_MAX + 50; edit++) await push(false)
  for (let edit = 0; edit < 20; edit++) await push(true)
  for (let edit = 0; edit < 100; edit++) await push(edit % 10 === 0)
  log = new UndoLog(vault)
  for (let edit = 0; edit < 30; edit++) await push(false)
  const orders: number[] = []
  for await (const { order } of vault.table("engine.undo").list(new Uint8Array(0))) {
    orders.push(order)
  }
  expect(orders.length).toBeLessThanOrEqual(UNDO_MAX)
  expect(orders.length).toBeGreaterThan(UNDO_MAX - 40)
  expect((await log.newest())?.order).toBe(orders.at(-1))
})
