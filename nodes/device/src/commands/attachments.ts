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
import { codeOf, failureOf, ProgramError } from "../program-error.ts"
import { lines, listed, sizeText, table, tone } from "../text.ts"
import { declined } from "./declined.ts"
import { stillHere } from "./held.ts"

/** From one progress line to the next. */
const PROGRESS_MS = 3000
const ID_CHARS = 12

export async function attach(context: CommandContext): Promise<Outcome> {
  const { person, args, io, signal, settle } = context
  const { name, bytes } = args.input("file")
  const path = args.optionalText("path")
  const before = path === undefined ? undefined : await person.get(path)
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
      before === undefined
        ? undefined
        : "What was there is replaced; `fulcrum undo` brings it back.",
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
              hereText(row),
              onText(row),
              row.paths.join(", "),
            ]),
            { head: ["id", "name", "size", "added", "here", "whole on", "path"] },
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
  const saved = await save(false)
    .catch((error: unknown) => {
      if (codeOf(error) !== "ATTACHMENT_DAMAGED") throw error
      io.note("What is here is damaged: what is wrong is fetched from another device.")
      return save(true)
    })
    .catch((error: unknown) => {
      throw codeOf(error) === "ATTACHMENT_AWAY" ? awayFrom(error, found) : error
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
  const from = row.paths.length === 0 ? "" : `, and from ${listed(row.paths)}`
  const question = `Take away ${named(row)}${from}? Every device of yours deletes it, for good.`
  if (!(await confirmForGood(io, question, { attachment: row })))
    throw declined("nothing was taken away")
  await person.attachments.remove(row.id)
  const held = await settle()
  return {
    document: { removed: row, held },
    text: lines(`Took away ${named(row)}.`, stillHere(held)),
  }
}

/** Who has it, and is not to be reached. */
function awayFrom(error: unknown, { name, on, here }: AttachmentRow): ProgramError {
  const { code } = failureOf(error)
  const some = here === "part" ? "only a part of it is here" : "it is not here"
  const message = `${some}, and cannot be had from another device now: ${oneLine(name)}`
  const todo =
    on.length === 0
      ? "attach it again, if you have it elsewhere"
      : `run \`fulcrum up\` on ${listed(on)}, then try again`
  return new ProgramError(code, message, todo, { cause: error })
}

function onText({ on }: AttachmentRow): string {
  if (on.length === 0) return tone("bad", "none")
  return on.length === 1 ? `${on.join()} ${tone("quiet", "only")}` : on.join(", ")
}

function oneLine(name: string): string {
  return name.replace(/[\r\n]+/g, " ")
}

function named({ name, bytes, id }: AttachmentRow): string {
  return `${oneLine(name)} (${sizeText(bytes)}, ${id.slice(0, ID_CHARS)})`
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
