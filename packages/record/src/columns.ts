/**
 * Automerge's column encodings: LEB128 numbers, run-length rows, deltas and booleans, each read
 * within a bound on rows, so that no run is unrolled before it is counted.
 *
 * A run: `n > 0` and a value (n times), `n < 0` and -n values, or `0` and how many nulls.
 *
 * @module
 */
import { bytesToUtf8 } from "@fulcrum/codec/bytes"

/** Reads bytes in order; whatever is not there or too large is a `RangeError`. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw new RangeError("cut short")
    this.#at++
    return byte
  }

  take(length: number): Uint8Array {
    if (length > this.left) throw new RangeError("cut short")
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** Unsigned LEB128, in its shortest form. */
  uint(max: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (value > max) throw new RangeError("a number too large")
      if (byte >= 128) continue
      if (byte === 0 && scale > 1) throw new RangeError("a number not in its shortest form")
      return value
    }
  }

  /** Signed LEB128, of safe integers. */
  int(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      if (scale > 2 ** 56) throw new RangeError("a number too large")
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte >= 128) continue
      if ((byte & 64) !== 0) value -= scale * 128
      if (!Number.isSafeInteger(value)) throw new RangeError("a number too large")
      return value
    }
  }

  /** Steps over a LEB128 of at most 64 bits. */
  skipInteger(): void {
    for (let length = 1; this.byte() >= 128; length++) {
      if (length === 10) throw new RangeError("a number too large")
    }
  }

  text(): string {
    return bytesToUtf8(this.take(this.uint()))
  }

  /** Nothing is left. */
  end(): void {
    if (this.left !== 0) throw new RangeError("bytes left over")
  }
}

/** @throws {RangeError} More than `rowsMax` rows, or malformed. */
export function readRuns<T>(
  reader: ByteReader,
  rowsMax: number,
  read: (reader: ByteReader) => T,
): readonly (T | null)[] {
  const rows: (T | null)[] = []
  while (reader.left > 0) {
    const run = reader.int()
    const count = run === 0 ? reader.uint() : Math.abs(run)
    if (rows.length + count > rowsMax) throw new RangeError("more rows than allowed")
    if (run < 0) for (let at = 0; at < count; at++) rows.push(read(reader))
    else {
      const value = run === 0 ? null : read(reader)
      for (let at = 0; at < count; at++) rows.push(value)
    }
  }
  return rows
}

/** Run-length differences to the row before. */
export function readDeltas(reader: ByteReader, rowsMax: number): readonly (number | null)[] {
  let value = 0
  return readRuns(reader, rowsMax, (row) => row.int()).map((difference) => {
    if (difference === null) return null
    value += difference
    return value
  })
}

/** A boolean column that is `false` in each of `rows` rows. */
export function readFalses(reader: ByteReader, rows: number): void {
  if (reader.uint() !== rows) throw new RangeError("not false throughout")
  reader.end()
}
