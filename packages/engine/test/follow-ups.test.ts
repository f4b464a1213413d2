import type { Clock } from "@fulcrum/crypto/clock"
import { expect, test, vi } from "vitest"
import { FollowUps } from "../src/waiting/follow-ups.ts"

test("[P105] what follows a removal is done once the time is over, whatever the clock says then", async () => {
  const sleeps: (() => void)[] = []
  const clock: Clock = {
    now: () => 1_000_000 - sleeps.length,
    sleep: () => new Promise((wake) => void sleeps.push(wake)),
  }
  const asked: string[] = []
  const followUps = new FollowUps({
    clock,
    random: { bytes: (length) => new Uint8Array(length) },
    signal: new AbortController().signal,
    async work({ isPatient }) {
      asked.push(isPatient ? "patient" : "at once")
      return isPatient
    },
    daily: async () => undefined,
    followed: () => undefined,
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

test("[P108] what only time makes due is looked for every day, as long as the program runs", async () => {
  const waits: number[] = []
  const wakes: (() => void)[] = []
  const clock: Clock = {
    now: () => 0,
    sleep: (ms) =>
      new Promise((wake) => {
        waits.push(ms)
        wakes.push(wake)
      }),
  }
  let times = 0
  const followUps = new FollowUps({
    clock,
    random: { bytes: (length) => new Uint8Array(length) },
    signal: new AbortController().signal,
    work: async () => false,
    async daily() {
      times++
    },
    followed: () => undefined,
  })
  await followUps.begin()
  for (const day of [1, 2, 3]) {
    expect(times).toBe(day)
    expect(waits).toEqual(Array.from({ length: day }, () => 86_400_000))
    wakes.at(-1)?.()
    await vi.waitFor(() => expect(times).toBe(day + 1))
    await followUps.idle()
  }
})
