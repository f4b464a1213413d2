/**
 * `fulcrum join CODE`: makes this device one of those that hold the record.
 *
 * @module
 */
import { parsePairingCode } from "@fulcrum/access/pairing-code"
import { confirm, type Outcome, WAIT_SECONDS_DEFAULT } from "./command.ts"
import { stillHere } from "./commands/held.ts"
import { type FolderContext, settleHere } from "./folder-command.ts"
import { deviceName } from "./init.ts"
import { machineParts } from "./machine.ts"
import { joinDevice } from "./open-device.ts"
import { ProgramError } from "./program-error.ts"
import { counted, lines, tone } from "./text.ts"

const AWAITED =
  "The record has not come yet: it will once `fulcrum up` runs here and on the other device."

export async function join(context: FolderContext): Promise<Outcome> {
  const { home, args, io, mdns, signal } = context
  const relay = args.optionalText("relay")
  const at = args.optionalText("at")
  if (relay !== undefined && at !== undefined) {
    throw new ProgramError("USAGE", "give --relay or --at, not both", "see `fulcrum join --help`")
  }
  const code = args.text("code")
  // Before a passphrase is chosen and anybody looked for: a mistyped word is told at once.
  parsePairingCode(code)
  let words: readonly string[] = []
  io.progress("Looking for the other device")
  const { person } = await joinDevice(
    machineParts({ home, mdns, note: (text) => io.note(text) }),
    {
      name: args.optionalText("name") ?? deviceName(),
      code,
      signal,
      ...(relay !== undefined && { relay }),
      ...(at !== undefined && { at }),
      confirm(shown) {
        words = shown
        io.note(`Check words: ${shown.join(" ")}`)
        return confirm(io, "Does the other device show the same words?", { words: shown })
      },
    },
    { plainKey: args.flag("noPassphrase") },
  )
  try {
    const held = await settleHere(person, io, args.number("wait") ?? WAIT_SECONDS_DEFAULT)
    const { entries, documents, devices: all } = await person.status()
    const devices = all.filter(({ state }) => state === "member")
    return {
      document: { device: person.device, words, entries, documents, held },
      text: lines(
        `Joined as ${tone("strong", person.device.name)}, one of ${counted(devices.length, "device")}.`,
        person.isAwaited ? AWAITED : "",
        stillHere(held),
      ),
    }
  } finally {
    await person.close()
  }
}
