/**
 * Where the time of runs goes: seeds are run in this process while V8's profiler looks.
 *
 * @module
 */
import { Session } from "node:inspector/promises"
import { rememberSignatures } from "@fulcrum/crypto/remembering"
import { runSeed } from "../run-seed.ts"
import type { ScenarioName } from "../scenario-names.ts"
import { type ProfileShare, profileShares, type SelfTime, selfTimes } from "./profile-shares.ts"
import { turns } from "./turn.ts"

const EVERY_MICROS = 500
const FUNCTIONS_SHOWN_MAX = 25

export interface RunsProfile {
  readonly scenario: ScenarioName
  readonly seeds: number
  readonly seconds: number
  /** Of this process, its collector's and compiler's threads among it. */
  readonly cpuSeconds: number
  readonly shares: readonly ProfileShare[]
  readonly functions: readonly SelfTime[]
}

/** @throws {SimError} and whatever else a seed fails with. */
export async function profileRuns({
  scenario,
  from,
  seeds,
}: {
  readonly scenario: ScenarioName
  readonly from: number
  readonly seeds: number
}): Promise<RunsProfile> {
  rememberSignatures()
  const runs = async () => {
    for (let seed = from; seed < from + seeds; seed++) {
      await runSeed({ scenario, seed, turn: turns() })
    }
  }
  // What is loaded, settled and compiled once is not what a run costs.
  await runs()
  const session = new Session()
  session.connect()
  try {
    await session.post("Profiler.enable")
    await session.post("Profiler.setSamplingInterval", { interval: EVERY_MICROS })
    await session.post("Profiler.start")
    const [begun, cpu] = [performance.now(), process.cpuUsage()]
    await runs()
    const [used, ended] = [process.cpuUsage(cpu), performance.now()]
    const { profile } = await session.post("Profiler.stop")
    const times = selfTimes(profile)
    return {
      ...{ scenario, seeds },
      seconds: (ended - begun) / 1000,
      cpuSeconds: (used.user + used.system) / 1_000_000,
      shares: profileShares(times),
      functions: times.slice(0, FUNCTIONS_SHOWN_MAX),
    }
  } finally {
    session.disconnect()
  }
}

/** As lines for people. */
export function describeProfile(profile: RunsProfile): string {
  const { scenario, seeds, seconds, cpuSeconds, shares, functions } = profile
  const total = shares.reduce((sum, { ms }) => sum + ms, 0)
  const row = (ms: number, text: string) =>
    `${((100 * ms) / total).toFixed(1).padStart(6)} % ${ms.toFixed(0).padStart(8)} ms  ${text}`
  const rates = `${(seeds / seconds).toFixed(1)} a second, ${(seeds / cpuSeconds).toFixed(1)} a second of processor time`
  return [
    `${scenario}: ${seeds} seeds under the profiler, ${rates}`,
    "where the time goes:",
    ...shares.map(({ group, ms }) => row(ms, group)),
    "in which functions:",
    ...functions.map(({ group, name, place, ms }) => row(ms, `${group}: ${name} ${place}`.trim())),
  ].join("\n")
}
