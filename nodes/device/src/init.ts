/**
 * `fulcrum init`: a new record, and its 24 words, shown this once.
 *
 * @module
 */
import { hostname } from "node:os"
import { deviceNameOf } from "@fulcrum/engine/device-name"
import type { Person } from "@fulcrum/engine/person"
import type { Args } from "./args.ts"
import { type Outcome, WAIT_SECONDS_DEFAULT } from "./command.ts"
import { stillHere } from "./commands/held.ts"
import { type FolderContext, settleHere } from "./folder-command.ts"
import { machineParts } from "./machine.ts"
import { createDevice, type DeviceParts } from "./open-device.ts"
import { failureOf } from "./program-error.ts"
import { showWords } from "./recovery-words-screen.ts"
import { requireRelay } from "./relay-argument.ts"
import type { Terminal } from "./terminal.ts"
import { lines, tone } from "./text.ts"

export async function init(
  context: FolderContext,
  parts: DeviceParts = machineParts({ ...context, note: (text) => context.io.note(text) }),
): Promise<Outcome | undefined> {
  const { args, io, json } = context
  const name = nameIn(args)
  const relays = args.texts("relay")
  // Before anything is made: a record whose words were never shown is of no use.
  for (const address of relays) requireRelay(address)
  const plainKey = args.flag("noPassphrase")
  const { person, words, wordsSeen } = await createDevice(parts, { name, relays }, { plainKey })
  try {
    if (!json) {
      await showWords(io, words, relays)
      // Whoever is interrupted before this is shown them again by the same command.
      if (io.isHeard) await wordsSeen()
      else io.note(UNHEARD)
    }
    const held = await settleOrTell(person, io, args.number("wait") ?? WAIT_SECONDS_DEFAULT)
    const answer: Outcome = {
      document: { device: person.device, words, relays, held },
      text: lines(
        `Your record is ready on ${tone("strong", person.device.name)}.`,
        stillHere(held),
      ),
    }
    if (!json) return answer
    // With --json the words are in the answer, and nowhere else.
    await io.tell(answer)
    if (io.isHeard) await wordsSeen()
    else io.note(UNHEARD)
    return undefined
  } finally {
    await person.close()
  }
}

const UNHEARD = "The words were written nowhere: the same command shows them again."

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

/**
 * What this device is to be called: by default, what the machine is.
 *
 * @throws {EngineError} `DEVICE_NAME_INVALID`. Before anything is made.
 */
export function nameIn(args: Args): string {
  return deviceNameOf(args.optionalText("name") ?? (hostname().split(".")[0] || "device"))
}
