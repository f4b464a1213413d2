/**
 * `fulcrum import FILE…`.
 *
 * @module
 */
import type { ImportResult } from "@fulcrum/engine/person"
import { RecordError } from "@fulcrum/record/record-error"
import type { CommandContext, Outcome } from "../command.ts"
import { failureOf, ProgramError } from "../program-error.ts"
import { counted, lines, table } from "../text.ts"
import { valueText } from "../value-text.ts"
import { stillHere } from "./held.ts"

export async function importFiles(context: CommandContext): Promise<Outcome> {
  const { person, args, io, settle } = context
  const files = args.files("files")
  const imported: (ImportResult & { readonly file: string })[] = []
  for (const [i, { name, bytes }] of files.entries()) {
    if (files.length > 1) io.progress(`${i + 1} of ${files.length} files`)
    const taken = await person.importFile(bytes).catch((error: unknown) => {
      throw aboutFile(error, name)
    })
    for (const warning of taken.warnings) io.note(`${name}: ${warning}`)
    imported.push({ file: name, ...taken })
  }
  const held = await settle()
  return {
    document: { files: imported, held },
    text: lines(...imported.map(fileText), stillHere(held)),
  }
}

/** Several may have been given. */
function aboutFile(error: unknown, file: string): unknown {
  if (!(error instanceof RecordError)) return error
  return new ProgramError(error.code, `${file}: ${error.message}`, failureOf(error).todo, {
    cause: error,
  })
}

function fileText({ file, cards, fields }: ImportResult & { readonly file: string }): string {
  const taken = `${file}: ${counted(fields.length, "field")}`
  const replaced = fields.filter(({ before }) => before !== undefined)
  const fresh = fields.filter(({ before }) => before === undefined)
  return lines(
    cards > 1 ? `${taken}, from the first of ${cards} cards` : taken,
    table(
      fresh.map(({ path, value }) => [path, valueText(value)]),
      { indent: "  " },
    ),
    replaced.length === 0 ? undefined : "Replaced; `fulcrum undo` takes an import back:",
    table(
      replaced.map(({ path, before, value }) => [path, valueText(before), "→", valueText(value)]),
      { indent: "  " },
    ),
  )
}
