/**
 * Pairing codes: what a person types to add a device.
 *
 * | field     | bits | notes                                     |
 * | --------- | ---: | ----------------------------------------- |
 * | nameplate |   16 | from the relay; routes, and is no secret  |
 * | words     |   33 | three of 2,048; the CPace password        |
 *
 * Written `4711-copper-lemon-orbit`; case and spaces do not matter, and of each word its first four
 * letters are enough.
 * Source: DESIGN, "Meeting"; draft-irtf-cfrg-cpace.
 *
 * @module
 */
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import type { Random } from "@fulcrum/crypto/random"
import { AccessError } from "./access-error.ts"
import { bytesToWords, nearestWord, wordMeant, wordsBeginning } from "./words.ts"

export const NAMEPLATE_MAX = 65_535

/** Words of a code: 33 bits, against one guess. */
export const PAIRING_WORDS = 3

/** Characters of typed text that are looked at: a code has 36 at most, and people add spaces. */
export const PAIRING_CODE_CHARS_MAX = 256

const SEPARATOR = /[\s-]+/u

export interface PairingCode {
  /** 0 to 65,535. */
  readonly nameplate: number
  readonly words: readonly string[]
  /** The three words as bytes, for CPace. */
  readonly secret: Uint8Array
}

/** Draws the words for a nameplate that a relay gave, or that was drawn for this network. */
export function generatePairingCode(drawn: {
  readonly nameplate: number
  readonly random: Random
}): PairingCode {
  const { nameplate } = drawn
  if (!Number.isInteger(nameplate) || nameplate < 0 || nameplate > NAMEPLATE_MAX) {
    throw new RangeError("a nameplate has 16 bits")
  }
  return codeOf(nameplate, bytesToWords(drawn.random.bytes(5), PAIRING_WORDS))
}

export function formatPairingCode(code: PairingCode): string {
  return [code.nameplate, ...code.words].join("-")
}

/**
 * Reads a typed pairing code.
 *
 * @param typed - What the person entered, at most `PAIRING_CODE_CHARS_MAX`.
 * @throws {AccessError} `PAIR_CODE_MALFORMED`, `PAIR_WORD_UNKNOWN` (with the nearest word).
 */
export function parsePairingCode(typed: string): PairingCode {
  if (typed.length > PAIRING_CODE_CHARS_MAX) throw malformed()
  const [plate = "", ...parts] = partsOf(typed)
  const nameplate = /^[0-9]{1,5}$/.test(plate) ? Number(plate) : Number.NaN
  if (!(nameplate <= NAMEPLATE_MAX) || parts.length !== PAIRING_WORDS) throw malformed()
  const words = parts.map((part, i) => {
    const word = wordMeant(part)
    if (word !== undefined) return word
    throw new AccessError("PAIR_WORD_UNKNOWN", `word ${i + 1} of the code is on no list`, {
      position: i + 1,
      nearest: nearestWord(part),
    })
  })
  return codeOf(nameplate, words)
}

/** Which words a code was taken to have where it was typed with their beginnings alone. */
export function wordsTaken(typed: string): readonly string[] {
  const [, ...parts] = partsOf(typed)
  return parsePairingCode(typed).words.filter((word, i) => word !== parts[i])
}

/** What the word that is being typed may be. */
export interface CodeCompletion {
  /** Each in place of `end`; the only one with the hyphen that comes next. */
  readonly words: readonly string[]
  /** The end of what was typed. */
  readonly end: string
}

/** @param typed - A code's beginning. */
export function completePairingCode(typed: string): CodeCompletion {
  const parts = typed.trimStart().split(SEPARATOR)
  const end = parts.at(-1) ?? ""
  const isWordNow = parts.length > 1 && parts.length <= 1 + PAIRING_WORDS && end !== ""
  const words = isWordNow ? wordsBeginning(end.toLowerCase()) : []
  const isLast = parts.length === 1 + PAIRING_WORDS
  return { end, words: words.length === 1 && !isLast ? words.map((word) => `${word}-`) : words }
}

function partsOf(typed: string): readonly string[] {
  return typed
    .toLowerCase()
    .split(SEPARATOR)
    .filter((part) => part !== "")
}

function codeOf(nameplate: number, words: readonly string[]): PairingCode {
  return { nameplate, words, secret: utf8ToBytes(words.join("-")) }
}

function malformed(): AccessError {
  return new AccessError("PAIR_CODE_MALFORMED", "a pairing code is a number and three words")
}
