/**
 * Recovery words: 24 words of BIP-39 on paper that bring the record back when every device is gone.
 *
 * | part     | bits | notes                                            |
 * | -------- | ---: | ------------------------------------------------ |
 * | entropy  |  256 | everything below is derived from it by HKDF      |
 * | checksum |    8 | first byte of SHA-256(entropy), as BIP-39 has it |
 *
 * From the entropy, each by HKDF under its label: `writer` (the seed of
 * an Ed25519 key), `wrap` (the secret of an X-Wing key) and `beacon-name` (the seed of the key that
 * names the beacon's mailbox; see `beacon.ts`).
 * Source: DESIGN, "Meeting", "Recovery"; BIP-39.
 *
 * @module
 */

import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { contexts } from "@fulcrum/crypto/contexts"
import { type SigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { hkdf } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import { type WrapKey, wrapKeyFromSecret } from "@fulcrum/crypto/wrap"
import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39"
import { wordlist } from "@scure/bip39/wordlists/english.js"
import { AccessError } from "./access-error.ts"
import { isWord, nearestWord } from "./words.ts"

export const RECOVERY_WORDS = 24
export const RECOVERY_ENTROPY_BYTES = 32

/** Characters of typed text that are looked at: 24 words have 215 at most, and people add spaces. */
export const RECOVERY_TEXT_CHARS_MAX = 1024

/** What the 24 words stand for: a virtual device of highest rank, and where its beacon lies. */
export interface RecoveryKeys {
  readonly writer: SigningKey
  readonly wrap: WrapKey
  /** Its public key names the beacon's mailbox. */
  readonly beaconName: SigningKey
}

export function generateRecoveryEntropy(random: Random): Uint8Array {
  return random.bytes(RECOVERY_ENTROPY_BYTES)
}

/** @throws {RangeError} Not 32 bytes. */
export function recoveryWordsFromEntropy(entropy: Uint8Array): readonly string[] {
  if (entropy.length !== RECOVERY_ENTROPY_BYTES) throw new RangeError("recovery entropy: 32 bytes")
  return entropyToMnemonic(entropy, wordlist).split(" ")
}

/**
 * Reads the typed words; case, line breaks, commas and the numbers people write before words do
 * not matter.
 *
 * @throws {AccessError} `RECOVERY_WORDS_COUNT`, `RECOVERY_WORD_UNKNOWN` (with position and the
 *   nearest word), `RECOVERY_CHECKSUM`.
 */
export function entropyFromRecoveryWords(typed: string): Uint8Array {
  const words =
    typed.length > RECOVERY_TEXT_CHARS_MAX
      ? []
      : typed
          .toLowerCase()
          .split(/[\s,;]+/u)
          .filter((part) => part !== "" && !/^[0-9]{1,2}[.):]?$/.test(part))
  if (words.length !== RECOVERY_WORDS) {
    throw new AccessError("RECOVERY_WORDS_COUNT", `there are ${RECOVERY_WORDS} recovery words`)
  }
  for (const [i, word] of words.entries()) {
    if (isWord(word)) continue
    throw new AccessError("RECOVERY_WORD_UNKNOWN", `recovery word ${i + 1} is on no list`, {
      position: i + 1,
      nearest: nearestWord(word),
    })
  }
  try {
    return mnemonicToEntropy(words.join(" "), wordlist)
  } catch (cause) {
    // The library's error may quote the words: it is not passed on.
    if (!(cause instanceof Error)) throw cause
    throw new AccessError("RECOVERY_CHECKSUM", "the recovery words do not fit together")
  }
}

/** @throws {RangeError} Not 32 bytes. */
export function recoveryKeysFromEntropy(entropy: Uint8Array): RecoveryKeys {
  if (entropy.length !== RECOVERY_ENTROPY_BYTES) throw new RangeError("recovery entropy: 32 bytes")
  const derive = (label: string) =>
    hkdf(contexts.recoveryKeys, entropy, new Uint8Array(0), utf8ToBytes(label), 32)
  return {
    writer: signingKeyFromSeed(derive("writer")),
    wrap: wrapKeyFromSecret(derive("wrap")),
    beaconName: signingKeyFromSeed(derive("beacon-name")),
  }
}
