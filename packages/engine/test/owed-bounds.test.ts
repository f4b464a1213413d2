/** What waits is bounded, also where some always waits; and what is kept out is counted once. */

import { seededRandom } from "@fulcrum/crypto/random"
import { documentId } from "@fulcrum/record/documents"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault } from "@fulcrum/store/vault"
import { expect, test } from "vitest"
import { Owed, type Owing } from "../src/ledger/owed.ts"
import { Quarantine, STRANDED } from "../src/ledger/quarantine.ts"

const document = documentId("card")

function owing(at: number): Owing {
  const value = new Uint8Array(10)
  const op = { type: "put", table: "t", group: new Uint8Array(), order: at, value } as const
  return {
    ops: [op, { ...op, order: at + 0.5 }],
    changes: new Map([[document, [value]]]),
    actors: new Map([[`${at}`, value]]),
  }
}

test("[P47] however much comes while some always waits, a bounded part of it is held", () => {
  const owed = new Owed()
  owed.add(owing(0))
  let taken = 0
  for (let at = 1; at < 50_000 && owed.hasRoomFor(owing(at).ops); at++) {
    owed.add(owing(at))
    owed.paid(owed.part(2))
    taken++
  }
  expect(taken).toBeGreaterThan(4096)
  expect(taken).toBeLessThan(16_384)
  expect(owed.changes.get(document)?.length).toBeLessThan(16_384)
  owed.clear()
  expect(owed.hasRoomFor(owing(0).ops)).toBe(true)
  expect([owed.changes.size, owed.actors.size]).toEqual([0, 0])
})

test("[P47] an entry that is kept out is counted once, however often it is put", async () => {
  const store = await openMemoryStore({ disk: new MemoryDisk() })
  const key = new Uint8Array(32)
  await using vault = await openVault({ store, key, random: seededRandom("quarantine") })
  const quarantine = new Quarantine(vault)
  await vault.write([quarantine.put(7, STRANDED)])
  await quarantine.load()
  quarantine.put(7, STRANDED)
  expect([quarantine.count, quarantine.hasStranded]).toEqual([1, true])
  quarantine.put(7, "RECORD_CHANGE_REFUSED")
  quarantine.put(8, "RECORD_CHANGE_REFUSED")
  expect([quarantine.count, quarantine.hasStranded]).toEqual([2, false])
  quarantine.forget()
  expect(quarantine.count).toBe(0)
})
