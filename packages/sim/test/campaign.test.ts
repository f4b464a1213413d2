import { spawn } from "node:child_process"
import { join } from "node:path"
import { expect, test } from "vitest"
import { type CampaignOptions, isTwice, runCampaign } from "../src/campaign/campaign.ts"
import { ProgressLines } from "../src/campaign/progress-lines.ts"
import { SeedWorker } from "../src/campaign/seed-worker.ts"
import { shrink } from "../src/campaign/shrink.ts"
import { traceDifference } from "../src/campaign/trace-difference.ts"
import { type Plan, planOptions, readPlan, WHOLE } from "../src/plan.ts"

const PROGRAM = join(import.meta.dirname, "children/scripted-seeds.ts")

function options(given: Partial<CampaignOptions>): CampaignOptions {
  return {
    ...{ scenario: "bare", from: 1, seeds: 10, workers: 2, keepGoing: false },
    worker: { seedMsMax: 20_000, program: PROGRAM },
    progress: () => undefined,
    failed: () => undefined,
    ...given,
  }
}

test("a campaign stops at the first seed that fails", async () => {
  const { failures, done } = await runCampaign(options({ workers: 1 }))
  expect(failures).toEqual([{ seed: 3, code: "SIM_LOST", message: "lost" }])
  expect(done).toBe(3)
})

test("or goes on and has all that fail, those that die or hang among them", async () => {
  const worker = { seedMsMax: 3_000, program: PROGRAM }
  const told: number[] = []
  const failed = ({ seed }: { readonly seed: number }) => void told.push(seed)
  const result = await runCampaign(options({ keepGoing: true, seeds: 20, worker, failed }))
  expect(told).toEqual(result.failures.map(({ seed }) => seed))
  const sorted = result.failures.toSorted((a, b) => a.seed - b.seed)
  expect(sorted.map(({ seed, code }) => `${seed} ${code}`)).toEqual([
    "3 SIM_LOST",
    "5 SIM_DIED",
    "7 SIM_HUNG",
    "13 SIM_LOST",
  ])
  expect(result.done).toBe(20)
})

test("a seed whose second run in another process goes another way is a failure", async () => {
  const seeds = Array.from({ length: 2000 }, (_, seed) => seed + 100)
  const [honest = 0] = seeds.filter((seed) => isTwice(seed) && seed % 10 !== 3)
  const [torn = 0] = seeds.filter((seed) => isTwice(seed) && seed >= 1000 && seed % 10 !== 3)
  const repeated = await runCampaign(options({ from: honest, seeds: 1 }))
  expect(repeated).toMatchObject({ repeated: 1, failures: [] })
  const { failures } = await runCampaign(options({ from: torn, seeds: 1 }))
  expect(failures).toMatchObject([{ seed: torn, code: "SIM_UNREPEATABLE" }])
  expect(failures[0]?.message).toMatch(/they part at line 2:\n {2}process \d+\n {2}process \d+$/)
})

test("at least one seed is run twice", async () => {
  const from = Array.from({ length: 200 }, (_, seed) => seed + 1000).find(
    (seed) => ![0, 1, 2].some((more) => isTwice(seed + more) || (seed + more) % 10 === 3),
  )
  for (const workers of [1, 2]) {
    const { failures, done } = await runCampaign(options({ from: from ?? 0, seeds: 3, workers }))
    expect(failures).toMatchObject([{ seed: from, code: "SIM_UNREPEATABLE" }])
    expect(done).toBeLessThanOrEqual(3)
  }
})

test("where two traces part is told, even if their begins were not kept", () => {
  const parted = (one: readonly string[], other: readonly string[], lines?: number) =>
    traceDifference({ trace: one, ...(lines && { lines }) }, { trace: other })
  expect(parted(["a", "b"], ["a", "c"])).toBe("they part at line 2:\n  b\n  c")
  expect(parted(["a"], ["a", "c"])).toBe("they part at line 2:\n  (it had ended)\n  c")
  expect(parted(["b", "c"], ["a", "b", "d"], 3)).toBe("they part at line 3:\n  c\n  d")
  expect(parted(["x", "c"], ["a", "b", "c"], 3)).toMatch(/^they part at line 2, or before it:/)
  expect(parted(["a"], ["a"])).toMatch(/what a process ran before matters/)
})

test("a process that ends by itself between two seeds is not passed over", async () => {
  using worker = new SeedWorker({ seedMsMax: 20_000, program: PROGRAM })
  const run = (seed: number) => worker.run({ scenario: "bare", seed, plan: {}, trace: false })
  expect(await run(29)).toMatchObject({ hash: "29" })
  expect(await run(30)).toMatchObject({ failure: { code: "SIM_DIED" } })
  expect(await run(30)).toMatchObject({ hash: "30" })
})

test("a process that has come to take much memory is replaced, and no seed fails by it", async () => {
  using worker = new SeedWorker({ seedMsMax: 20_000, program: PROGRAM })
  const run = async (seed: number) =>
    (await worker.run({ scenario: "bare", seed, plan: {}, trace: false })).hash
  const first = await run(1001)
  expect(await run(2000)).toBe(first)
  const second = await run(1001)
  expect(second).not.toBe(first)
  expect(await run(1002)).toBe(second)
})

test("what a process noted before it hung or died is kept", async () => {
  using worker = new SeedWorker({ seedMsMax: 3_000, program: PROGRAM })
  const run = (seed: number) => worker.run({ scenario: "bare", seed, plan: {}, trace: true })
  for (const [seed, code] of [
    [5, "SIM_DIED"],
    [7, "SIM_HUNG"],
  ] as const) {
    const { failure, trace } = await run(seed)
    expect(failure?.code).toBe(code)
    expect(trace).toEqual(["it begins", expect.stringMatching(/^process /)])
  }
})

test("a process that never comes back to its event loop ends with its parent", async () => {
  const program = join(import.meta.dirname, "children/busy-parent.ts")
  const parent = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] })
  // The child has the same standard output: it ends once both have.
  for await (const chunk of parent.stdout) {
    expect(`${chunk}`).toBe("busy\n")
    parent.kill("SIGKILL")
  }
  expect(parent.signalCode).toBe("SIGKILL")
})

test("a plan is shrunk to what a failure needs", async () => {
  let tries = 0
  const needs = ({ stepsMax, skip, calm }: Plan): boolean => {
    tries++
    const taken = (step: number) => step < stepsMax && !skip.has(step)
    return taken(3) && taken(17) && !calm.has("crash")
  }
  const plan = await shrink({ fails: async (one) => needs(one), hasTime: () => tries < 1000 })
  expect(plan.stepsMax).toBe(18)
  const left = Array.from({ length: 18 }, (_, step) => step).filter((step) => !plan.skip.has(step))
  expect(left).toEqual([3, 17])
  expect(plan.calm.has("crash")).toBe(false)
  expect(plan.calm.has("network")).toBe(true)
  expect(planOptions(plan).join(" ")).toMatch(/^--steps 18 --skip 0-2,4-16 --calm /)
})

test("what can go only after something else went goes too", async () => {
  let tries = 0
  const needs = ({ stepsMax, skip, calm }: Plan): boolean => {
    tries++
    const taken = (step: number) => step < stepsMax && !skip.has(step)
    const hasCause = taken(3) || taken(30)
    return hasCause && taken(7) && (calm.has("network") || taken(9)) && !calm.has("crash")
  }
  const plan = await shrink({
    fails: async (one) => needs(one) && !(one.calm.has("carry") && !one.calm.has("loss")),
    hasTime: () => tries < 2000,
  })
  expect(plan.stepsMax).toBe(8)
  expect([...plan.skip]).toEqual(expect.arrayContaining([0, 1, 2, 4, 5, 6]))
  expect(plan.skip.size).toBe(6)
  expect(plan.calm.has("carry")).toBe(true)
})

test("a plan goes through a command line unchanged", () => {
  const plan: Plan = { stepsMax: 12, skip: new Set([3, 5]), calm: new Set(["noise", "clock"]) }
  expect(planOptions(plan)).toEqual(["--steps", "12", "--skip", "3,5", "--calm", "noise,clock"])
  expect(readPlan({ steps: "12", skip: "3,5", calm: "noise,clock" })).toEqual(plan)
  expect(readPlan({})).toEqual(WHOLE)
  const rows: Plan = { ...WHOLE, skip: new Set([0, 1, 2, 9, 11, 12]) }
  expect(planOptions(rows)).toEqual(["--skip", "0-2,9,11,12"])
  expect(readPlan({ skip: "0-2,9,11,12" })).toEqual(rows)
  for (const skip of ["x", "3-1", "-1", "1-", "1.5", "1-2-3", "9999999"]) {
    expect(readPlan({ skip })).toBeUndefined()
  }
  expect(readPlan({ calm: "weather" })).toBeUndefined()
})

test("progress says how far, how fast and how long", () => {
  const printed: string[] = []
  const lines = new ProgressLines("bare", 2, (line) => printed.push(line))
  const progress = { done: 2, seeds: 4, failed: 1, virtualMs: 3_600_000 }
  const text = lines.last({ ...progress, failures: [], repeated: 1 })
  expect(text).toMatch(/^bare: 2 of 4 seeds, 1 failed, .* a second \(.* a process\), 1\.0 hours/)
  expect(text).toContain("1 run twice, alike")
})
