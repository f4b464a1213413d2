/** When a device merges what it wrote: a moment after, and under load more seldom, but in the end all. */
import type { Clock } from "@fulcrum/crypto/clock"
import { expect, test } from "vitest"
import { RecordMerging } from "../src/mailboxes/record-merging.ts"

/** A clock whose sleeps end when the test says. */
function heldClock() {
  const sleeps: (() => void)[] = []
  const clock: Clock = {
    now: () => 0,
    sleep: (_, signal) =>
      new Promise((resolve, reject) => {
        sleeps.push(resolve)
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true })
      }),
  }
  /** Lets what sleeps now go on, and what follows from it. */
  const goOn = async () => {
    for (const wake of sleeps.splice(0)) wake()
    await new Promise((resolve) => setTimeout(resolve, 0))
  }
  return { clock, goOn, sleeping: () => sleeps.length }
}

function merging({ parts = 1 } = {}) {
  const { clock, goOn, sleeping } = heldClock()
  const asked: boolean[] = []
  const replica = {
    merging: {
      merge: async ({ underLoad = false } = {}) => {
        asked.push(underLoad)
        return undefined
      },
    },
  }
  let left = parts
  const settleSome = async () => --left > 0
  const one = new RecordMerging({ replica, clock, settleSome, merged: () => undefined })
  const write = (times: number) => {
    for (let at = 0; at < times; at++) one.poke()
  }
  return { one, write, goOn, sleeping, asked, left: () => left }
}

test("[P47] what waits is written a part at a time, with a pause after each but the last, and merged then", async () => {
  const { one, write, goOn, sleeping, asked, left } = merging({ parts: 3 })
  write(1)
  await goOn()
  for (const rest of [2, 1]) {
    expect([left(), sleeping(), asked]).toEqual([rest, 1, []])
    await goOn()
  }
  expect([left(), sleeping(), asked]).toEqual([0, 0, [false]])
  await one.close()
})

test("[P47] closing does not wait for the parts that are left", async () => {
  const { one, write, goOn, sleeping, left } = merging({ parts: 100 })
  write(1)
  await goOn()
  expect(sleeping()).toBe(1)
  await one.close()
  expect(left()).toBe(99)
})

test("[P49] what is written now and then is merged a moment after, once", async () => {
  const { one, write, goOn, sleeping, asked } = merging()
  write(4)
  expect(asked).toEqual([])
  await goOn()
  expect(asked).toEqual([false])
  expect(sleeping()).toBe(0)
  write(1)
  await goOn()
  expect(asked).toEqual([false, false])
  await one.close()
  expect(asked).toEqual([false, false])
})

test("[P49] under load less is merged, and all of it once no more is written", async () => {
  const { one, write, goOn, sleeping, asked } = merging()
  for (let at = 0; at < 3; at++) {
    write(5)
    await goOn()
  }
  expect(asked).toEqual([true, true, true])
  expect(sleeping(), "it looks again by itself").toBe(1)
  await goOn()
  expect(asked).toEqual([true, true, true, false])
  expect(sleeping()).toBe(0)
  await one.close()
})

test("[P49] what is due as it closes is merged whole", async () => {
  const { one, write, goOn, asked } = merging()
  write(5)
  await goOn()
  write(50)
  await one.close()
  expect(asked.at(-1)).toBe(false)
})
