import { setImmediate } from "node:timers/promises"
import { expect, test } from "vitest"
import { SimError } from "../src/sim-error.ts"
import { START_MS, VirtualClock } from "../src/virtual-clock.ts"

const openClock = () => new VirtualClock({ turn: () => setImmediate() })

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return error instanceof SimError ? error.code : String(error)
  }
  return "ok"
}

test("sleepers wake by time, and those of one time in the order in which they went to sleep", async () => {
  const clock = openClock()
  const woken: string[] = []
  const sleepers = Object.entries({ late: 20, first: 10, second: 10, third: 10, at: 0 })
  const sleeps = sleepers.map(([name, ms]) => clock.sleep(ms).then(() => woken.push(name)))
  await clock.run(Promise.all(sleeps), 1000)
  expect(woken).toEqual(["at", "first", "second", "third", "late"])
  expect(clock.now()).toBe(START_MS + 20)
})

test("time passes only when all that is ready is done", async () => {
  const clock = openClock()
  let done = 0
  const work = (async () => {
    for (; done < 10_000; done++) await Promise.resolve()
    expect(clock.now()).toBe(START_MS)
  })()
  const sleep = clock.sleep(1).then(() => expect(done).toBe(10_000))
  await clock.run(Promise.all([work, sleep]), 1000)
})

test("a sleep that is aborted throws the reason, and nobody waits for it", async () => {
  const clock = openClock()
  const stop = new AbortController()
  const sleeping = clock.sleep(1_000_000, stop.signal)
  const stopping = clock.sleep(5).then(() => stop.abort("enough"))
  expect(await codeOf(clock.run(Promise.all([sleeping, stopping]), 2_000_000))).toBe("enough")
  expect(await codeOf(clock.sleep(1, stop.signal))).toBe("enough")
  expect(clock.now()).toBe(START_MS + 5)
})

test("what waits for ever, or for too long, is told", async () => {
  const clock = openClock()
  expect(await codeOf(clock.run(new Promise(() => undefined), 1000))).toBe("SIM_STUCK")
  expect(await codeOf(clock.run(clock.sleep(2000), 1000))).toBe("SIM_SLOW")
})
