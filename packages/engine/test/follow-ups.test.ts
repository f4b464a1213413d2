import type { Clock } from "@fulcrum/crypto/clock"
import { expect, test, vi } from "vitest"
import type { FollowUpsOptions } from "../src/follow-ups.ts"

const asked: string[] = []
vi.mock("../src/membership-writes.ts", () => ({
  async followRemovals(_: unknown, { isPatient }: { isPatient: boolean }) {
    asked.push(isPatient ? "patient" : "at once")
    return isPatient
  },
}))
const { FollowUps } = await import("../src/follow-ups.ts")

test("[P105] what follows a removal is done once the time is over, whatever the clock says then", async () => {
  const sleeps: (() => void)[] = []
  const clock: Clock = {
    now: () => 1_000_000 - sleeps.length,
    sleep: () => new Promise((wake) => void sleeps.push(wake)),
  }
  const nothing = async () => undefined
  const parts = {
    ledger: { membership: { canWrite: true } },
    relationships: { openNew: nothing, catchUp: nothing },
  } as unknown as Pick<FollowUpsOptions, "ledger" | "relationships">
  const followUps = new FollowUps({
    ...{ ...parts, clock, before: nothing, after: nothing, followed: () => undefined },
    random: { bytes: (length) => new Uint8Array(length) },
    signal: new AbortController().signal,
  })
  followUps.soon()
  await followUps.idle()
  followUps.soon()
  await followUps.idle()
  expect(asked).toEqual(["patient", "patient"])
  expect(sleeps).toHaveLength(1)
  sleeps[0]?.()
  await vi.waitFor(() => expect(asked.at(-1)).toBe("at once"))
  await followUps.idle()
  // The next removal is given its time again.
  followUps.soon()
  await followUps.idle()
  expect(asked.at(-1)).toBe("patient")
})
