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
import { lines, listed, table, termText, tone } from "../text.ts"
import { valueText } from "../value-text.ts"
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
  if (preview.state !== undefined && preview.state !== "proffered") {
    return await followedBefore(context, request, preview)
  }
  await io.show({ document: preview, text: previewText(preview) })
  const question = preview.resumes === undefined ? "Connect on these terms?" : "Go on with it?"
  if (!(await confirm(io, question, preview))) throw declined("nothing was sent")
  const begunMs = clock.now()
  let relationship = await person.connect(request)
  let held = await settle()
  const waitSeconds = args.number("wait") ?? 0
  if (relationship.state === "proffered") {
    if (waitSeconds > 0) io.progress(`Waiting for ${relationship.vendor}`)
    const leftMs = Math.max(0, waitSeconds * 1000 - (clock.now() - begunMs))
    // Also where nobody waits: by now the relay may have said that the invitation was used.
    relationship = await person.waitForAgreement(relationship.id, leftMs)
    // The agreement lets the first fields go.
    if (waitSeconds > 0 || relationship.state !== "proffered") held = await settle()
  }
  return {
    document: { ...relationship, held },
    text: lines(stateText(relationship), stillHere(held)),
    failed: relationship.state === "refused",
  }
}

/** Once the company has answered, following its invitation again changes nothing. */
async function followedBefore(
  { person, settle }: CommandContext,
  { disclose }: ConnectRequest,
  preview: ConnectPreview,
): Promise<Outcome> {
  const view = await person.show(preview.resumes ?? preview.vendor.name)
  // What a command that was cut off had left goes on its way; else nobody waits for anything.
  const held = view.held.length === 0 ? view.held : ((await settle()) ?? view.held)
  const known = new Set(preview.disclosed.map(({ path }) => path))
  const more = disclose.map(withoutOnce).filter((path) => !known.has(path))
  return {
    document: { ...view, held },
    text: lines(
      previewText(preview),
      more.length === 0 ? undefined : `\nNot given by following it again: ${listed(more)}`,
      `\n${answeredText(view)}`,
      stillHere(held),
    ),
    failed: view.state === "refused",
  }
}

function answeredText({ vendor, state, terms, id }: RelationshipRow): string {
  const see = `see \`fulcrum show ${id.slice(0, 8)}\`.`
  if (state === "agreed") {
    return tone("good", `You and ${vendor} have agreed on ${termText(terms)} already; ${see}`)
  }
  return state === "left" ? `You left ${vendor}; ${see}` : tone("bad", `${vendor} refused; ${see}`)
}

function withoutOnce(path: string): string {
  return path.endsWith(":once") ? path.slice(0, -":once".length) : path
}

/** `a,b` as typed; no path has a comma. */
function splitPaths(typed: string | undefined): readonly string[] {
  const paths = typed?.split(",").map((path) => path.trim()) ?? []
  return paths.filter((path) => path !== "")
}

async function chooseFields(io: Io, preview: ConnectPreview): Promise<readonly string[]> {
  if (preview.requested.length === 0) return []
  await io.show({
    document: preview.requested,
    text: lines(`${whoText(preview)} asks for:`, requestedTable(preview.requested)),
  })
  const text = "Which do you give? Paths with commas between,"
  const typed = await io.ask({ text, kind: "text", default: NOTHING })
  return typed === NOTHING ? [] : splitPaths(typed)
}

function previewText(preview: ConnectPreview): string {
  const { vendor, terms, requested, disclosed, missing, personal, relays, resumes } = preview
  const isSettled = preview.state !== undefined && preview.state !== "proffered"
  const given = disclosed.filter((one) => one.given)
  const promised = disclosed.filter((one) => !one.given)
  return lines(
    `${whoText(preview)}, ${vendor.checked}`,
    resumes === undefined
      ? undefined
      : `You followed this invitation before${isSettled ? "." : "; this goes on with it."}`,
    personal && resumes === undefined
      ? "The invitation was made for one person: following it tells the company that it is you."
      : undefined,
    table([
      ["you appear as", preview.ownDid ?? "somebody new, known to no other company"],
      ["terms", termText(terms)],
      ...relays.map((relay) => ["by relay", relay]),
    ]),
    requested.length === 0 ? "\nIt asks for no field." : "\nIt asks for:",
    requestedTable(requested),
    given.length === 0 ? undefined : "\nIt has from you:",
    disclosedTable(given),
    disclosed.length === 0 ? "\nIt gets no field: you stay nameless." : undefined,
    promised.length === 0 ? undefined : `\n${promiseText(preview)}`,
    disclosedTable(promised),
    missing.length === 0
      ? undefined
      : tone("bad", `\nIt requires, and would not get: ${listed(missing)}`),
  )
}

function promiseText({ state }: ConnectPreview): string {
  if (state === "agreed") return "It is about to get:"
  return state === "refused" || state === "left" ? "It did not get:" : "It gets, once both signed:"
}

function disclosedTable(disclosed: ConnectPreview["disclosed"]): string {
  return table(
    disclosed.map(({ path, value, follows }) => [
      path,
      valueText(value),
      follows ? "and later changes" : "just once",
    ]),
    { indent: "  " },
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
    case "frozen":
      return tone("bad", `${vendor} takes no change; see \`fulcrum show ${id.slice(0, 8)}\`.`)
    case "refused":
      return tone("bad", `${vendor} refused; see \`fulcrum show ${id.slice(0, 8)}\`.`)
    case "left":
      return `You left ${vendor}.`
  }
}
