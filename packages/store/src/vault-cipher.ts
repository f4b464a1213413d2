/**
 * How a vault's records are sealed, and what each adds to its table's digest.
 *
 * A stored value is an XChaCha20-Poly1305 record of crypto's `aead` (nonce 24, ciphertext, tag 16)
 * with the store key as associated data, so it cannot be moved. Its plaintext:
 *
 * | field        | bytes | notes                             |
 * | ------------ | ----: | --------------------------------- |
 * | group length |     2 | big-endian, up to 1,024           |
 * | group        |     n | so that a whole table can be read |
 * | value        |       | the rest                          |
 *
 * Its element is SHA-256 over digest key, store key, nonce and tag, all of fixed length. Nobody
 * without the key can make another value with the same nonce and tag, so the element stands for
 * the whole record, and subtracting one costs no hash over a large value.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { AEAD_TAG_BYTES, openRecord, RECORD_NONCE_BYTES, sealRecord } from "@fulcrum/crypto/aead"
import { equalInConstantTime } from "@fulcrum/crypto/constant-time"
import { contexts } from "@fulcrum/crypto/contexts"
import { hkdf, hmac, sha256 } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"

const KEY_BYTES = 32
const SALT_BYTES = 16
const EMPTY = new Uint8Array(0)

export interface OpenedRecord {
  readonly group: Uint8Array
  readonly value: Uint8Array
}

export class VaultCipher {
  readonly #recordKey: Uint8Array
  readonly #digestKey: Uint8Array
  readonly #vaultKey: Uint8Array

  constructor(vaultKey: Uint8Array) {
    this.#vaultKey = vaultKey
    this.#recordKey = hkdf(contexts.storeRecord, vaultKey, EMPTY, EMPTY, KEY_BYTES)
    this.#digestKey = hkdf(contexts.storeDigest, vaultKey, EMPTY, EMPTY, KEY_BYTES)
  }

  seal(key: Uint8Array, plaintext: Uint8Array, random: Random): Uint8Array {
    return sealRecord({ key: this.#recordKey, aad: key, plaintext, random })
  }

  /** @throws {SealError} */
  open(key: Uint8Array, sealed: Uint8Array): Uint8Array {
    return openRecord({ key: this.#recordKey, aad: key, sealed })
  }

  /** What the record adds to its table's digest: 32 bytes. */
  element(key: Uint8Array, sealed: Uint8Array): Uint8Array {
    const nonce = sealed.subarray(0, RECORD_NONCE_BYTES)
    const tag = sealed.subarray(Math.max(RECORD_NONCE_BYTES, sealed.length - AEAD_TAG_BYTES))
    return sha256(this.#digestKey, key, nonce, tag)
  }

  /** A salt and its HMAC: shows later whether a key is this one. */
  keyCheck(random: Random): Uint8Array {
    const salt = random.bytes(SALT_BYTES)
    return concatBytes([salt, hmac(contexts.storeKeyCheck, this.#vaultKey, salt)])
  }

  isKeyCheck(check: Uint8Array): boolean {
    const salt = check.subarray(0, SALT_BYTES)
    const expected = hmac(contexts.storeKeyCheck, this.#vaultKey, salt)
    return equalInConstantTime(check.subarray(SALT_BYTES), expected)
  }
}

export function encodeRecord({ group, value }: OpenedRecord): Uint8Array {
  return concatBytes([Uint8Array.of(group.length >> 8, group.length & 0xff), group, value])
}

/** @returns `undefined` if it is no record; one that was authenticated always is. */
export function decodeRecord(plaintext: Uint8Array): OpenedRecord | undefined {
  const [high = 0, low = 0] = plaintext
  const valueAt = 2 + ((high << 8) | low)
  if (plaintext.length < valueAt) return undefined
  return { group: plaintext.slice(2, valueAt), value: plaintext.subarray(valueAt) }
}

/** Hands out what was drawn in one go: a draw for each nonce would cost a fifth of a put. */
export function drawnAtOnce(random: Random, bytes: number): Random {
  const drawn = random.bytes(bytes)
  let at = 0
  return {
    bytes(length) {
      at += length
      return drawn.subarray(at - length, at)
    },
  }
}
