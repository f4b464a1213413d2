/**
 * `fulcrum init`: a new record, and its 24 words, shown this once.
 *
 * @module
 */
import { hostname } from "node:os"
import { randomBelow, systemRandom } from "@fulcrum/crypto/random"
import type { Person } from "@fulcrum/engine/person"
import { addressParts } from "@fulcrum/net/address"
import { type Outcome, WAIT_SECONDS_DEFAULT } from "./command.ts"
import { stillHere } from "./commands/held.ts"
import { type FolderContext, settleHere } from "./folder-command.ts"
import { machineParts } from "./machine.ts"
import { createDevice, type DeviceParts } from "./open-device.ts"
import { codeOf, failureOf, ProgramError } from "./program-error.ts"
import type { Terminal } from "./terminal.ts"
import { lines, table, tone } from "./text.ts"

const WORD_COLUMNS = 4
const WORDS_ASKED = 2
const ATTEMPTS = 3

export async function init(
  context: FolderContext,
  parts: DeviceParts = machineParts({ ...context, note: (text) => context.io.note(text) }),
): Promise<Outcome> {
  const { args, io, json } = context
  const name = args.optionalText("name") ?? deviceName()
  const relays = args.texts("relay")
  // Before anything is made: a record whose words were never shown is of no use.
  for (const address of relays) requireRelay(address)
  const plainKey = args.flag("noPassphrase")
  const { person, words, wordsSeen } = await createDevice(parts, { name, relays }, { plainKey })
  try {
    if (!json) {
      io.show({ document: null, text: wordsText(words, relays) })
      if (io.interactive) await checkWords(io, words)
      else io.note("Not checked that you wrote the words down: nobody is here to ask.")
      // Whoever is interrupted before this is shown them again by the same command.
      await wordsSeen()
    }
    const held = await settleOrTell(person, io, args.number("wait") ?? WAIT_SECONDS_DEFAULT)
    // With --json the words are in the answer, and nowhere else.
    if (json) await wordsSeen()
    return {
      document: { device: person.device, words, relays, held },
      text: lines(
        `Your record is ready on ${tone("strong", person.device.name)}.`,
        stillHere(held),
      ),
    }
  } finally {
    await person.close()
  }
}

/** The words are shown whatever becomes of the network. */
async function settleOrTell(
  person: Person,
  io: Terminal,
  seconds: number,
): Promise<readonly string[]> {
  try {
    return await settleHere(person, io, seconds)
  } catch (error) {
    const { message, code } = failureOf(error)
    return [`${message} (${code})`]
  }
}

/** @throws {ProgramError} `RELAY_ADDRESS_INVALID` */
function requireRelay(address: string): void {
  try {
    if (addressParts(address).peerId !== undefined) return
  } catch (error) {
    if (codeOf(error) !== "NET_ADDRESS_INVALID") throw error
  }
  throw new ProgramError(
    "RELAY_ADDRESS_INVALID",
    "a relay's address ends in /p2p/ and its id",
    "give it whole, as `fulcrum-relay up` prints it",
  )
}

export function deviceName(): string {
  return hostname().split(".")[0] || "device"
}

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
    "These words are meant to bring your record back; this version cannot yet. Shown only now:",
    "write them on paper, and keep it where only you find it.\n",
    table(rows, { indent: "  " }),
    relays.length === 0
      ? "\nNo relay yet: until you add one, only your devices hold the record.\n"
      : `\nWrite these below them, since that is where the record is kept:\n\n  ${relays.join("\n  ")}\n`,
  )
}

async function checkWords(io: Terminal, words: readonly string[]): Promise<void> {
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
