/**
 * Automerge's column encodings: LEB128 numbers, run-length rows, deltas and booleans, each read
 * within a bound on rows, so that no run is unrolled before it is counted.
 *
 * A run: `n > 0` and a value (n times), `n < 0` and -n values, or `0` and how many nulls.
 *
 * @module
 */
import { bytesToUtf8, utf8ToBytes } from "@fulcrum/codec/bytes"

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

/** Writes what {@link ByteReader} reads. */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  /** @param capacity - Bytes to begin with; it grows by itself. */
  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  clear(): void {
    this.#length = 0
  }

  byte(byte: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = byte
  }

  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** Unsigned LEB128. @param value - A safe integer from 0. */
  uint(value: number): void {
    for (; value >= 128; value = Math.floor(value / 128)) this.byte((value % 128) + 128)
    this.byte(value)
  }

  /** Signed LEB128. @param value - A safe integer. */
  int(value: number): void {
    for (;;) {
      const low = ((value % 128) + 128) % 128
      value = (value - low) / 128
      const isLast = (value === 0 && low < 64) || (value === -1 && low >= 64)
      this.byte(isLast ? low : low + 128)
      if (isLast) return
    }
  }

  /** Its length, then the bytes. */
  sized(bytes: Uint8Array): void {
    this.uint(bytes.length)
    this.bytes(bytes)
  }

  text(text: string): void {
    this.sized(utf8ToBytes(text))
  }

  /** All of it, until more is written. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #room(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

/**
 * Writes rows as Automerge does: two or more that are equal as one run, what stands between as one
 * list.
 */
export function writeRuns<T>(
  writer: ByteWriter,
  rows: readonly T[],
  write: (writer: ByteWriter, row: T) => void,
): void {
  for (let at = 0; at < rows.length; ) {
    const equal = equalFrom(rows, at)
    let end = at + equal
    if (equal === 1) while (end < rows.length && equalFrom(rows, end) === 1) end++
    writer.int(equal > 1 ? equal : at - end)
    for (const row of rows.slice(at, equal > 1 ? at + 1 : end)) write(writer, row)
    at = end
  }
}

/** How many rows from here on are equal. */
function equalFrom<T>(rows: readonly T[], from: number): number {
  let end = from + 1
  while (end < rows.length && rows[end] === rows[from]) end++
  return end - from
}

/** Differences to the row before, from 0. */
export function writeDeltas(writer: ByteWriter, rows: readonly number[]): void {
  const differences = rows.map((row, at) => row - (rows[at - 1] ?? 0))
  writeRuns(writer, differences, (to, difference) => to.int(difference))
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
