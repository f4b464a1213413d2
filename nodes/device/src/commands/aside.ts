/**
 * `fulcrum devices aside`, `take` and `drop`: what removed devices wrote that does not count.
 *
 * @module
 */
import type { Person } from "@fulcrum/engine/person"
import { ASIDE_ID_CHARS, type AsideOther, type AsideRow } from "@fulcrum/engine/person-aside"
import type { CommandContext, Outcome } from "../command.ts"
import { counted, lines, listed, table, tone } from "../text.ts"
import { valueText } from "../value-text.ts"
import { edited } from "./edit.ts"
import { stillHere } from "./held.ts"

export async function aside({ person }: CommandContext): Promise<Outcome> {
  const rows = await person.aside.list()
  return { document: rows, text: asideText(rows) }
}

export async function take({ person, args, settle }: CommandContext): Promise<Outcome> {
  const isField = ({ fields }: AsideRow) => fields.length > 0
  const ids = await wanted(person, args.texts("id"), isField)
  if (ids.length === 0) return nothing("Nothing that is set aside is a field.")
  const edit = await person.aside.take(ids)
  return edited("Taken:", edit, await settle())
}

export async function drop({ person, args, settle }: CommandContext): Promise<Outcome> {
  const ids = await wanted(person, args.texts("id"), () => true)
  if (ids.length === 0) return nothing("Nothing is set aside.")
  const dropped = await person.aside.drop(ids)
  const held = await settle()
  const listedIds = listed(dropped.map((id) => id.slice(0, ASIDE_ID_CHARS)))
  return {
    document: { dropped, held },
    text: lines(`Dropped: ${listedIds}. No device of yours lists it any more.`, stillHere(held)),
  }
}

/** For `sync` and `status`: that something waits for a word. */
export function asideNote(count: number): string | undefined {
  if (count === 0) return undefined
  const what = counted(count, "entry of a removed device is", "entries of removed devices are")
  return `${what} set aside: see \`fulcrum devices aside\`.`
}

function nothing(text: string): Outcome {
  return { document: { changed: [], dropped: [] }, text }
}

/** `all` stands for each that is fit. */
async function wanted(
  person: Person,
  ids: readonly string[],
  isFit: (row: AsideRow) => boolean,
): Promise<readonly string[]> {
  if (ids.length !== 1 || ids[0]?.toLowerCase() !== "all") return ids
  return (await person.aside.list()).filter(isFit).map(({ id }) => id)
}

function asideText(rows: readonly AsideRow[]): string {
  if (rows.length === 0) return "Nothing is set aside."
  return lines(
    "None of this counts: a device wrote it that is removed, and whoever removed it had not seen it.",
    table(rows.flatMap(rowsOf), { head: ["id", "device", "field", "it wrote", "now"] }),
    "If it is yours: `fulcrum devices take ID…` writes the fields into the record. If it is not:",
    "  `fulcrum devices drop ID…`, or `drop all`, and it is listed no more.",
  )
}

const OTHER_TEXT = {
  field: "a field that cannot be set so",
  company: "a company that it met",
  file: "a file",
  move: "a move",
  relay: "a relay",
} as const satisfies Record<AsideOther, string>

function rowsOf({ id, device, fields, others }: AsideRow): readonly (readonly string[])[] {
  const name = [id.slice(0, ASIDE_ID_CHARS), device]
  const written = fields.map(({ path, value, now }) => [
    ...[...name, path],
    ...[value === undefined ? tone("quiet", "removes it") : valueText(value), valueText(now)],
  ])
  if (others.length === 0) return written
  const what = `not to be taken: ${listed(others.map((other) => OTHER_TEXT[other]))}`
  return [...written, [...name, tone("quiet", what), "", ""]]
}
