/**
 * What the program says of a seed that fails, with the store broken on purpose.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { expect, test } from "vitest"
import { excerpt, failureLine, replayCommand } from "../src/campaign/failure-report.ts"
import { TROUBLES } from "../src/faults.ts"
import type { Patch } from "./canaries.ts"

const ROOT = join(import.meta.dirname, "../../..")

/** Runs with crashes fail at step 7, if step 3 was taken. */
const STEPS_3_AND_7: readonly Patch[] = [
  {
    file: "sim/src/bare-scenario.ts",
    from: "    this.#world.trace.step(step, act)\n",
    to: `    this.#world.trace.step(step, act)
    if (step === 3) this.#appended += 1_000_000
    if (step === 7 && this.#appended >= 1_000_000 && this.#trouble.weights.crash > 0) {
      throw new RangeError("on purpose")
    }
`,
  },
]
const FIRST_TWO: readonly Patch[] = [
  {
    file: "sim/src/run-seed.ts",
    from: "  world.throwIfAlarmed()\n",
    to: '  if (seed < 3) throw new Error("on purpose")\n',
  },
]

async function sim(patches: readonly Patch[], args: readonly string[]) {
  const program = ["--import", join(import.meta.dirname, "canary.ts"), "packages/sim/src/main.ts"]
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", ...program, ...args],
    {
      cwd: ROOT,
      env: { ...process.env, SIM_CANARY: JSON.stringify(patches) },
      stdio: ["ignore", "pipe", "pipe"],
    },
  )
  const closed = once(child, "close")
  const [output, errors] = await Promise.all([textOf(child.stdout), textOf(child.stderr)])
  await closed
  return { output, errors, status: child.exitCode }
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = ""
  for await (const chunk of stream) text += chunk.toString("utf8")
  return text
}

test("a failing seed is told with a shorter run and the command that repeats it", {
  timeout: 60_000,
}, async () => {
  const bounds = ["--workers", "1", "--shrink-seconds", "30"]
  const campaign = await sim(STEPS_3_AND_7, [
    ...["--scenario", "bare", "--seeds", "20", "--json"],
    ...bounds,
  ])
  expect(campaign.status).toBe(1)
  const { failures, shortest } = JSON.parse(campaign.output)
  const { seed } = shortest
  expect(failures).toMatchObject([{ seed, code: "SIM_BROKE" }])
  const calm = TROUBLES.filter((name) => name !== "crash").join()
  expect(shortest.plan.join(" ")).toBe(`--steps 8 --skip 0-2,4-6 --calm ${calm}`)
  const commands = [...campaign.errors.matchAll(/^again: npm run sim -- (.*)$/gm)]
  const [whole, again = ""] = commands.map(([, options]) => options)
  expect(whole).toBe(`--scenario bare --from ${seed} --seeds 1 --trace`)
  expect(`npm run sim -- ${again}`).toBe(shortest.command)
  const replayed = await sim(STEPS_3_AND_7, again.split(" "))
  expect(replayed.status).toBe(1)
  expect(replayed.errors).toContain(`bare: seed ${seed} fails: SIM_BROKE: on purpose\n`)
  expect(replayed.errors).toContain(`\nagain: ${shortest.command}\n`)
  expect(excerpt(replayed.output.trimEnd().split("\n"))).toEqual(shortest.trace)
  expect(replayed.output).toMatch(/^ +\d+\.\d{3} » step \d+: \w+$/m)
})

test("with --keep-going all that fail are listed, each with its command", {
  timeout: 60_000,
}, async () => {
  const options = ["--keep-going", "--no-shrink", "--workers", "1"]
  const { errors, output, status } = await sim(FIRST_TWO, [
    ...["--scenario", "bare", "--seeds", "3"],
    ...options,
  ])
  expect(status).toBe(1)
  const failed = [...errors.matchAll(/^bare: seed (\d) fails: SIM_BROKE: on purpose/gm)].map(
    ([, seed]) => seed,
  )
  expect(failed.toSorted()).toEqual(["1", "2"])
  const again = [...errors.matchAll(/^again: npm run sim -- .* --from (\d) --seeds 1 --trace$/gm)]
  expect(again.map(([, seed]) => seed)).toEqual(failed)
  expect(output).toMatch(/^bare: 3 of 3 seeds, 2 failed, /m)
})

test("of a long trace the acts and the end are shown", () => {
  const trace = Array.from({ length: 300 }, (_, at) => (at % 100 === 0 ? `» step ${at}` : `${at}`))
  const shown = excerpt(trace)
  expect(shown.slice(0, 4)).toEqual([
    "(217 lines are left out)",
    "» step 0",
    "» step 100",
    "» step 200",
  ])
  expect(shown.slice(4)).toEqual(trace.slice(-80))
  expect(excerpt(trace.slice(0, 80))).toEqual(trace.slice(0, 80))
})

test("a seed whose runs differ is run again without its trace, so that it is run twice", () => {
  expect(replayCommand("pair", { seed: 7, code: "SIM_UNREPEATABLE" }, [])).toBe(
    "npm run sim -- --scenario pair --from 7 --seeds 1",
  )
})

test("a code is told once, whether the message begins with it or not", () => {
  const line = "bare: seed 3 fails: SIM_LOST: gone"
  for (const message of ["gone", "SIM_LOST: gone"]) {
    expect(failureLine("bare", { seed: 3, code: "SIM_LOST", message })).toBe(line)
  }
})
