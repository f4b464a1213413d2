/**
 * Randomness, as something that is passed in: the system's, or for the
 * simulator a stream that one seed decides.
 *
 * @module
 */
import { concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { chacha20 } from "@noble/ciphers/chacha.js"
import { contexts } from "./contexts.ts"
import { hash } from "./hash.ts"

export interface Random {
  /** New bytes, each call's own. */
  bytes(length: number): Uint8Array
}

/** For the simulator and tests only: whoever knows the seed knows every key drawn. */
export interface SeededRandom extends Random {
  /**
   * A stream of its own, decided by this one's seed and the label alone: however much either has
   * drawn changes nothing in the other.
   */
  fork(label: string): SeededRandom
}

/** What `getRandomValues` gives at once (Web Cryptography API, section 10.1.1). */
const SYSTEM_BYTES_MAX = 65_536
/** Many streams give a few bytes and no more: the first block is small, the next ones grow. */
const SEEDED_BLOCK_BYTES = { first: 128, most: 4096 } as const
const ZERO_NONCE = new Uint8Array(12)

/** Short draws come from what was drawn at once: asking the system costs as much as sealing a record. */
const POOL_BYTES = 4096
const POOLED_BYTES_MAX = 128
const pool = { bytes: new Uint8Array(0), used: 0 }

/** What was given out is nowhere else. */
function pooled(length: number): Uint8Array {
  if (pool.used + length > pool.bytes.length) {
    pool.bytes = globalThis.crypto.getRandomValues(new Uint8Array(POOL_BYTES))
    pool.used = 0
  }
  const from = pool.used
  pool.used += length
  const drawn = pool.bytes.slice(from, pool.used)
  pool.bytes.fill(0, from, pool.used)
  return drawn
}

const SYSTEM: Random = {
  bytes(length) {
    if (length <= POOLED_BYTES_MAX) return pooled(length)
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += SYSTEM_BYTES_MAX) {
      globalThis.crypto.getRandomValues(bytes.subarray(at, at + SYSTEM_BYTES_MAX))
    }
    return bytes
  },
}

/** The platform's own generator, fit for keys. */
export function systemRandom(): Random {
  return SYSTEM
}

/** Whether what the platform draws by itself is as good. */
export function isSystemRandom(random: Random): boolean {
  return random === SYSTEM
}

/** A ChaCha20 stream under the hash of the seed. The same seed gives the same bytes anywhere. */
export function seededRandom(seed: string | number | Uint8Array): SeededRandom {
  const bytes = typeof seed === "object" ? seed : utf8ToBytes(String(seed))
  return streamOf(hash(contexts.seededRandom, utf8ToBytes(typeof seed), bytes))
}

/** A whole number from 0 up to but not including `bound`, all equally likely. */
export function randomBelow(random: Random, bound: number): number {
  if (!Number.isInteger(bound) || bound < 1 || bound > 0x1_0000_0000) {
    throw new RangeError("bound must be a whole number from 1 to 2^32")
  }
  // Draws at or above the largest multiple of `bound` would favour the small results.
  const fair = 0x1_0000_0000 - (0x1_0000_0000 % bound)
  for (;;) {
    const bytes = random.bytes(4)
    const drawn = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
    if (drawn < fair) return drawn % bound
  }
}

function streamOf(key: Uint8Array): SeededRandom {
  let block: Uint8Array = new Uint8Array(0)
  let used = 0
  let counter = 0
  const next = (): void => {
    const { first, most } = SEEDED_BLOCK_BYTES
    const length = Math.min(most, Math.max(first, 2 * block.length))
    block = chacha20(key, ZERO_NONCE, new Uint8Array(length), undefined, counter)
    counter += length / 64
    used = 0
    if (counter > 0xffff_ffff - most / 64) throw new RangeError("stream used up")
  }
  return {
    bytes(length) {
      if (used + length <= block.length) {
        used += length
        return block.slice(used - length, used)
      }
      const parts: Uint8Array[] = []
      for (let left = length; left > 0; ) {
        if (used === block.length) next()
        const part = block.subarray(used, used + left)
        parts.push(part)
        used += part.length
        left -= part.length
      }
      return concatBytes(parts)
    },
    fork(label) {
      return streamOf(hash(contexts.seededRandomFork, key, utf8ToBytes(label)))
    },
  }
}
