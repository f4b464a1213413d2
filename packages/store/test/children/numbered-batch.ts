/** A batch that can be recognised: eight records of 1 to 4 KiB, all told by its number. */
import { uint64ToBytes } from "@fulcrum/codec/bytes"
import type { Store, WriteOp } from "../../src/contract.ts"

export const RECORDS_IN_BATCH = 8

export function numberedBatch(batch: number): WriteOp[] {
  return Array.from({ length: RECORDS_IN_BATCH }, (_, at) => ({
    type: "put",
    key: keyOf(batch, at),
    value: noiseOf(batch, at),
  }))
}

/** How many of a batch's records are there; throws if one is there but wrong. */
export async function recordsThere(store: Store, batch: number): Promise<number> {
  const keys = Array.from({ length: RECORDS_IN_BATCH }, (_, at) => keyOf(batch, at))
  const values = await store.getMany(keys)
  let there = 0
  for (const [at, value] of values.entries()) {
    if (value === undefined) continue
    if (Buffer.compare(value, noiseOf(batch, at)) !== 0) throw new Error(`batch ${batch} is wrong`)
    there++
  }
  return there
}

function keyOf(batch: number, at: number): Uint8Array {
  return Uint8Array.from([1, at, ...uint64ToBytes(batch)])
}

/** Noise told by its number, so that no file system makes room by compressing it. */
function noiseOf(batch: number, at: number): Uint8Array {
  let state = (batch * RECORDS_IN_BATCH + at) * 2654435761 + 1
  const value = new Uint32Array(256 + ((batch * 7 + at * 131) % 768))
  for (let word = 0; word < value.length; word++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    value[word] = state
  }
  return new Uint8Array(value.buffer)
}
