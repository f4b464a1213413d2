/**
 * The 2,048 English words of BIP-39: what pairing codes, check words and recovery words are made
 * of. Each word carries eleven bits; no two begin with the same four letters.
 *
 * @module
 */
import { wordlist } from "@scure/bip39/wordlists/english.js"

/** Bits that one word carries. */
export const WORD_BITS = 11

/** Letters of the longest word on the list. */
export const WORD_LETTERS_MAX = 8

/** Letters that tell a word of that length or more from all others. */
export const WORD_LETTERS_TELLING = 4

const indexByWord: ReadonlyMap<string, number> = new Map(wordlist.map((word, i) => [word, i]))

export function isWord(word: string): boolean {
  return indexByWord.has(word)
}

/** Words on the list that begin so, in its order. */
export function wordsBeginning(start: string): readonly string[] {
  return wordlist.filter((word) => word.startsWith(start))
}

/** The word that was typed, whole or by as many of its letters as tell it from all others. */
export function wordMeant(typed: string): string | undefined {
  if (isWord(typed)) return typed
  return typed.length >= WORD_LETTERS_TELLING ? wordsBeginning(typed)[0] : undefined
}

/** The first `count` times eleven bits, as words. @throws {RangeError} Too few bytes. */
export function bytesToWords(bytes: Uint8Array, count: number): readonly string[] {
  if (bytes.length * 8 < count * WORD_BITS) throw new RangeError("too few bytes for these words")
  return Array.from({ length: count }, (_, at) => {
    let index = 0
    for (let bit = at * WORD_BITS; bit < (at + 1) * WORD_BITS; bit++) {
      index = (index << 1) | (((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1)
    }
    return wordlist[index] ?? ""
  })
}

/**
 * The word on the list that was most likely meant: the fewest letters added, left out, changed or
 * swapped with their neighbour; among equals the one with the longest beginning in common.
 */
export function nearestWord(typed: string): string {
  // Far longer than any word: the rest cannot make a difference, only work.
  const wanted = typed.slice(0, 2 * WORD_LETTERS_MAX)
  let nearest = ""
  let best = Number.POSITIVE_INFINITY
  for (const word of wordlist) {
    const score = distance(wanted, word) - sharedStart(wanted, word) / (2 * WORD_LETTERS_MAX)
    if (score < best) {
      best = score
      nearest = word
    }
  }
  return nearest
}

/** Letters added, left out, changed or swapped with their neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: readonly number[] = []
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let fewest = Math.min(changed, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) fewest = Math.min(fewest, (before[j - 2] ?? 0) + 1)
      row.push(fewest)
    }
    before = last
    last = row
  }
  return last[b.length] ?? 0
}

function sharedStart(a: string, b: string): number {
  let length = 0
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) length++
  return length
}
