/**
 * `fulcrum import FILE…`.
 *
 * @module
 */
import type { ImportResult } from "@fulcrum/engine/person"
import type { CommandContext, Outcome } from "../command.ts"
import { counted, lines, table, valueText } from "../text.ts"
import { stillHere } from "./held.ts"

export async function importFiles(context: CommandContext): Promise<Outcome> {
  const { person, args, io, settle } = context
  const files = args.files("files")
  const imported: (ImportResult & { readonly file: string })[] = []
  for (const [i, { name, bytes }] of files.entries()) {
    if (files.length > 1) io.progress(`${i + 1} of ${files.length} files`)
    imported.push({ file: name, ...(await person.importFile(bytes)) })
  }
  const held = await settle()
  return {
    document: { files: imported, held },
    text: lines(...imported.map(fileText), stillHere(held)),
  }
}

function fileText({ file, cards, fields }: ImportResult & { readonly file: string }): string {
  const taken = `${file}: ${counted(fields.length, "field")}`
  return lines(
    cards > 1 ? `${taken}, from the first of ${cards} cards` : taken,
    table(
      fields.map(({ path, value }) => [path, valueText(value)]),
      { indent: "  " },
    ),
  )
}
