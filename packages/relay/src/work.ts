/**
 * Proof of work for strangers' messages to a front door.
 *
 * A nonce of eight bytes proves `bits` if SHA-256 over `relayWork ‖ 0x00 ‖ door ‖ item hash ‖
 * nonce` begins with that many zero bits. It is bound to one message for one door: the same work
 * is good for nothing else, and the same message again is stored once anyway.
 *
 * @module
 */
import { concatBytes, uint64ToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { contexts } from "@fulcrum/crypto/contexts"
import { sha256 } from "@fulcrum/crypto/hash"
import type { MailboxName } from "@fulcrum/log/ids"
import { WORK_BITS_MAX } from "./limits.ts"

/** Hashes between two looks at the rest of the program: some 10 ms. */
const TRIES_PER_TURN = 4096

export function checkWork(
  door: MailboxName,
  item: Uint8Array,
  nonce: Uint8Array,
  bits: number,
): boolean {
  return leadingZeroBits(sha256(workPrefix(door, item), nonce)) >= bits
}

/**
 * Finds a nonce, in turns between which other work goes on.
 *
 * @throws {RangeError} More bits than `WORK_BITS_MAX`.
 */
export async function doWork(options: {
  readonly door: MailboxName
  readonly item: Uint8Array
  readonly bits: number
  readonly clock: Clock
  readonly signal?: AbortSignal
}): Promise<Uint8Array> {
  if (options.bits > WORK_BITS_MAX) throw new RangeError("more work than a front door may ask for")
  const prefix = workPrefix(options.door, options.item)
  for (let tried = 0; ; tried++) {
    const nonce = uint64ToBytes(tried)
    if (leadingZeroBits(sha256(prefix, nonce)) >= options.bits) return nonce
    if (tried % TRIES_PER_TURN === TRIES_PER_TURN - 1) {
      options.signal?.throwIfAborted()
      await options.clock.sleep(0)
    }
  }
}

function workPrefix(door: MailboxName, item: Uint8Array): Uint8Array {
  return concatBytes([utf8ToBytes(contexts.relayWork), Uint8Array.of(0), door, item])
}

function leadingZeroBits(digest: Uint8Array): number {
  let bits = 0
  for (const byte of digest) {
    if (byte !== 0) return bits + Math.clz32(byte) - 24
    bits += 8
  }
  return bits
}
