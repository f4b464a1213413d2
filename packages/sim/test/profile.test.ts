import type { Profiler } from "node:inspector"
import { expect, test } from "vitest"
import { describeProfile, profileRuns } from "../src/campaign/profile.ts"
import { profileShares, selfTimes } from "../src/campaign/profile-shares.ts"

function node(
  id: number,
  functionName: string,
  url: string,
  children: readonly number[] = [],
): Profiler.ProfileNode {
  const callFrame = { functionName, url, scriptId: "0", lineNumber: 9, columnNumber: 0 }
  return { id, callFrame, children: [...children] }
}

test("a profile is added up by who owns the code, built-ins by who called them", () => {
  const nodes = [
    node(1, "(root)", "", [2, 3, 9, 10]),
    node(2, "(garbage collector)", ""),
    node(3, "seal", "file:///x/packages/log/src/span.ts", [4, 5, 7, 8]),
    node(4, "set", ""),
    node(5, "sign", "node:internal/crypto/sig", [6]),
    node(6, "signOneShot", ""),
    node(7, "chacha", "file:///x/node_modules/@noble/ciphers/chacha.js"),
    node(8, "seal", "file:///x/packages/log/src/span.ts"),
    node(9, "am::apply", "wasm://wasm/0a1b"),
    node(10, "processTicksAndRejections", "node:internal/process/task_queues"),
  ]
  const samples = [1, 2, 3, 4, 6, 5, 7, 8, 9, 10]
  // Each is the time before its sample; what follows the last one is not known.
  const timeDeltas = [7_000, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000]
  const times = selfTimes({ nodes, samples, timeDeltas, startTime: 0, endTime: 0 })
  expect(profileShares(times)).toEqual([
    { group: "automerge", ms: 128 },
    { group: "log", ms: 2 + 4 + 64 },
    { group: "@noble/ciphers", ms: 32 },
    { group: "native crypto", ms: 8 + 16 },
    { group: "garbage collection", ms: 1 },
    { group: "native code outside of functions", ms: 0.5 },
  ])
  // Two places in the tree, one function.
  expect(times).toContainEqual({ group: "log", name: "seal", place: "log/src/span.ts:10", ms: 66 })
})

test("runs are profiled in this process, and who took how much is told", async () => {
  const profile = await profileRuns({ scenario: "bare", from: 1, seeds: 2 })
  const groups = profile.shares.map(({ group }) => group)
  expect(groups).toEqual(expect.arrayContaining(["log", "store", "codec"]))
  const text = describeProfile(profile)
  expect(text).toMatch(
    /^bare: 2 seeds under the profiler, [\d.]+ a second, [\d.]+ a second of proc/,
  )
  const percents = text.split("in which functions:")[0]?.matchAll(/^ +([\d.]+) %/gm) ?? []
  const sum = [...percents].reduce((total, [, percent]) => total + Number(percent), 0)
  expect(sum).toBeGreaterThan(98)
  expect(sum).toBeLessThan(102)
})
