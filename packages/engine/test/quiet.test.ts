/** How long a device that does not answer is waited for. */
import { expect, test } from "vitest"
import type { RelayRow } from "../src/person/person.ts"
import { untilEnough } from "../src/person/quiet.ts"
import { testClock } from "./vendor-clock.ts"

/** @returns When it was enough, where a relay has everything from `hasAllAtMs` on. */
async function enoughAt(hasAllAtMs: number): Promise<number> {
  const clock = testClock(0)
  const row = (): RelayRow => ({
    address: "relay",
    state: "reachable",
    pending: clock.now() >= hasAllAtMs ? 0 : 1,
    code: undefined,
  })
  const parts = { clock, relayed: async () => undefined, relays: async () => [row()] }
  const stop = new AbortController()
  clock.sleep(10_000).then(
    () => stop.abort(),
    () => undefined,
  )
  await clock.during(untilEnough(parts, stop.signal))
  return clock.now()
}

test("[P52] a silent device is waited for a moment once a relay has everything", async () => {
  expect(await enoughAt(0)).toBe(1500)
})

test("[P52] also when the relay comes to have it only after it was gone through", async () => {
  expect(await enoughAt(900)).toBeLessThan(900 + 1500 + 300)
})

test("[P52] while no relay has everything, a device is waited for as long as the command has", async () => {
  expect(await enoughAt(Number.POSITIVE_INFINITY)).toBe(10_000)
})
