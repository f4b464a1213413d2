import { expect, test } from "vitest"
import { systemClock } from "../src/clock.ts"

const clock = systemClock()

test("sleeps at least as long as asked", async () => {
  const before = clock.now()
  await clock.sleep(15)
  expect(clock.now() - before).toBeGreaterThanOrEqual(14)
  await clock.sleep(0)
  await clock.sleep(-5)
})

test("wakes with the signal's reason", async () => {
  const reason = new Error("enough")
  const controller = new AbortController()
  const sleeping = clock.sleep(2 ** 40, controller.signal)
  controller.abort(reason)
  await expect(sleeping).rejects.toBe(reason)
  await expect(clock.sleep(1, controller.signal)).rejects.toBe(reason)
})
