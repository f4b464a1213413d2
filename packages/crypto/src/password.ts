/**
 * Stretching a passphrase into a key: Argon2id (RFC 9106), one lane, 32 bytes.
 * Text is normalised first (NFC, RFC 8265), so that one passphrase typed on two
 * keyboards is one passphrase. Salt, memory and passes are stored beside what
 * the key seals.
 *
 * @module
 */
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { primitives } from "./platform.ts"

/** What new passwords are stretched with: 0.15 s natively, under a second in JavaScript. */
export const PASSWORD_MEMORY_KIB = 65_536
export const PASSWORD_PASSES = 3
export const PASSWORD_SALT_BYTES = 16

/** What a stored setting may ask for at most, so that a tampered file cannot exhaust a machine. */
export const PASSWORD_MEMORY_KIB_MAX = 1_048_576
export const PASSWORD_PASSES_MAX = 16

const MEMORY_KIB_MIN = 8
const KEY_BYTES = 32

/**
 * @param input.salt - At least 8 bytes; new ones are `PASSWORD_SALT_BYTES` at random.
 * @param input.memoryKiB - 8 to `PASSWORD_MEMORY_KIB_MAX`. Check stored values before.
 * @param input.passes - 1 to `PASSWORD_PASSES_MAX`.
 * @returns 32 bytes, to be given to `hkdf` under the context of their use.
 */
export async function stretchPassword(input: {
  readonly password: string
  readonly salt: Uint8Array
  readonly memoryKiB: number
  readonly passes: number
}): Promise<Uint8Array> {
  const { salt, memoryKiB, passes } = input
  if (salt.length < 8) throw new RangeError("a salt has at least 8 bytes")
  checkBetween(memoryKiB, MEMORY_KIB_MIN, PASSWORD_MEMORY_KIB_MAX)
  checkBetween(passes, 1, PASSWORD_PASSES_MAX)
  const password = utf8ToBytes(input.password.normalize("NFC"))
  return await primitives.argon2id({ password, salt, memoryKiB, passes, length: KEY_BYTES })
}

function checkBetween(value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError("an Argon2id setting out of bounds")
  }
}
