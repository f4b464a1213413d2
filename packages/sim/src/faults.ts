/**
 * Troubles: what goes wrong in a run and how often, and how it ends.
 *
 * @module
 */
import type { Dice } from "./dice.ts"
import { type Machine, PERFECT_DISK } from "./machine.ts"
import type { World } from "./world.ts"

const DAY_MS = 86_400_000

export interface Trouble {
  /** How often each act comes beside the ordinary ones, which weigh 50 together. */
  readonly weights: {
    readonly carry: number
    readonly crash: number
    readonly stop: number
    readonly network: number
    readonly full: number
  }
  /** For each flush. */
  readonly diskFailChance: number
  readonly diskCrashChance: number
  readonly flushMsMax: number
  /** For each message. */
  readonly breakChance: number
  readonly latencyMsMax: number
  /** How far machines' clocks may be off, in days, either way. */
  readonly clockDaysMax: number
}

/** Draws which troubles a run has. */
export function drawTrouble(dice: Dice): Trouble {
  const some = (most: number) => (dice.happens(0.4) ? 0 : dice.between(1, most))
  const chance = (most: number) => (dice.happens(0.5) ? 0 : (dice.between(1, 100) / 100) * most)
  return {
    weights: { carry: some(15), crash: some(8), stop: some(4), network: some(10), full: some(3) },
    diskFailChance: chance(0.1),
    diskCrashChance: chance(0.05),
    flushMsMax: some(30),
    breakChance: chance(0.03),
    latencyMsMax: some(800),
    clockDaysMax: dice.happens(0.7) ? 0 : dice.pick([1, 100, 4000]),
  }
}

/** Sets a clock wrong, as a machine's that was long without power. */
export function troubleClock(machine: Machine, { clockDaysMax }: Trouble, dice: Dice): void {
  if (clockDaysMax > 0) machine.clockOffsetMs = dice.between(-clockDaysMax, clockDaysMax) * DAY_MS
}

export function troubleMachine(machine: Machine, trouble: Trouble): void {
  machine.quality = {
    flushMs: [0, trouble.flushMsMax],
    failChance: trouble.diskFailChance,
    crashChance: trouble.diskCrashChance,
  }
}

/** One thing happens to the network. */
export function troubleNetwork(
  world: World,
  names: readonly string[],
  trouble: Trouble,
  dice: Dice,
): void {
  const { network, trace } = world
  const one = dice.pick(names)
  const other = dice.pick(names.filter((name) => name !== one))
  const what = dice.pick(["cut", "partition", "break", "quality", "heal", "heal"] as const)
  trace.note(`network: ${what} ${one} ${other}`)
  switch (what) {
    case "cut":
      network.cut(one, other)
      return
    case "partition":
      network.partition([[one], names.filter((name) => name !== one)])
      return
    case "break":
      network.breakConnections(one, other)
      return
    case "quality":
      network.link(one, other, {
        latencyMs: [0, trouble.latencyMsMax],
        breakChance: trouble.breakChance,
      })
      return
    case "heal":
      network.heal()
  }
}

/** From here on nothing goes wrong. */
export function healWorld(world: World, machines: readonly Machine[]): void {
  world.trace.note("everything heals")
  world.network.heal()
  const names = machines.map(({ name }) => name)
  world.linkAll(names, { latencyMs: [1, 20], breakChance: 0 })
  for (const machine of machines) {
    machine.quality = PERFECT_DISK
    machine.capacityBytes = Number.POSITIVE_INFINITY
    machine.clockOffsetMs = 0
  }
}
