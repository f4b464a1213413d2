/**
 * Makes an input that was found smaller, as long as the same is found with it: parts are left out,
 * large ones first (delta debugging, Zeller 2002), then bytes are set to zero.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"

const ZEROED_MAX = 256

export async function minimise(
  input: Uint8Array,
  isSame: (smaller: Uint8Array) => Promise<boolean>,
  triesMax: number,
): Promise<Uint8Array> {
  let smallest = input
  let tries = 0
  const attempt = async (smaller: Uint8Array): Promise<boolean> => {
    if (tries++ >= triesMax || !(await isSame(smaller))) return false
    smallest = smaller
    return true
  }
  for (
    let part = Math.ceil(input.length / 2);
    part >= 1;
    part = part === 1 ? 0 : Math.ceil(part / 2)
  ) {
    for (let at = 0; at < smallest.length && tries < triesMax; ) {
      const shorter = concatBytes([smallest.subarray(0, at), smallest.subarray(at + part)])
      if (!(await attempt(shorter))) at += part
    }
  }
  for (let at = 0; at < Math.min(smallest.length, ZEROED_MAX); at++) {
    if (smallest[at] !== 0) await attempt(smallest.with(at, 0))
  }
  return smallest
}
