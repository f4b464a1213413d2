/**
 * `fulcrum attach`, `attachments`, `attachments get` and `attachments remove`.
 *
 * @module
 */
import type { AttachmentRow } from "@fulcrum/engine/person"
import {
  type CommandContext,
  confirmForGood,
  type Outcome,
  WAIT_SECONDS_DEFAULT,
} from "../command.ts"
import { mediaTypeOf } from "../media-type.ts"
import { codeOf } from "../program-error.ts"
import { lines, sizeText, table, tone } from "../text.ts"
import { declined } from "./declined.ts"
import { stillHere } from "./held.ts"

/** From one progress line to the next. */
const PROGRESS_MS = 1000
const ID_CHARS = 12

export async function attach(context: CommandContext): Promise<Outcome> {
  const { person, args, io, signal, settle } = context
  const { name, bytes } = args.input("file")
  const path = args.optionalText("path")
  const row = await person.attachments.add({
    ...{ name, bytes, path, signal },
    mediaType: mediaTypeOf(name),
    content: io.content("file"),
    progress: progressOf(context, "Sealing", bytes),
  })
  const held = await settle()
  const others = (await person.devices()).filter(
    ({ isThis, state }) => !isThis && state === "member",
  )
  return {
    document: { attachment: row, path: path ?? null, held },
    text: lines(
      `Attached ${named(row)}${path === undefined ? "" : ` at ${path}`}.`,
      others.length > 0
        ? tone("quiet", "It is on this device only, until another one gets it.")
        : undefined,
      stillHere(held),
    ),
  }
}

export async function attachments({ person }: CommandContext): Promise<Outcome> {
  const rows = await person.attachments.list()
  return {
    document: { attachments: rows },
    text:
      rows.length === 0
        ? "No files are attached: `fulcrum attach FILE` adds one."
        : table(
            rows.map((row) => [
              row.id.slice(0, ID_CHARS),
              row.name,
              sizeText(row.bytes),
              new Date(row.addedMs).toISOString().slice(0, 10),
              row.device ?? "?",
              hereText(row),
            ]),
            { head: ["id", "name", "size", "added", "on", "here"] },
          ),
  }
}

export async function getAttachment(context: CommandContext): Promise<Outcome> {
  const { person, args, io, signal } = context
  const wanted = args.text("attachment")
  const found = await person.attachments.find(wanted)
  const reachMs = (args.number("wait") ?? WAIT_SECONDS_DEFAULT) * 1000
  const progress = progressOf(context, "Fetching", found.bytes)
  const save = async (isDoubted: boolean): Promise<string> => {
    await person.attachments.fetch(found.id, { reachMs, signal, isDoubted, progress })
    return await io.save("file", found.name, person.attachments.read(found.id))
  }
  const saved = await save(false).catch((error: unknown) => {
    if (codeOf(error) !== "ATTACHMENT_DAMAGED") throw error
    io.note("What is here is damaged: what is wrong is fetched from another device.")
    return save(true)
  })
  return {
    document: { attachment: { ...found, here: "whole" }, file: saved },
    text: `Wrote ${named(found)} to ${saved}.`,
  }
}

export async function removeAttachment({
  person,
  args,
  io,
  settle,
}: CommandContext): Promise<Outcome> {
  const row = await person.attachments.find(args.text("attachment"))
  const question = `Take away ${named(row)}? Every device of yours deletes it.`
  if (!(await confirmForGood(io, question, { attachment: row })))
    throw declined("nothing was taken away")
  await person.attachments.remove(row.id)
  const held = await settle()
  return {
    document: { removed: row, held },
    text: lines(`Took away ${named(row)}.`, stillHere(held)),
  }
}

function named({ name, bytes, id }: AttachmentRow): string {
  return `${name} (${sizeText(bytes)}, ${id.slice(0, ID_CHARS)})`
}

function hereText({ here }: AttachmentRow): string {
  if (here === "whole") return tone("good", "yes")
  return here === "part" ? tone("busy", "in part") : tone("quiet", "no")
}

/** Tells how far it is, now and then. */
function progressOf(
  { io, clock }: CommandContext,
  what: string,
  bytes: number,
): (done: number) => void {
  let lastMs = clock.now()
  return (done) => {
    if (clock.now() - lastMs < PROGRESS_MS) return
    lastMs = clock.now()
    io.progress(`${what}: ${sizeText(done)} of ${sizeText(bytes)}`)
  }
}
