/**
 * `fulcrum join CODE`: makes this device one of those that hold the record. CODE is typed, or what the
 * QR code says.
 *
 * @module
 */
import { completePairingCode, wordsTaken } from "@fulcrum/access/pairing-code"
import { isScanned, parseGivenCode } from "@fulcrum/access/scanned-code"
import { confirm, type Outcome, WAIT_SECONDS_DEFAULT } from "./command.ts"
import { stillHere } from "./commands/held.ts"
import { type FolderContext, settleHere } from "./folder-command.ts"
import { nameIn } from "./init.ts"
import { machineParts } from "./machine.ts"
import { type DeviceParts, joinDevice } from "./open-device.ts"
import { codeOf, failureOf, ProgramError } from "./program-error.ts"
import { counted, lines, listed, tone } from "./text.ts"

const AWAITED =
  "The record has not come yet: it will once `fulcrum up` runs here and on the other device."

/** Where the other device is looked for. */
interface Search {
  readonly relay?: string
  readonly at?: string
  /** Where the code says, if neither is given; one that is typed says nothing. */
  readonly isScan: boolean
  /** On the local network, likewise. */
  readonly mdns: boolean
}

export async function join(
  context: FolderContext,
  parts: DeviceParts = machineParts({ ...context, note: (text) => context.io.note(text) }),
): Promise<Outcome> {
  const { args, io, mdns, signal } = context
  const relay = args.optionalText("relay")
  const at = args.optionalText("at")
  if (relay !== undefined && at !== undefined) {
    throw new ProgramError("USAGE", "give --relay or --at, not both", "see `fulcrum join --help`")
  }
  const name = nameIn(args)
  const code = await givenCode(context)
  // Before a passphrase is chosen and anybody looked for: a mistyped word is told at once.
  const isScan = isScanned(parseGivenCode(code))
  const taken = isScan ? [] : wordsTaken(code)
  if (taken.length > 0) io.note(`Taken for: ${listed(taken)}`)
  let words: readonly string[] = []
  const where = { ...(relay !== undefined && { relay }), ...(at !== undefined && { at }) }
  const search = { ...where, isScan, mdns }
  io.progress(`Looking for the other device${whereOf(search)}`)
  const { person } = await joinDevice(
    parts,
    {
      name,
      code,
      signal,
      ...where,
      confirm(shown) {
        words = shown
        io.note(`Check words: ${shown.join(" ")}`)
        return confirm(io, "Does the other device show the same words?", { words: shown })
      },
    },
    { plainKey: args.flag("noPassphrase") },
  ).catch((error: unknown) => {
    // Once it has shown its words it was found.
    throw words.length === 0 && codeOf(error) === "PAIR_PEER_ABSENT"
      ? notFound(error, search)
      : error
  })
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

/** Asked for where there is somebody to ask. */
async function givenCode({ args, io }: FolderContext): Promise<string> {
  const given = args.optionalText("code")
  if (given !== undefined) return given
  if (!io.interactive) {
    throw new ProgramError("USAGE", "the code is missing", "see `fulcrum join --help`")
  }
  return await io.ask({
    ...{ text: "The code that the other device shows:", kind: "text", default: "" },
    complete: completePairingCode,
  })
}

function whereOf({ relay, at, isScan, mdns }: Search): string {
  if (relay !== undefined) return " at the relay"
  if (at !== undefined) return " at its address"
  if (isScan) return " where the code says"
  return mdns ? " on this network" : ""
}

/** Nobody shows this code where it was looked for: there are other ways. */
function notFound(error: unknown, { relay, at, isScan, mdns }: Search): ProgramError {
  const { code, message } = failureOf(error)
  const shows = isScan ? "still shows this code" : "shows just this code, its number too"
  const check = `check that the other device ${shows}`
  const todo =
    relay !== undefined
      ? `${check}, and has this relay, or add --at and its address instead, as it shows`
      : at !== undefined
        ? `${check}, and this address, or add --relay and a relay of the record instead`
        : `${check}${mdns ? "" : ", leave out --no-mdns"}, or add --at and its address, as it shows, or --relay and a relay of the record`
  return new ProgramError(code, message, todo, { cause: error })
}
