import { seededRandom } from "@fulcrum/crypto/random"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { AccessError } from "../src/access-error.ts"
import {
  completePairingCode,
  formatPairingCode,
  generatePairingCode,
  parsePairingCode,
  wordsTaken,
} from "../src/pairing-code.ts"
import {
  entropyFromRecoveryWords,
  generateRecoveryEntropy,
  recoveryKeysFromEntropy,
  recoveryWordsFromEntropy,
} from "../src/recovery-words.ts"
import { nearestWord, wordMeant, wordsBeginning } from "../src/words.ts"

const random = seededRandom("words")

describe("pairing codes", () => {
  test("[A14] what is shown can be typed, whatever the case and the spaces", () => {
    const any = fc.record({ nameplate: fc.nat({ max: 65_535 }), seed: fc.nat() })
    fc.assert(
      fc.property(any, ({ nameplate, seed }) => {
        const code = generatePairingCode({ nameplate, random: seededRandom(seed) })
        const shown = formatPairingCode(code)
        for (const typed of [shown, shown.toUpperCase(), ` ${shown.replaceAll("-", "  ")} `]) {
          expect(parsePairingCode(typed)).toEqual(code)
        }
        expect(parsePairingCode(shown.replaceAll("-", " - "))).toEqual(code)
      }),
      { numRuns: 50 },
    )
    expect(parsePairingCode("4711-copper-lemon-orbit").nameplate).toBe(4711)
  })

  test.each([
    "",
    "4711",
    "4711-copper-lemon",
    "4711-copper-lemon-orbit-orbit",
    "65536-copper-lemon-orbit",
    "-1e3-copper-lemon-orbit",
    "copper-lemon-orbit-4711",
    "1".repeat(10_000),
  ])("[A14] %# is no code", (typed) => {
    expect(() => parsePairingCode(typed)).toThrow(
      expect.objectContaining({ code: "PAIR_CODE_MALFORMED" }),
    )
  })

  test("[A14] four letters of a word, or more, are taken for it, and it is told which", () => {
    const typed = "4711 COPP-lemo  orbi"
    expect(parsePairingCode(typed)).toEqual(parsePairingCode("4711-copper-lemon-orbit"))
    expect(wordsTaken(typed)).toEqual(["copper", "lemon", "orbit"])
    expect(wordsTaken("4711-Copper-lemon-orbi")).toEqual(["orbit"])
    expect(wordsTaken("4711-copper-lemon-orbit")).toEqual([])
    // Three letters may be several words; more than there are may be none.
    for (const wrong of [
      "4711-cop-lemon-orbit",
      "4711-copperr-lemon-orbit",
      "4711-copx-lemon-orbit",
    ]) {
      expect(() => parsePairingCode(wrong), wrong).toThrow(
        expect.objectContaining({ code: "PAIR_WORD_UNKNOWN", position: 1 }),
      )
    }
    // A word that others begin with is itself.
    expect(parsePairingCode("1-act-car-add").words).toEqual(["act", "car", "add"])
  })

  test("[A14] no four letters begin two words", () => {
    for (const word of wordsBeginning("")) {
      expect(wordMeant(word)).toBe(word)
      if (word.length >= 4) expect(wordsBeginning(word.slice(0, 4))).toEqual([word])
    }
    expect(wordsBeginning("")).toHaveLength(2048)
  })

  test("[A33] the word that is being typed is completed, and its hyphen where one must follow", () => {
    expect(completePairingCode("4711-cop")).toEqual({ words: ["copper", "copy"], end: "cop" })
    expect(completePairingCode("4711-copp")).toEqual({ words: ["copper-"], end: "copp" })
    expect(completePairingCode(" 4711 Copper LEMO")).toEqual({ words: ["lemon-"], end: "LEMO" })
    expect(completePairingCode("4711-copper-lemon-orb")).toEqual({ words: ["orbit"], end: "orb" })
    for (const none of ["", "4", "4711", "4711-", "4711-copper-", "4711-zzz", "1-a-b-c-d"]) {
      expect(completePairingCode(none).words, none).toEqual([])
    }
  })

  test("[A14] a word that is not on the list is named by its place, with the nearest", () => {
    expect(() => parsePairingCode("4711-coper-lemon-orbit")).toThrow(
      expect.objectContaining({ code: "PAIR_WORD_UNKNOWN", position: 1, nearest: "copper" }),
    )
    try {
      parsePairingCode("4711-coper-lemon-orbit")
    } catch (error) {
      expect(String(error)).not.toMatch(/cop/)
    }
  })

  test.each([
    ["orbti", "orbit"],
    ["lemn", "lemon"],
    ["zebera", "zebra"],
    ["abandn", "abandon"],
  ])("[A14] %s was meant to be %s", (typed, meant) => {
    expect(nearestWord(typed)).toBe(meant)
  })
})

describe("recovery words", () => {
  test("[A15] carry their entropy there and back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (entropy) => {
        const words = recoveryWordsFromEntropy(entropy)
        expect(words).toHaveLength(24)
        expect(entropyFromRecoveryWords(words.join(" "))).toEqual(entropy)
        const numbered = words.map((word, i) => `${i + 1}. ${word.toUpperCase()}`).join("\n")
        expect(entropyFromRecoveryWords(numbered)).toEqual(entropy)
      }),
      { numRuns: 25 },
    )
  })

  test("[A15] are those of BIP-39", () => {
    const words = recoveryWordsFromEntropy(new Uint8Array(32))
    expect(words.join(" ")).toBe(`${"abandon ".repeat(23)}art`)
    expect(recoveryWordsFromEntropy(new Uint8Array(32).fill(0xff)).join(" ")).toBe(
      `${"zoo ".repeat(23)}vote`,
    )
  })

  test("[A15] a mistake is found and named", () => {
    const words = recoveryWordsFromEntropy(generateRecoveryEntropy(random))
    const code = (typed: readonly string[]) => {
      try {
        entropyFromRecoveryWords(typed.join(" "))
      } catch (error) {
        expect(String(error)).not.toContain(words[6])
        return error
      }
      return undefined
    }
    expect(code(words.slice(1))).toMatchObject({ code: "RECOVERY_WORDS_COUNT" })
    expect(code([...words.slice(0, 6), "zebbra", ...words.slice(7)])).toMatchObject({
      code: "RECOVERY_WORD_UNKNOWN",
      position: 7,
      nearest: "zebra",
    })
    const wrong = words.with(0, words[0] === "zoo" ? "art" : "zoo")
    expect(code(wrong)).toMatchObject({ code: "RECOVERY_CHECKSUM" })
  })

  test("[A15] give keys of their own for each purpose, always the same", () => {
    const entropy = generateRecoveryEntropy(random)
    const keys = recoveryKeysFromEntropy(entropy)
    expect(recoveryKeysFromEntropy(entropy)).toEqual(keys)
    const secrets = [keys.writer.seed, keys.wrap.secret, keys.beaconName.seed]
    expect(new Set(secrets.map(String)).size).toBe(3)
    const changed = entropy.map((byte, i) => (i === 31 ? byte ^ 1 : byte))
    expect(recoveryKeysFromEntropy(changed).wrap.secret).not.toEqual(keys.wrap.secret)
  })

  test("[A20] any text is read or raises a coded error", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (typed) => {
        for (const read of [entropyFromRecoveryWords, parsePairingCode]) {
          try {
            read(typed)
          } catch (error) {
            expect(error).toBeInstanceOf(AccessError)
          }
        }
      }),
      { numRuns: 100 },
    )
  })
})
