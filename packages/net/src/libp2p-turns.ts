/**
 * Turns of reading: where many sockets send much, they are read one after another.
 *
 * Node reads whatever every socket has before it does anything else. With hundreds that send as
 * much as they can, one turn of its loop takes seconds, and a handshake takes several turns. So once
 * {@link TURN_BYTES} have been read in a turn, each socket that has had {@link PART_BYTES} waits, and
 * in each later turn only as many of those that wait are read on as had {@link TURN_BYTES} together,
 * the longest waiting first. Whoever sends little never waits. Of a socket that waits Node holds up
 * to two parts.
 *
 * Source: deficit round robin (Shreedhar and Varghese, SIGCOMM 1995), of one quantum.
 *
 * @module
 */
import type { Socket } from "node:net"

/** What one socket may send in a turn before it may have to wait. */
export const PART_BYTES: number = 64 * 1024
/** What is read in one turn of the loop before sockets wait: some milliseconds of deciphering. */
export const TURN_BYTES: number = 512 * 1024

export class ReadingTurns {
  readonly #waiting = new Set<Turns>()
  #number = 0
  /** Read in this turn, of all sockets. */
  #bytes = 0
  #next: NodeJS.Immediate | undefined

  /** From now on this socket takes turns with the others; until it closes. */
  add(socket: Socket): void {
    const turns = new Turns(socket)
    socket.on("data", (chunk: Uint8Array) => {
      this.#bytes += chunk.length
      this.#next ??= setImmediate(() => this.#turn())
      const part = turns.read(chunk.length, this.#number)
      if (part < PART_BYTES || this.#bytes < TURN_BYTES) return
      turns.wait()
      this.#waiting.add(turns)
    })
    socket.once("close", () => this.#waiting.delete(turns))
  }

  #turn(): void {
    this.#next = undefined
    this.#bytes = 0
    this.#number++
    let bytes = 0
    // The set keeps the order of insertion; who waits again goes to its end, in a later turn.
    for (const turns of this.#waiting) {
      this.#waiting.delete(turns)
      bytes += turns.goOn()
      if (bytes >= TURN_BYTES) break
    }
    if (this.#waiting.size > 0) this.#next ??= setImmediate(() => this.#turn())
  }
}

/** One socket's; whoever else pauses it and lets it go on is heeded too. */
class Turns {
  /** What it sent in the turn that it was last read in. */
  #bytes = 0
  #turn = 0
  readonly #pause: () => Socket
  readonly #resume: () => Socket
  #isWaiting = false
  #isPaused: boolean

  constructor(socket: Socket) {
    this.#pause = socket.pause.bind(socket)
    this.#resume = socket.resume.bind(socket)
    this.#isPaused = socket.isPaused()
    socket.pause = () => {
      this.#isPaused = true
      return this.#pause()
    }
    socket.resume = () => {
      this.#isPaused = false
      return this.#isWaiting ? socket : this.#resume()
    }
  }

  /** @returns What it has sent in this turn. */
  read(bytes: number, turn: number): number {
    if (turn !== this.#turn) this.#bytes = 0
    this.#turn = turn
    this.#bytes += bytes
    return this.#bytes
  }

  wait(): void {
    this.#isWaiting = true
    this.#pause()
  }

  /** @returns What it sent before it had to wait. */
  goOn(): number {
    this.#isWaiting = false
    if (!this.#isPaused) this.#resume()
    return this.#bytes
  }
}
