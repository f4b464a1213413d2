/**
 * `fulcrum export`.
 *
 * @module
 */
import { parseJson } from "@fulcrum/codec/json"
import type { CommandContext, Outcome } from "../command.ts"
import { ProgramError } from "../program-error.ts"

const FORMATS = ["json", "jscontact", "vcard"] as const
const EXPORT_LIMITS = { bytesMax: 256 << 20, depthMax: 128, itemsMax: 10_000_000 }

export async function exportRecord({ person, args }: CommandContext): Promise<Outcome> {
  const asked = args.optionalText("format") ?? "json"
  const format = FORMATS.find((known) => known === asked)
  if (format === undefined) {
    throw new ProgramError(
      "USAGE",
      "there is no such format",
      "choose --format json, jscontact or vcard",
    )
  }
  const text = await person.exportRecord({ format, all: args.flag("all") })
  const document = format === "vcard" ? { format, text } : parseJson(text, EXPORT_LIMITS)
  return { document, text: text.endsWith("\n") ? text : `${text}\n`, exact: true }
}
