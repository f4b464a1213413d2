/**
 * What happened in a run, line by line, and one hash of it all: two runs of one seed are the same
 * run exactly if they end with the same hash.
 *
 * @module
 */
import { bytesToHex, utf8ToBytes } from "@fulcrum/codec/bytes"
import { sha256 } from "@fulcrum/crypto/hash"
import type { VirtualClock } from "./virtual-clock.ts"

const LINES_AT_ONCE = 256
/** Begins the text of a line that is a scenario's act, not what came of it. */
export const STEP_MARK = "»"

export class Trace {
  readonly #clock: VirtualClock
  readonly #show: ((line: string) => void) | undefined
  readonly #stir: () => void
  readonly #taps = new Map<string, (message: Uint8Array) => void>()
  /** Of all lines but those in {@link Trace.#lines}, which are hashed together. */
  #hash: Uint8Array = new Uint8Array(32)
  #lines: string[] = []
  #count = 0

  constructor(options: {
    readonly clock: VirtualClock
    readonly stir: () => void
    readonly show: ((line: string) => void) | undefined
  }) {
    this.#clock = options.clock
    this.#stir = options.stir
    this.#show = options.show
  }

  /** @param bytes - Told apart by their hash. */
  note(text: string, bytes?: Uint8Array): void {
    const about = bytes ? ` ${bytes.length} ${bytesToHex(sha256(bytes)).slice(0, 8)}` : ""
    const seconds = ((this.#clock.now() - this.#clock.startMs) / 1000).toFixed(3)
    const line = `${seconds.padStart(10)} ${text}${about}`
    this.#lines.push(line)
    if (this.#lines.length === LINES_AT_ONCE) this.#fold()
    this.#count++
    this.#stir()
    this.#show?.(line)
  }

  /** What a scenario does next, by the number with which `--skip` leaves it out. */
  step(step: number, act: string): void {
    this.note(`${STEP_MARK} step ${step}: ${act}`)
  }

  /** Hands over every message that a machine receives. */
  onReceived(machine: string, tap: (message: Uint8Array) => void): void {
    this.#taps.set(machine, tap)
  }

  received(machine: string, message: Uint8Array): void {
    this.#taps.get(machine)?.(message)
  }

  get count(): number {
    return this.#count
  }

  get hash(): string {
    this.#fold()
    return bytesToHex(this.#hash)
  }

  #fold(): void {
    if (this.#lines.length === 0) return
    this.#hash = sha256(this.#hash, utf8ToBytes(this.#lines.join("\n")))
    this.#lines = []
  }
}
