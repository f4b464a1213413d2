/**
 * Recovery words on the screen: shown to be written down, and typed in again.
 *
 * @module
 */
import { AccessError } from "@fulcrum/access/access-error"
import {
  entropyFromRecoveryWords,
  RECOVERY_TEXT_CHARS_MAX,
  RECOVERY_WORDS,
} from "@fulcrum/access/recovery-words"
import { randomBelow, systemRandom } from "@fulcrum/crypto/random"
import type { Args } from "./args.ts"
import { ATTEMPTS, type Io } from "./command.ts"
import { codeOf, failureOf, ProgramError } from "./program-error.ts"
import { lines, table, tone } from "./text.ts"

const WORD_COLUMNS = 4
const WORDS_ASKED = 2

const QUESTION = `Your ${RECOVERY_WORDS} recovery words:`

/** What {@link askWords} reads instead of asking. */
export const WORDS_PARAMETER = "words"

export function wordsText(words: readonly string[], relays: readonly string[]): string {
  const rows: string[][] = []
  const height = Math.ceil(words.length / WORD_COLUMNS)
  for (let row = 0; row < height; row++) {
    const cells: string[] = []
    for (let at = row; at < words.length; at += height) {
      cells.push(tone("quiet", String(at + 1).padStart(2)), tone("strong", words[at] ?? ""))
    }
    rows.push(cells)
  }
  return lines(
    "These words bring your record back when all of your devices are gone. Whoever has them can do",
    "so too: write them on paper, and keep it where only you find it. They are not shown again.\n",
    table(rows, { indent: "  " }),
    relays.length === 0
      ? "\nNo relay yet: until you add one, only your devices hold the record, and the words find nothing.\n"
      : `\nWrite these below them, since that is where the words find it:\n\n  ${relays.join("\n  ")}\n`,
  )
}

/** Shows new words, and sees that they were written down where somebody is there. */
export async function showWords(
  io: Io,
  words: readonly string[],
  relays: readonly string[],
): Promise<void> {
  await io.show({ document: null, text: wordsText(words, relays) })
  if (io.interactive) await checkWords(io, words)
  else io.note("Not checked that you wrote the words down: nobody is here to ask.")
}

async function checkWords(io: Io, words: readonly string[]): Promise<void> {
  const random = systemRandom()
  for (let asked = 0; asked < WORDS_ASKED; asked++) {
    const at = randomBelow(random, words.length)
    for (let attempt = 1; ; attempt++) {
      const typed = await io.ask({
        text: `To see that you have them, word ${at + 1}:`,
        kind: "text",
        default: "",
      })
      if (typed.trim().toLowerCase() === words[at]) break
      if (attempt === ATTEMPTS) {
        io.note("That is another word. Please compare what you wrote with the list above.")
        break
      }
      io.note("That is another word; look again.")
    }
  }
}

/**
 * The 24 words: from the file that was given, or typed, in one line or several; a mistyped one is told
 * at once.
 *
 * @throws {AccessError} `RECOVERY_WORDS_COUNT`, `RECOVERY_WORD_UNKNOWN`, `RECOVERY_CHECKSUM`.
 * @throws {ProgramError} `ANSWER_ABSENT`: nobody is there.
 */
export async function askWords(io: Io, args: Args): Promise<string> {
  return (await askWordsOrNone(io, args)) ?? requireWords("")
}

/**
 * The same, where she may go on without them.
 *
 * @param question - What she is asked; Enter alone is none.
 * @returns `undefined`: she has none at hand.
 */
export async function askWordsOrNone(
  io: Io,
  args: Args,
  question: string = QUESTION,
): Promise<string | undefined> {
  if (args.has(WORDS_PARAMETER)) return requireWords(await readWords(io.content(WORDS_PARAMETER)))
  for (let attempt = 1; ; attempt++) {
    try {
      const typed = await typedWords(io, question)
      return typed === "" ? undefined : requireWords(typed)
    } catch (error) {
      if (!codeOf(error)?.startsWith("RECOVERY_") || attempt === ATTEMPTS || !io.interactive)
        throw error
      const { message, todo } = failureOf(error)
      const nearest = error instanceof AccessError ? error.nearest : undefined
      io.note(nearest === undefined ? `${message}: ${todo}` : `${message}: is it ${nearest}?`)
    }
  }
}

function requireWords(words: string): string {
  entropyFromRecoveryWords(words)
  return words
}

async function typedWords(io: Io, question: string): Promise<string> {
  let typed = ""
  for (let missing = RECOVERY_WORDS; missing > 0; missing = RECOVERY_WORDS - counted(typed)) {
    const text = missing === RECOVERY_WORDS ? question : `${missing} more:`
    const line = await io.ask({ text, kind: "text", default: "" })
    if (line === "") break
    typed = `${typed} ${line}`.trim()
  }
  return typed
}

/** Words in it, not counting the numbers that people write before them. */
function counted(typed: string): number {
  return (typed.match(/\p{L}+/gu) ?? []).length
}

async function readWords(content: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let words = ""
  for await (const part of content) {
    words += decoder.decode(part, { stream: true })
    if (words.length > RECOVERY_TEXT_CHARS_MAX) {
      throw new ProgramError(
        "RECOVERY_WORDS_COUNT",
        "that file holds more than 24 words",
        "give one that holds just the words",
      )
    }
  }
  return words
}
