/**
 * Runs one scenario under one seed.
 *
 * @module
 */
import { runBare } from "./bare-scenario.ts"
import { prepareBasic, runBasic } from "./basic-scenario.ts"
import { Dice } from "./dice.ts"
import { drawTrouble, type Trouble } from "./faults.ts"
import { prepareShop, runShop } from "./shop-scenario.ts"
import { World } from "./world.ts"

export interface Scenario {
  /** Loads what a run may not wait for, since it comes from outside its clock. */
  prepare?(): Promise<void>
  run(world: World, trouble: Trouble): Promise<void>
}

export type ScenarioName = "bare" | "basic" | "shop"

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  bare: { run: runBare },
  basic: { prepare: prepareBasic, run: runBasic },
  shop: { prepare: prepareShop, run: runShop },
}

/** Longest that a run may take, in virtual time: a day. */
const RUN_MS = 86_400_000

export interface SeedRun {
  readonly scenario: ScenarioName
  readonly seed: number
  /** Resolves in a later turn of the event loop, as `setImmediate` does. */
  readonly turn: () => Promise<void>
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
export async function runSeed({ scenario, seed, turn, show }: SeedRun): Promise<SeedResult> {
  await SCENARIOS[scenario].prepare?.()
  const world = new World({ seed, turn, ...(show && { show }) })
  const startMs = world.clock.now()
  const trouble = drawTrouble(new Dice(world.random.fork("trouble")))
  await world.clock.run(SCENARIOS[scenario].run(world, trouble), RUN_MS)
  const { hash, count } = world.trace
  return { hash, lines: count, virtualMs: world.clock.now() - startMs }
}
