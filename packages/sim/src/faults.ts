/**
 * Troubles: what goes wrong in a run and how often, and how it ends.
 *
 * @module
 */
import type { Dice } from "./dice.ts"
import { type Machine, PERFECT_DISK } from "./machine.ts"
import type { World } from "./world.ts"

const FLIP_CHANCE = 0.1
const DAY_MS = 86_400_000

/** Acts that a scenario may know beside its ordinary ones, which weigh 50 together. */
const ACTS = {
  /** A span is brought late, again, out of order or changed. */
  carry: 15,
  crash: 8,
  stop: 4,
  network: 10,
  full: 3,
  /** A clock is set, forward or back, while programs run. */
  clock: 3,
  /** A backup is made, or put back; a folder is copied to another machine. */
  backup: 4,
  /** A relay loses its disk, goes back to an older one, or withholds what it has. */
  relapse: 6,
} as const
type Act = keyof typeof ACTS

/** Everything that a run may have of trouble; each can be left out alone. */
export const TROUBLES = [
  "carry",
  "crash",
  "stop",
  "network",
  "full",
  "clock",
  "backup",
  "flip",
  "relapse",
  "disk",
  "slow",
  "loss",
  "noise",
] as const
export type TroubleName = (typeof TROUBLES)[number]

export interface Trouble {
  readonly weights: Readonly<Record<Act, number>>
  /** For each flush. */
  readonly diskFailChance: number
  readonly diskCrashChance: number
  readonly flushMsMax: number
  /** For each message, which then breaks its connection. */
  readonly breakChance: number
  readonly latencyMsMax: number
  /** For each message of the one machine that sends anything. */
  readonly noiseChance: number
  /** For each step of a run in which disks go bad: a bit flips. */
  readonly flipChance: number
  /** How far machines' clocks may be off, in days, either way. */
  readonly clockDaysMax: number
}

/** Draws which troubles a run has. */
export function drawTrouble(dice: Dice): Trouble {
  const some = (most: number) => (dice.happens(0.4) ? 0 : dice.between(1, most))
  const chance = (most: number) => (dice.happens(0.5) ? 0 : (dice.between(1, 100) / 100) * most)
  const seldom = <T>(rare: T, usual: T) => (dice.happens(0.1) ? rare : usual)
  const weights = Object.fromEntries(
    Object.entries(ACTS).map(([act, most]) => [act, some(most)]),
  ) as Record<Act, number>
  const clockDaysMax = dice.happens(0.7) ? 0 : dice.pick([1, 100, 4000])
  return {
    weights: clockDaysMax === 0 ? { ...weights, clock: 0 } : weights,
    diskFailChance: chance(0.1),
    diskCrashChance: chance(0.05),
    flushMsMax: some(seldom(3_000, 30)),
    breakChance: chance(seldom(0.5, 0.03)),
    latencyMsMax: some(seldom(8_000, 800)),
    noiseChance: dice.happens(0.8) ? 0 : chance(seldom(1, 0.1)),
    flipChance: FLIP_CHANCE,
    clockDaysMax,
  }
}

/** The same without one of its troubles. */
export function without(trouble: Trouble, name: TroubleName): Trouble {
  switch (name) {
    case "disk":
      return { ...trouble, diskFailChance: 0, diskCrashChance: 0 }
    case "slow":
      return { ...trouble, flushMsMax: 0, latencyMsMax: 0 }
    case "loss":
      return { ...trouble, breakChance: 0 }
    case "noise":
      return { ...trouble, noiseChance: 0 }
    case "flip":
      return { ...trouble, flipChance: 0 }
    case "clock":
      return { ...trouble, clockDaysMax: 0, weights: { ...trouble.weights, clock: 0 } }
    default:
      return { ...trouble, weights: { ...trouble.weights, [name]: 0 } }
  }
}

/** Sets a clock wrong, as a machine's that was long without power, or whose user set it. */
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
  const acts = ["cut", "partition", "deafen", "break", "quality", "heal", "heal"] as const
  const what = dice.pick(acts)
  trace.note(`network: ${what} ${one} ${other}`)
  switch (what) {
    case "cut":
      network.cut(one, other)
      return
    case "partition":
      network.partition([[one], names.filter((name) => name !== one)])
      return
    case "deafen":
      network.silence(one, other)
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
    machine.noiseChance = 0
  }
  // What was garbled on the way is not repeated: whoever waits for it begins anew.
  if (machines.some(({ hasMadeNoise }) => hasMadeNoise)) world.network.breakConnections()
}
