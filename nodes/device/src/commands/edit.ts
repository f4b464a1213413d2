/**
 * `fulcrum get`, `set`, `unset`, `history` and `undo`.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { EditResult, FieldValue, Person, Reach } from "@fulcrum/engine/person"
import type { CommandContext, Outcome } from "../command.ts"
import { codeOf } from "../program-error.ts"
import { lines, listed, table, tone } from "../text.ts"
import { partsText, TOLD_IN_FULL, valueText } from "../value-text.ts"
import { stillHere } from "./held.ts"

export async function get({ person, args, io }: CommandContext): Promise<Outcome> {
  const path = args.optionalText("path")
  const value = await person.get(path)
  if (value === undefined) {
    io.note(path === undefined ? "The record is empty so far." : "Nothing is there.")
    return { document: null, text: "" }
  }
  if (typeof value === "string") return { document: value, text: `${value}\n`, exact: true }
  return { document: value, text: table(leaves(value, path)) }
}

export async function set({ person, args, settle }: CommandContext): Promise<Outcome> {
  const edit = await person.set(args.text("path"), args.text("value"))
  return edited("Set", edit, await settle())
}

export async function unset({ person, args, settle }: CommandContext): Promise<Outcome> {
  const edit = await person.unset(args.text("path"))
  return edited("Removed", edit, await settle())
}

export async function undo({ person, settle }: CommandContext): Promise<Outcome> {
  const edit = await person.undo()
  const now = (await Promise.all(edit.changed.map((path) => valueNow(person, path)))).flat()
  const outcome = edited("Undone:", edit, await settle())
  const rows = now.map(({ path, value }) => [path, valueText(value)])
  return {
    document: { ...outcome.document, now: now.map(({ path, value = null }) => ({ path, value })) },
    text: lines(outcome.text, rows.length === 0 ? "" : "There now:", table(rows, { indent: "  " })),
  }
}

async function valueNow(person: Person, path: string): Promise<readonly FieldValue[]> {
  try {
    return [{ path, value: await person.get(path) }]
  } catch (error) {
    // An import may have brought what no command names; it was undone all the same.
    if (codeOf(error) === "PATH_UNKNOWN") return []
    throw error
  }
}

export async function history({ person, args }: CommandContext): Promise<Outcome> {
  const rows = await person.history(args.optionalText("path"))
  if (rows.length === 0) return { document: rows, text: "Nothing was written there yet." }
  return {
    document: rows,
    text: table(
      rows.map(({ path, value, device }) => [
        path,
        valueText(value),
        device ?? tone("quiet", "not known"),
      ]),
      { head: ["path", "value", "device"] },
    ),
  }
}

/** Each value with its whole path, as `fulcrum set` takes it; a name or an address in one line. */
function leaves(value: JsonValue, path: string | undefined): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [[path ?? "", valueText(value)]]
  const members = Object.entries(value)
  if (members.length === 0) return path === undefined ? [] : [[path, tone("quiet", "(empty)")]]
  if (Array.isArray(value)) return [[path ?? "", valueText(value)]]
  const whole = path !== undefined && "components" in value ? partsText(value) : undefined
  const row = path !== undefined && whole !== undefined ? [[path, whole]] : []
  const others = members.filter(([name]) => whole === undefined || !TOLD_IN_FULL.has(name))
  const below = others.flatMap(([name, member]) => {
    const segment = name.replaceAll("~", "~0").replaceAll("/", "~1")
    // A document's own name may hold a slash: it is no segment yet.
    return leaves(member, path === undefined ? name : `${path}/${segment}`)
  })
  return [...row, ...below]
}

export function edited(
  verb: string,
  edit: EditResult,
  held: readonly string[] | undefined,
): Outcome & { readonly document: object } {
  const { changed, reaches } = edit
  return {
    document: { changed, reaches, held },
    text: lines(
      changed.length === 0 ? "That was so already." : `${verb} ${listed(changed)}.`,
      reachText(reaches),
      stillHere(held),
    ),
  }
}

function reachText(reaches: readonly Reach[]): string {
  if (reaches.length === 0) return ""
  const vendors = new Set(reaches.map(({ vendor }) => vendor))
  return lines(
    `Reaches ${listed([...vendors])}:`,
    table(
      reaches.map(({ vendor, path }) => [vendor, path]),
      { indent: "  " },
    ),
  )
}
