/**
 * A machine: a disk that outlives crashes, and at most one program running on it.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { RECORD_NONCE_BYTES } from "@fulcrum/crypto/aead"
import type { SeededRandom } from "@fulcrum/crypto/random"
import type { MemoryNetwork } from "@fulcrum/net/memory"
import type { Store, WriteOp } from "@fulcrum/store"
import { MemoryDisk, type MemoryFault, openMemoryStore } from "@fulcrum/store/memory"
import { Dice } from "./dice.ts"
import { Life, LifeStore } from "./life.ts"
import { Noise } from "./noise.ts"
import { SimError } from "./sim-error.ts"
import type { World } from "./world.ts"

/** How a disk misbehaves: chances are for each flush. */
export interface DiskQuality {
  readonly flushMs: readonly [least: number, most: number]
  /** The flush fails and the program lives on. */
  readonly failChance: number
  /** The machine dies in the flush. */
  readonly crashChance: number
}

export const PERFECT_DISK: DiskQuality = { flushMs: [0, 0], failChance: 0, crashChance: 0 }

const FAILURES = ["fail-before", "fail-after"] as const

export class Machine {
  readonly name: string
  quality: DiskQuality = PERFECT_DISK
  /** Of each message that it sends, to be something else. */
  noiseChance = 0
  /** What happens to the next flushes, before chance is asked; `undefined`: nothing. */
  readonly nextFlushes: (MemoryFault | undefined)[] = []
  readonly #world: World
  readonly #network: MemoryNetwork
  readonly #random: SeededRandom
  readonly #dice: Dice
  readonly #noiseDice: Dice
  #clockOffsetMs = 0
  #mostAheadMs = 0
  #disk: MemoryDisk
  /** Of everything that was written here, whatever became of it. */
  readonly #nonces = new Set<string>()
  #life: Life | undefined
  #starts = 0
  #isDying = false
  #hasMadeNoise = false

  constructor(world: World, network: MemoryNetwork, name: string) {
    this.name = name
    this.#world = world
    this.#network = network
    this.#random = world.random.fork(`machine ${name}`)
    this.#dice = new Dice(this.#random.fork("disk"))
    this.#noiseDice = new Dice(this.#random.fork("noise"))
    this.#disk = this.#mounted(new MemoryDisk())
  }

  /** How wrong the clock is; it may be set while a program runs. */
  get clockOffsetMs(): number {
    return this.#clockOffsetMs
  }

  set clockOffsetMs(ms: number) {
    this.#clockOffsetMs = ms
    this.#mostAheadMs = Math.max(this.#mostAheadMs, ms)
  }

  /** How far ahead the clock was at most. */
  get mostAheadMs(): number {
    return this.#mostAheadMs
  }

  /** Says in the trace what happens to it. */
  note(what: string): void {
    this.#world.trace.note(`${this.name} ${what}`)
  }

  /** What its disk holds now, as a backup or a copied folder would have it. */
  backUp(): MemoryDisk {
    return this.#disk.copy({})
  }

  /** Puts in a disk that holds what `disk` does. Nothing runs meanwhile. */
  insert(disk: MemoryDisk): void {
    if (this.#life) throw new RangeError(`${this.name} runs`)
    this.#world.trace.note(`${this.name} gets another disk, of ${disk.usedBytes} bytes`)
    this.#disk = this.#mounted(disk)
  }

  /** A bit on its disk flips. Nothing runs meanwhile. */
  flipBit(dice: Dice): void {
    if (this.#life) throw new RangeError(`${this.name} runs`)
    const bits = 8 * this.#disk.usedBytes
    if (bits === 0) return
    const bit = dice.below(bits)
    this.#world.trace.note(`${this.name}: bit ${bit} of ${bits} flips`)
    this.#disk.flipBit(bit)
  }

  /** Whether a bit that flipped is on its disk. */
  get isDamaged(): boolean {
    return this.#disk.hasFlippedBit
  }

  /** Whether anything that it sent was something else. */
  get hasMadeNoise(): boolean {
    return this.#hasMadeNoise
  }

  get isRunning(): boolean {
    return this.#life !== undefined
  }

  /** Bytes that the disk can hold; past it writes are refused. */
  set capacityBytes(bytes: number) {
    this.#disk.capacityBytes = bytes
  }

  get usedBytes(): number {
    return this.#disk.usedBytes
  }

  /** Starts a program; each start draws from a stream of its own, as a process does. */
  start(): Life {
    if (this.#life) throw new RangeError(`${this.name} runs already`)
    const start = this.#starts++
    const life = new Life({
      name: this.name,
      clock: this.#world.clock,
      clockOffsetMs: () => this.clockOffsetMs,
      random: this.#random.fork(`start ${start}`),
      network: this.#network.machine(this.name),
      discovery: this.#world.discovery,
      trace: this.#world.trace,
      noise: () => this.#noise(),
    })
    this.#life = life
    this.#world.trace.note(`${this.name} starts, clock ${this.clockOffsetMs} ms off`)
    return life
  }

  async openStore(life: Life): Promise<Store> {
    const store = await openMemoryStore({ disk: this.#disk })
    return new LifeStore(life, store, {
      failed: () => {
        if (this.#isDying) this.crash()
      },
      wrote: (ops) => this.#checkNonces(ops),
    })
  }

  /** What a vault writes begins with a nonce, drawn for it alone. */
  #checkNonces(ops: readonly WriteOp[]): void {
    for (const op of ops) {
      if (op.type === "del" || op.value.length < RECORD_NONCE_BYTES) continue
      const nonce = bytesToHex(op.value.subarray(0, RECORD_NONCE_BYTES))
      if (this.#nonces.has(nonce)) {
        this.#world.alarm(new SimError("SIM_REUSED", `${this.name} sealed twice under one nonce`))
      }
      this.#nonces.add(nonce)
    }
  }

  /** Pulls the plug. What was not flushed is gone, and the program with it. */
  crash(): void {
    const life = this.#life
    if (life === undefined) return
    this.#life = undefined
    this.#isDying = false
    this.#world.trace.note(`${this.name} crashes`)
    life.end()
    this.#disk.crash()
    this.#network.crash(this.name)
  }

  /** Resolves once what runs here now has died; never if nothing does. */
  died(): Promise<void> {
    const life = this.#life
    return new Promise((resolve) => {
      life?.signal.addEventListener("abort", () => resolve(), { once: true })
    })
  }

  /** For one channel. */
  #noise(): Noise {
    return new Noise(this.#noiseDice, () => {
      if (this.noiseChance > 0) this.#hasMadeNoise = true
      return this.noiseChance
    })
  }

  #mounted(disk: MemoryDisk): MemoryDisk {
    return disk.copy({
      fault: (flush) => this.#drawFault(flush),
      delay: () => this.#delay(),
    })
  }

  #drawFault(flush: { readonly index: number; readonly writes: number }): MemoryFault | undefined {
    const fault = this.#fault(flush.writes)
    const what = fault ? `, ${fault.type}` : ""
    this.#world.trace.note(`${this.name} flush ${flush.index} of ${flush.writes}${what}`)
    return fault
  }

  #fault(writes: number): MemoryFault | undefined {
    if (this.nextFlushes.length > 0) {
      const next = this.nextFlushes.shift()
      this.#isDying = next !== undefined && !next.type.startsWith("fail")
      return next
    }
    const { failChance, crashChance } = this.quality
    if (failChance > 0 && this.#dice.happens(failChance)) return { type: this.#dice.pick(FAILURES) }
    if (crashChance <= 0 || !this.#dice.happens(crashChance)) return undefined
    this.#isDying = true
    // As likely in the middle as before or after.
    return { type: "torn", landed: this.#dice.between(0, writes) }
  }

  async #delay(): Promise<void> {
    const [least, most] = this.quality.flushMs
    if (most > 0) await this.#world.clock.sleep(this.#dice.between(least, most))
  }
}
