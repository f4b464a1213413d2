/**
 * CRC-32C (Castagnoli), with which LevelDB guards its files; `node:zlib` has another one.
 *
 * Eight bytes at a step, from eight tables ("slicing by 8").
 *
 * @module
 */

const POLYNOMIAL = 0x82f63b78
const SLICES = 8

/** Slice `s` at `256 * s`: the effect of a byte that `s` others follow. */
const tables = makeTables()

export function crc32c(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let crc = -1
  let at = 0
  for (const end = bytes.length - 7; at < end; at += SLICES) {
    const low = view.getInt32(at, true) ^ crc
    const high = view.getInt32(at + 4, true)
    crc =
      tableAt(1792 + (low & 0xff)) ^
      tableAt(1536 + ((low >>> 8) & 0xff)) ^
      tableAt(1280 + ((low >>> 16) & 0xff)) ^
      tableAt(1024 + (low >>> 24)) ^
      tableAt(768 + (high & 0xff)) ^
      tableAt(512 + ((high >>> 8) & 0xff)) ^
      tableAt(256 + ((high >>> 16) & 0xff)) ^
      tableAt(high >>> 24)
  }
  for (; at < bytes.length; at++) {
    crc = tableAt((crc ^ view.getUint8(at)) & 0xff) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}

/** The checksum as LevelDB writes it: rotated right by 15, and a constant on. */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

export function isMaskedCrc(stored: number, bytes: Uint8Array): boolean {
  return stored === maskedCrc(bytes)
}

function tableAt(index: number): number {
  return tables[index] ?? 0
}

function makeTables(): Int32Array {
  const made = new Int32Array(256 * SLICES)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    made[byte] = crc
  }
  for (let index = 256; index < made.length; index++) {
    const before = made[index - 256] ?? 0
    made[index] = (made[before & 0xff] ?? 0) ^ (before >>> 8)
  }
  return made
}
