/**
 * `fulcrum devices [rename NAME NEW-NAME | revoke NAME]`.
 *
 * @module
 */
import { lookAlike } from "@fulcrum/engine/device-name"
import type { DeviceActor, DeviceRow, RevokePlan } from "@fulcrum/engine/person"
import { type CommandContext, confirmForGood, type Outcome } from "../command.ts"
import { agoText, counted, lines, listed, table, tone } from "../text.ts"
import { declined } from "./declined.ts"
import { stillHere } from "./held.ts"

/** What a device says of itself that does not belong any more. */
export const REMOVED =
  "This device was removed from the record: it gets and sends nothing any more.\n  What it has stays readable: take it with `fulcrum export`. To join again: `fulcrum pair` on one of\n  your devices, and here `fulcrum join CODE --home NEW-FOLDER`."

/** What a device says whose folder is in use twice, or was put back. */
export const COPIED =
  "This device's folder was copied, or put back to what it was before: it has written elsewhere, too.\n  Nothing of that is lost. If a copy is in use, end one of the two, delete its folder, and pair it as a\n  device of its own: `fulcrum pair` on one of your devices, and there `fulcrum join CODE --home NEW-FOLDER`."

export async function devices({ person, clock }: CommandContext): Promise<Outcome> {
  const rows = await person.devices()
  const text = lines(
    person.isRemoved ? tone("bad", REMOVED) : "",
    person.isCopied ? tone("bad", COPIED) : "",
    fullTable(rows, clock.now()),
  )
  return { document: rows, text }
}

export async function rename({ person, args, settle }: CommandContext): Promise<Outcome> {
  const { name, before } = await person.renameDevice(args.text("name"), args.text("newName"))
  const held = await settle()
  return {
    document: { renamed: before, name, devices: await person.devices(), held },
    text: lines(
      before === name
        ? `${tone("strong", name)} is its name already.`
        : `${before} is ${tone("strong", name)} from now on.`,
      stillHere(held),
    ),
  }
}

export async function revoke(context: CommandContext): Promise<Outcome> {
  const { person, args, io, clock, settle } = context
  const wanted = args.text("name")
  const plan = await person.planRevoke(wanted)
  const { name } = plan
  const comesTo = revokeDocument(plan)
  await io.show({ document: null, text: revokeText(plan, clock.now()) })
  const question = `Remove ${name} for good?`
  // There is nothing to ask about what was removed already.
  const asks = plan.device !== undefined
  if (asks && !(await confirmForGood(io, question, { revoke: name, ...comesTo }))) {
    throw declined("the device stays")
  }
  await person.revokeDevice(wanted)
  const held = await settle()
  const rows = await person.devices()
  return {
    document: { removed: name, ...comesTo, devices: rows, held },
    text: lines(`${tone("strong", name)} is removed.`, stillHere(held)),
  }
}

/** The same as {@link revokeText}, for programs. */
function revokeDocument({ device, entries, attachments, companies }: RevokePlan): object {
  if (device === undefined) return {}
  const { connected, lastSeenMs, lag } = device
  return {
    keeps: { record: { connected, lastSeenMs, lag }, attachments, keys: "all until now" },
    loses: ["what is written from now on", "the record's mailboxes", "the companies' shares"],
    companies,
    stays: { entries },
    setAside: "what it wrote that is not here yet",
  }
}

/** What a removal can do, and what nothing can. */
function revokeText({ name, device, ...plan }: RevokePlan, nowMs: number): string {
  if (device === undefined) return `${name} is removed already; what was cut off is finished.`
  const { entries, attachments, companies } = plan
  const shares = counted(companies, "company", "companies")
  return lines(
    `${tone("strong", name)} (${device.kind ?? "kind not known"}; ${presenceText(device, nowMs)})`,
    "It has already, and nothing can take that back:",
    `  the whole record, as it had it last: ${holdsText(device)}`,
    attachments > 0 ? `  ${counted(attachments, "file")} of the record` : undefined,
    "  the keys of all that was written until now",
    "It can no longer get:",
    "  anything that is written from now on, by your devices or by a company",
    "  the record from your relays: it moves to mailboxes that this device does not know",
    companies > 0
      ? `  what the shares of ${shares} hold from now on: they get new keys`
      : undefined,
    `What it wrote and is here stays: ${counted(entries, "entry", "entries")}. What is not here yet is set aside:`,
    "  `fulcrum devices aside` lists it if it comes, to be taken or dropped.",
    "If it was lost or stolen: lock or erase it by other means, and change what your record names that",
    "  others rely on, such as passwords and customer numbers.",
    companies > 0
      ? `  Tell ${shares} (\`fulcrum relationships\`): it can still write to them as you.`
      : undefined,
  )
}

/** Two may have one name: one that was joined anew, and the one that it was before. */
const ID_CHARS = 8

/** Each device with its name, told apart. */
export function named(rows: readonly DeviceRow[]): readonly DeviceRow[] {
  const isTwice = (name: string) => rows.filter((one) => lookAlike(one.name, name)).length > 1
  return rows.map((row) =>
    isTwice(row.name) ? { ...row, name: `${row.name} (${row.id.slice(0, ID_CHARS)})` } : row,
  )
}

/** All that is known of each. */
function fullTable(rows: readonly DeviceRow[], nowMs: number): string {
  const head = ["name", "kind", "added by", "last seen", "holds"]
  return table(
    named(rows).map((row) => [
      row.isThis ? tone("strong", row.name) : row.name,
      row.kind ?? tone("quiet", "not known"),
      row.addedBy === undefined ? tone("quiet", "not known") : actorText(row.addedBy),
      seenText(row, nowMs),
      row.state === "removed" ? removedText(row) : holdsText(row),
    ]),
    { head },
  )
}

/** Which there are, and how each stands. */
export function deviceTable(rows: readonly DeviceRow[], nowMs: number): string {
  return table(
    named(rows).map((row) => [
      row.isThis ? tone("strong", row.name) : row.name,
      row.state === "removed" ? removedText(row) : presenceText(row, nowMs),
      row.state === "removed" || row.isThis ? "" : holdsText(row),
    ]),
  )
}

/** What of the record another device is known to have: of one that is away, as it was then. */
export function holdsText({ isThis, connected, hasEverything, lag }: DeviceRow): string {
  if (isThis) return "what is here"
  if (hasEverything && (lag === undefined || lag.ahead === 0)) return "in step"
  if (lag === undefined) return tone("quiet", "not known")
  const { behind, ahead } = lag
  const then = connected ? "" : " then"
  const parts = [
    behind > 0 ? `${counted(behind, "entry", "entries")} behind${then}` : "",
    ahead > 0 ? `has ${counted(ahead, "entry", "entries")} that are not here` : "",
  ].filter((part) => part !== "")
  if (parts.length > 0) return parts.join(", ")
  return connected ? "all of the record; shares are on their way" : "in step then"
}

function seenText({ isThis, connected, lastSeenMs }: DeviceRow, nowMs: number): string {
  if (isThis) return "this device"
  if (connected) return tone("good", "connected")
  return lastSeenMs === undefined ? tone("quiet", "never") : agoText(lastSeenMs, nowMs)
}

export function presenceText(row: DeviceRow, nowMs: number): string {
  const seen = seenText(row, nowMs)
  if (row.isThis || row.connected) return seen
  return row.lastSeenMs === undefined ? tone("quiet", "never seen") : `seen ${seen}`
}

function removedText({ removedBy }: DeviceRow): string {
  const by = removedBy.length === 0 ? "" : ` by ${listed(removedBy.map(actorName))}`
  return tone("bad", `removed${by}`)
}

function actorText(actor: DeviceActor): string {
  return actor.by === "itself" ? "itself" : actorName(actor)
}

function actorName({ name }: DeviceActor): string {
  return name ?? "the recovery words"
}
