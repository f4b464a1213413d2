/**
 * `fulcrum recover` and `restore`: make this device one of a record with its 24 words, from a relay, from
 * another device that runs, or from a backup.
 *
 * @module
 */
import { type Outcome, WAIT_SECONDS_DEFAULT } from "./command.ts"
import { stillHere } from "./commands/held.ts"
import { type FolderContext, settleHere } from "./folder-command.ts"
import { homeOption } from "./home.ts"
import { nameIn } from "./init.ts"
import { machineParts } from "./machine.ts"
import { type DeviceParts, recoverDevice } from "./open-device.ts"
import { ProgramError } from "./program-error.ts"
import type { RecoverRequest } from "./record-maker.ts"
import { askWords } from "./recovery-words-screen.ts"
import { requireRelay } from "./relay-argument.ts"
import { counted, lines, tone } from "./text.ts"

const OLD_BACKUP = `
None of the record's relays was reached, or none had it: it is as the backup has it.
If a device was removed, or the words were replaced, since the backup was made, your other devices do not
know this one: then use \`fulcrum recover\` with the newest words, in another folder.`

const AWAITED = "Not all of it has come yet: `fulcrum sync` goes on."

export async function recover(
  context: FolderContext,
  parts: DeviceParts = ownParts(context),
): Promise<Outcome> {
  const at = context.args.optionalText("at")
  const relays = at === undefined ? await askRelays(context) : []
  const words = await askWords(context.io, context.args)
  context.io.progress(at === undefined ? "Looking for your record" : "Asking the other device")
  return await bringBack(context, parts, { words, relays, at })
}

/** `fulcrum restore FILE`: likewise, from a backup. */
export async function restore(
  context: FolderContext,
  parts: DeviceParts = ownParts(context),
): Promise<Outcome> {
  const { io, args } = context
  const words = await askWords(io, args)
  io.progress("Reading the backup")
  const backup = () => io.content("file")
  return await bringBack(context, parts, { words, relays: [], backup })
}

function ownParts(context: FolderContext): DeviceParts {
  return machineParts({ ...context, note: (text) => context.io.note(text) })
}

async function bringBack(
  { args, io, home, signal }: FolderContext,
  parts: DeviceParts,
  from: Pick<RecoverRequest, "words" | "relays" | "backup" | "at">,
): Promise<Outcome> {
  const name = nameIn(args)
  const { words, backup } = from
  const { person, missingEpochs, isNewest, wasHere } = await recoverDevice(
    parts,
    { ...from, name, signal },
    { plainKey: args.flag("noPassphrase") },
  )
  try {
    const put = backup && (await parts.records.restoreAttachments(person, { words, backup }))
    const held = await settleHere(person, io, args.number("wait") ?? WAIT_SECONDS_DEFAULT)
    const { entries, documents, relationships } = await person.status()
    const files = await person.attachments.list()
    // By the names that they have now: what came last says so.
    const others = (await person.devices()).flatMap(({ isThis, state, name: other }) =>
      isThis || state !== "member" ? [] : [other],
    )
    const away = files.filter(({ here }) => here !== "whole").length
    return {
      document: {
        device: person.device,
        ...{ entries, documents, relationships, others, missingEpochs, wasHere, held },
        attachments: { all: files.length, here: files.length - away },
        ...(put && { wrong: put.wrong, isCut: put.isCut, isNewest }),
      },
      text: lines(
        person.isAwaited
          ? AWAITED
          : `Your record ${wasHere ? "was back here before" : "is back"}, on ${tone("strong", person.device.name)}: ${counted(relationships, "relationship")}, ${counted(entries, "entry", "entries")} of history.`,
        missingEpochs > 0
          ? tone("bad", "Less was found than there was: what came last is missing.")
          : undefined,
        ...(put?.wrong ?? []).map((file) => `${file} is not what the record says: left out.`),
        put?.isCut
          ? tone(
              "bad",
              "The backup is damaged after the record: not all attached files came out of it.",
            )
          : undefined,
        away > 0
          ? `${counted(away, "attached file")} of it: on the devices that had them, and nowhere else.`
          : undefined,
        othersText(others, homeOption(home)),
        backup && !isNewest && !wasHere && !put?.isCut ? OLD_BACKUP : undefined,
        stillHere(held),
      ),
    }
  } finally {
    await person.close()
  }
}

function othersText(others: readonly string[], at: string): string | undefined {
  if (others.length === 0) return undefined
  return lines(
    `\nStill devices of yours: ${others.map((name) => tone("strong", name)).join(", ")}. Remove each that you have no more, so`,
    "that it reads nothing from now on:",
    "",
    ...others.map((name) => `  fulcrum devices revoke ${JSON.stringify(name)}${at}`),
    "",
    `If anybody else may have seen the words, make new ones: fulcrum recovery-words${at}`,
  )
}

async function askRelays({ args, io }: FolderContext): Promise<readonly string[]> {
  const given = args.texts("relay")
  const question = {
    text: "The relay that is written below your words:",
    kind: "text",
    default: "",
  } as const
  const relays = given.length > 0 ? given : [await io.ask(question)].filter((typed) => typed !== "")
  if (relays.length === 0) {
    throw new ProgramError(
      "USAGE",
      "the words find the record by a relay that keeps it",
      "give its address with --relay, as it is written below them",
    )
  }
  for (const address of relays) requireRelay(address)
  return relays
}
