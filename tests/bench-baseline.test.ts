/**
 * What a first sync takes does not grow unnoticed: its exact counts against `bench/baseline.json`.
 *
 * @module
 */
import { describe, expect, test } from "vitest"
import {
  type CountsByShape,
  compareCounts,
  readBaseline,
  UPDATE_COMMAND,
} from "../bench/baseline.ts"
import { countFirstSync } from "../bench/first-sync-counts.ts"
import { countEngineSync, engineShapeName } from "../bench/first-sync-engine-counts.ts"
import { countHistory, HISTORY } from "../bench/history.ts"
import { countLaterSyncs, LATER_SYNC } from "../bench/later-sync-counts.ts"
import { shapeName } from "../bench/seeded-record.ts"

async function hold(counted: CountsByShape, question = "first-sync"): Promise<void> {
  const { worse, better } = compareCounts(counted, await readBaseline(question))
  expect(worse).toEqual([])
  if (better.length === 0) return
  console.info(`better than the baseline; keep it with: ${UPDATE_COMMAND}\n${better.join("\n")}`)
}

describe("the first sync", () => {
  test.each([
    { edits: 100, documents: 1 },
    { edits: 100, documents: 100 },
  ])("of $edits edits in $documents documents takes no more than it did", async (shape) => {
    await hold({ [shapeName(shape)]: await countFirstSync(shape) })
  })

  test("of whole engines, from the typed code on, takes no more than it did", async () => {
    const shape = { edits: 100, documents: 1 }
    await hold({ [engineShapeName(shape)]: await countEngineSync(shape) })
  })

  test("a merged history of 1,000 edits takes no more than it did", async () => {
    const shape = { edits: 1000, documents: 1 }
    await hold({ [shapeName(shape)]: await countHistory(shape) }, HISTORY)
  })

  test.each([
    { edits: 1000, documents: 1 },
    { edits: 1000, documents: 1000 },
  ])("and a later one of $edits edits in $documents documents takes no more", async (shape) => {
    const counts = await countLaterSyncs(shape)
    await hold({ [shapeName(shape)]: counts }, LATER_SYNC)
    // Whatever the record holds.
    expect(counts.idleBytesEachWay).toBe(61)
    expect(counts.tenRoundTrips).toBeLessThanOrEqual(1.5)
  })

  test("a count that got worse, or that the baseline does not have, is named", () => {
    const baseline = { small: { messages: 3, bytes: 100 } }
    const counted = { small: { messages: 4, bytes: 90, roundTrips: 2 } }
    expect(compareCounts(counted, baseline)).toEqual({
      worse: ["small: messages 3 → 4", "small: roundTrips not counted → 2"],
      better: ["small: bytes 100 → 90"],
    })
  })
})
