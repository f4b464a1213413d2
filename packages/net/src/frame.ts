/**
 * Messages on a stream of bytes: each is its length, u32 big-endian, then its bytes.
 *
 * The length is checked against the cap as soon as its four bytes are there. Room is then made
 * for what has arrived, never for what was announced.
 *
 * @module
 */

import { NetError } from "./contract.ts"

export const FRAME_HEADER_BYTES = 4

/** Below this a chunk is copied into a shared block, lest a list of crumbs outgrow its bytes. */
const CRUMB_BYTES = 1024
const BLOCK_BYTES = 16 * 1024

/** The four bytes before a message of this length. */
export function frameHeader(length: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES)
  new DataView(header.buffer).setUint32(0, length)
  return header
}

/** Collects chunks as they arrive and gives whole messages, each in bytes of its own. */
export class FrameReader {
  readonly #bytesMax: number
  #chunks: Uint8Array[] = []
  /** Bytes of the first chunk that were already taken. */
  #offset = 0
  #bytes = 0
  /** Free part of the block that the last chunk lies in, if it was a crumb. */
  #room: Uint8Array = new Uint8Array(0)

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes held and not yet taken. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes of the message that comes next, with its header; 0 while that is not known. */
  get wanted(): number {
    return this.#bytes < FRAME_HEADER_BYTES ? 0 : FRAME_HEADER_BYTES + this.#peekLength()
  }

  /** Takes over a chunk; the caller must not change it any more. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#bytes += chunk.length
    // What fits goes where the last one lies: a block that is left half empty is held too.
    if (chunk.length >= CRUMB_BYTES && chunk.length > this.#room.length) {
      this.#chunks.push(chunk)
      this.#room = new Uint8Array(0)
      return
    }
    if (this.#room.length < chunk.length) {
      // Of twice what there is: a short message costs little, and many crumbs few blocks.
      this.#room = new Uint8Array(Math.min(BLOCK_BYTES, Math.max(CRUMB_BYTES, 2 * this.#bytes)))
      this.#chunks.push(this.#room.subarray(0, 0))
    }
    const last = this.#chunks.pop() ?? this.#room.subarray(0, 0)
    this.#room.set(chunk)
    this.#room = this.#room.subarray(chunk.length)
    this.#chunks.push(new Uint8Array(last.buffer, last.byteOffset, last.length + chunk.length))
  }

  /**
   * The next whole message, or undefined until more arrives.
   *
   * @throws {NetError} `NET_MESSAGE_TOO_LARGE`.
   */
  next(): Uint8Array | undefined {
    if (this.#bytes < FRAME_HEADER_BYTES) return undefined
    const length = this.#peekLength()
    if (length > this.#bytesMax) {
      throw new NetError(
        "NET_MESSAGE_TOO_LARGE",
        `a message of ${length} bytes was announced; the most is ${this.#bytesMax}`,
      )
    }
    if (this.#bytes < FRAME_HEADER_BYTES + length) return undefined
    this.#take(new Uint8Array(FRAME_HEADER_BYTES))
    return this.#take(new Uint8Array(length))
  }

  #peekLength(): number {
    let length = 0
    let index = 0
    let offset = this.#offset
    for (let seen = 0; seen < FRAME_HEADER_BYTES; seen++) {
      while (offset >= (this.#chunks[index]?.length ?? Number.POSITIVE_INFINITY)) {
        index++
        offset = 0
      }
      length = length * 256 + (this.#chunks[index]?.[offset] ?? 0)
      offset++
    }
    return length
  }

  #take(into: Uint8Array): Uint8Array {
    let filled = 0
    let index = 0
    while (filled < into.length) {
      const chunk = this.#chunks[index] ?? new Uint8Array(0)
      const part = chunk.subarray(this.#offset, this.#offset + into.length - filled)
      into.set(part, filled)
      filled += part.length
      this.#offset += part.length
      if (this.#offset < chunk.length) break
      index++
      this.#offset = 0
    }
    if (index > 0) this.#chunks.splice(0, index)
    if (this.#chunks.length === 0) this.#room = new Uint8Array(0)
    this.#bytes -= into.length
    return into
  }
}
