/**
 * `fulcrum devices aside`, `take` and `drop`: what removed devices wrote that does not count.
 *
 * @module
 */
import type { Person } from "@fulcrum/engine/person"
import { ASIDE_ID_CHARS, type AsideRow } from "@fulcrum/engine/person-aside"
import type { CommandContext, Outcome } from "../command.ts"
import { counted, lines, table, tone } from "../text.ts"
import { valueText } from "../value-text.ts"
import { edited } from "./edit.ts"
import { stillHere } from "./held.ts"

export async function aside({ person }: CommandContext): Promise<Outcome> {
  const rows = await person.aside.list()
  return { document: rows, text: asideText(rows) }
}

export async function take({ person, args, settle }: CommandContext): Promise<Outcome> {
  const edit = await person.aside.take(await wanted(person, args.texts("id")))
  return edited("Set", edit, await settle())
}

export async function drop({ person, args, settle }: CommandContext): Promise<Outcome> {
  const ids = await wanted(person, args.texts("id"))
  await person.aside.drop(ids)
  const held = await settle()
  return {
    document: { dropped: ids, held },
    text: lines(`${counted(ids.length, "entry", "entries")} dropped.`, stillHere(held)),
  }
}

/** `all` stands for each. */
async function wanted(person: Person, ids: readonly string[]): Promise<readonly string[]> {
  if (ids.length !== 1 || ids[0]?.toLowerCase() !== "all") return ids
  return (await person.aside.list()).map(({ id }) => id)
}

function asideText(rows: readonly AsideRow[]): string {
  if (rows.length === 0) return "Nothing is set aside."
  return lines(
    "None of this counts: it came from a device that is removed, and nobody had it before that.",
    table(rows.flatMap(rowsOf), { head: ["id", "device", "field", "it wrote", "now"] }),
    "If it is yours: `fulcrum devices take ID…` writes it into the record. If it is not:",
    "  `fulcrum devices drop ID…`, or `drop all`, and it is listed no more.",
  )
}

function rowsOf({ id, device, fields, others }: AsideRow): readonly (readonly string[])[] {
  const name = [id.slice(0, ASIDE_ID_CHARS), device]
  const written = fields.map(({ path, value, now }) => [
    ...[...name, path],
    ...[valueText(value), valueText(now)],
  ])
  if (others === 0) return written
  const what = counted(others, "thing that is no field", "things that are no fields")
  return [...written, [...name, tone("quiet", what), "", ""]]
}
