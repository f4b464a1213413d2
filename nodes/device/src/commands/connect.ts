/**
 * `fulcrum connect INVITATION`: shows who asks, for what, under which terms and what would be
 * given, then proffers it. Nothing is given by default.
 *
 * @module
 */
import type {
  ConnectPreview,
  ConnectRequest,
  RelationshipRow,
  RequestedField,
} from "@fulcrum/engine/person"
import { type CommandContext, confirm, type Io, type Outcome } from "../command.ts"
import { lines, listed, table, termText, tone, valueText } from "../text.ts"
import { declined } from "./declined.ts"
import { stillHere } from "./held.ts"

const NOTHING = "none"

export async function connect(context: CommandContext): Promise<Outcome> {
  const { person, args, io, clock, settle } = context
  const terms = args.optionalText("terms")
  let request: ConnectRequest = {
    invitation: args.text("invitation"),
    disclose: splitPaths(args.optionalText("disclose")),
    ...(terms !== undefined && { terms }),
  }
  io.progress("Fetching the request")
  let preview = await person.previewConnect(request)
  if (request.disclose.length === 0 && preview.resumes === undefined && io.interactive) {
    const chosen = await chooseFields(io, preview)
    if (chosen.length > 0) {
      request = { ...request, disclose: chosen }
      preview = await person.previewConnect(request)
    }
  }
  io.show({ document: preview, text: previewText(preview) })
  const question = preview.resumes === undefined ? "Connect on these terms?" : "Go on with it?"
  if (!(await confirm(io, question, preview))) throw declined("nothing was sent")
  const begunMs = clock.now()
  let relationship = await person.connect(request)
  let held = await settle()
  const waitSeconds = args.number("wait") ?? 0
  if (relationship.state === "proffered" && waitSeconds > 0) {
    io.progress(`Waiting for ${relationship.vendor}`)
    const leftMs = Math.max(0, waitSeconds * 1000 - (clock.now() - begunMs))
    relationship = await person.waitForAgreement(relationship.id, leftMs)
    // The agreement lets the first fields go.
    held = await settle()
  }
  return {
    document: { ...relationship, held },
    text: lines(stateText(relationship), stillHere(held)),
    failed: relationship.state === "refused",
  }
}

/** `a,b` as typed; no path has a comma. */
function splitPaths(typed: string | undefined): readonly string[] {
  const paths = typed?.split(",").map((path) => path.trim()) ?? []
  return paths.filter((path) => path !== "")
}

async function chooseFields(io: Io, preview: ConnectPreview): Promise<readonly string[]> {
  if (preview.requested.length === 0) return []
  io.show({
    document: preview.requested,
    text: lines(`${whoText(preview)} asks for:`, requestedTable(preview.requested)),
  })
  const text = "Which do you give? Paths with commas between,"
  const typed = await io.ask({ text, kind: "text", default: NOTHING })
  return typed === NOTHING ? [] : splitPaths(typed)
}

function previewText(preview: ConnectPreview): string {
  const { vendor, did, terms, requested, disclosed, missing, personal, relays, resumes } = preview
  return lines(
    `${whoText(preview)}, ${vendor.checked}`,
    resumes === undefined
      ? undefined
      : "You followed this invitation before; this goes on with it.",
    personal
      ? "The invitation was made for one person: following it tells the company that it is you."
      : undefined,
    table([
      ["you appear as", resumes === undefined ? "somebody new, known to no other company" : did],
      ["terms", termText(terms)],
      ...relays.map((relay) => ["by relay", relay]),
    ]),
    requested.length === 0 ? "\nIt asks for no field." : "\nIt asks for:",
    requestedTable(requested),
    disclosed.length === 0
      ? "\nIt gets no field: you stay nameless."
      : "\nIt gets, once both signed:",
    table(
      disclosed.map(({ path, value, follows }) => [
        path,
        valueText(value),
        follows ? "and later changes" : "just once",
      ]),
      { indent: "  " },
    ),
    missing.length === 0
      ? undefined
      : tone("bad", `\nIt requires, and would not get: ${listed(missing)}`),
  )
}

function requestedTable(requested: readonly RequestedField[]): string {
  return table(
    requested.map(({ path, purpose, retention, required, why }) => [
      path,
      required ? tone("busy", "required") : tone("quiet", "optional"),
      termText(purpose),
      retention,
      why,
    ]),
    { indent: "  " },
  )
}

/** A name only ever beside its domain: anybody can choose a name. */
function whoText({ vendor }: ConnectPreview): string {
  const name = tone("strong", vendor.name)
  return `${name} (${vendor.domain ?? "no domain"})`
}

function stateText({ vendor, state, terms, id }: RelationshipRow): string {
  switch (state) {
    case "proffered":
      return `Proffered to ${tone("strong", vendor)}; its answer shows in \`fulcrum show ${id.slice(0, 8)}\`.`
    case "agreed":
      return tone("good", `Agreed with ${vendor} on ${termText(terms)}.`)
    case "refused":
      return tone("bad", `${vendor} refused; see \`fulcrum show ${id.slice(0, 8)}\`.`)
    case "left":
      return `You left ${vendor}.`
  }
}
