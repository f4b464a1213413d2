/**
 * Runs one scenario under one seed.
 *
 * @module
 */
import { Dice } from "./dice.ts"
import { drawTrouble, type Trouble } from "./faults.ts"
import { type Plan, WHOLE } from "./plan.ts"
import type { ScenarioName } from "./scenario-names.ts"
import { World } from "./world.ts"

interface Prepared {
  /** When the run's time begins; absent: when all do. */
  readonly startMs?: number
  run(world: World, trouble: Trouble, plan: Plan): Promise<void>
}

export interface Scenario {
  /** Loads, a scenario's own modules among it, and makes what a run may not wait for: it comes from outside its clock. */
  prepare(seed: number, turn: () => Promise<void>): Promise<Prepared>
}

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  apart: {
    prepare: async (seed, turn) => {
      const { runApart } = await import("./apart-scenario.ts")
      const { settledHousehold } = await import("./household.ts")
      const settled = await settledHousehold(seed, turn)
      return {
        startMs: settled.endMs,
        run: (world, trouble, plan) => runApart(world, trouble, { settled, plan }),
      }
    },
  },
  bare: {
    prepare: async () => {
      const { runBare } = await import("./bare-scenario.ts")
      return { run: runBare }
    },
  },
  basic: {
    prepare: async (seed, turn) => {
      const { runBasic } = await import("./basic-scenario.ts")
      const { settledTown } = await import("./town.ts")
      const town = await settledTown(seed, turn)
      return {
        startMs: town.endMs,
        run: (world, trouble, plan) => runBasic(world, trouble, { settled: town, plan }),
      }
    },
  },
  members: {
    prepare: async () => {
      const { prepareKeys } = await import("./member-keys.ts")
      const { runMembers } = await import("./members-scenario.ts")
      prepareKeys()
      return { run: runMembers }
    },
  },
  pair: {
    prepare: async () => {
      const { preparePair, runPair } = await import("./pair-scenario.ts")
      await preparePair()
      return { run: runPair }
    },
  },
}

/** Longest that a run may take, in virtual time: a day. */
const RUN_MS = 86_400_000

export interface SeedRun {
  readonly scenario: ScenarioName
  readonly seed: number
  /** Resolves once no promise job is left, as `setImmediate` does. */
  readonly turn: () => Promise<void>
  /** What of the run is left out; absent: nothing. */
  readonly plan?: Plan | undefined
  /** Gets each line of the trace. */
  readonly show?: (line: string) => void
}

export interface SeedResult {
  /** The same for the same seed. */
  readonly hash: string
  /** Lines in the trace. */
  readonly lines: number
  readonly virtualMs: number
}

/** @throws {SimError} and whatever the programs under test let through. */
export async function runSeed({
  scenario,
  seed,
  turn,
  plan = WHOLE,
  show,
}: SeedRun): Promise<SeedResult> {
  const { startMs, run } = await SCENARIOS[scenario].prepare(seed, turn)
  const world = new World({ seed, turn, startMs, ...(show && { show }) })
  const trouble = drawTrouble(new Dice(world.random.fork("trouble")))
  await world.clock.run(run(world, trouble, plan), RUN_MS)
  world.throwIfAlarmed()
  const { hash, count } = world.trace
  return { hash, lines: count, virtualMs: world.clock.now() - world.clock.startMs }
}
