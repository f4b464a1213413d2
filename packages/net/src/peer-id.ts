/**
 * Peer ids of Ed25519 keys, read and written without loading a transport.
 *
 * | bytes         | meaning                                      |
 * | ------------- | -------------------------------------------- |
 * | `00 24`       | identity multihash, 36 bytes                 |
 * | `08 01 12 20` | protobuf: key type Ed25519, 32 bytes of data |
 * | 32 bytes      | the public key                               |
 *
 * Written in base58btc, which makes 52 characters starting with `12D3Koo`.
 * Source: libp2p specs, peer-ids.
 *
 * @module
 */

import { NetError } from "./contract.ts"

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
const PREFIX: readonly number[] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20]
const KEY_BYTES = 32
const ID_CHARS = 52

/** @param publicKey - Raw Ed25519 key, 32 bytes. */
export function publicKeyToPeerId(publicKey: Uint8Array): string {
  if (publicKey.length !== KEY_BYTES) throw new RangeError("an Ed25519 key has 32 bytes")
  return encodeBase58(Uint8Array.from([...PREFIX, ...publicKey]))
}

/**
 * The raw Ed25519 key, 32 bytes, that a peer id holds.
 *
 * @throws {NetError} `NET_ADDRESS_INVALID`: not the peer id of an Ed25519 key.
 */
export function peerIdToPublicKey(id: string): Uint8Array {
  const bytes = id.length === ID_CHARS ? decodeBase58(id, PREFIX.length + KEY_BYTES) : undefined
  if (!bytes || PREFIX.some((byte, at) => bytes[at] !== byte)) {
    throw new NetError("NET_ADDRESS_INVALID", "not the peer id of an Ed25519 key")
  }
  return bytes.slice(PREFIX.length)
}

function encodeBase58(bytes: Uint8Array): string {
  const zeros = countLeading(bytes, (byte) => byte === 0)
  let number = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  let digits = ""
  for (; number > 0n; number /= 58n) digits = ALPHABET.charAt(Number(number % 58n)) + digits
  return "1".repeat(zeros) + digits
}

function decodeBase58(text: string, length: number): Uint8Array | undefined {
  const digits = [...text].map((char) => ALPHABET.indexOf(char))
  if (digits.includes(-1)) return undefined
  let number = digits.reduce((sum, digit) => sum * 58n + BigInt(digit), 0n)
  const bytes = new Uint8Array(length)
  for (let at = length - 1; at >= 0; at--, number /= 256n) bytes[at] = Number(number % 256n)
  const zeros = countLeading(bytes, (byte) => byte === 0)
  const isExact = number === 0n && zeros === countLeading(digits, (digit) => digit === 0)
  return isExact ? bytes : undefined
}

function countLeading(items: ArrayLike<number>, holds: (item: number) => boolean): number {
  const found = Array.from(items).findIndex((item) => !holds(item))
  return found === -1 ? items.length : found
}
