/**
 * A world under one seed: time, machines, and the network between them.
 *
 * Everything in it draws from streams that the seed and a name decide, so that a run repeats
 * exactly, and what one machine draws changes nothing for another.
 *
 * @module
 */
import { type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import type { Discovery } from "@fulcrum/net/discovery"
import { type LinkQuality, MemoryNetwork } from "@fulcrum/net/memory"
import { memoryDiscovery } from "@fulcrum/net/memory-discovery"
import { Machine } from "./machine.ts"
import type { SimError } from "./sim-error.ts"
import { Trace } from "./trace.ts"
import { VirtualClock } from "./virtual-clock.ts"

export interface WorldOptions {
  readonly seed: number | string
  /** When its time begins; absent: when all do. */
  readonly startMs?: number | undefined
  /** Resolves once no promise job is left, as `setImmediate` does. */
  readonly turn: () => Promise<void>
  readonly show?: (line: string) => void
}

export class World {
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly trace: Trace
  readonly network: MemoryNetwork
  readonly discovery: Discovery
  readonly #machines = new Map<string, Machine>()
  #alarm: SimError | undefined

  constructor({ seed, turn, show, startMs }: WorldOptions) {
    this.clock = new VirtualClock({ turn, startMs })
    this.random = seededRandom(seed)
    this.trace = new Trace({ clock: this.clock, stir: () => this.clock.stir(), show })
    const random = this.random.fork("network")
    this.network = new MemoryNetwork({ clock: this.clock, random })
    this.discovery = memoryDiscovery()
  }

  /** Something was seen that may never be, whatever the programs make of it. */
  alarm(error: SimError): void {
    this.#alarm ??= error
  }

  /** @throws {SimError} The first alarm. */
  throwIfAlarmed(): void {
    if (this.#alarm) throw this.#alarm
  }

  machine(name: string): Machine {
    const machine = this.#machines.get(name) ?? new Machine(this, this.network, name)
    this.#machines.set(name, machine)
    return machine
  }

  /** Sets how well every two of these machines hear each other. */
  linkAll(names: readonly string[], quality: Partial<LinkQuality>): void {
    for (const [at, a] of names.entries()) {
      for (const b of names.slice(at + 1)) this.network.link(a, b, quality)
    }
  }
}
