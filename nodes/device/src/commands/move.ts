/**
 * `fulcrum move PATH=VALUE…`: shows who gets what, always, then tells them.
 *
 * @module
 */
import type { MovePreview, MoveRequest } from "@fulcrum/engine/person"
import { type CommandContext, confirm, type Outcome } from "../command.ts"
import { ProgramError } from "../program-error.ts"
import { counted, lines, listed, table, tone, valueText } from "../text.ts"
import { boardText } from "./board.ts"
import { declined } from "./declined.ts"
import { stillHere } from "./held.ts"

export async function move(context: CommandContext): Promise<Outcome> {
  const { person, args, io, settle } = context
  const from = args.optionalText("from")
  const request: MoveRequest = {
    assignments: args.texts("assignments").map(readAssignment),
    ...(from !== undefined && { from }),
  }
  const preview = await person.planMove(request)
  const shown = { document: preview, text: previewText(preview) }
  if (args.flag("dryRun")) return shown
  io.show(shown)
  if (!(await confirm(io, questionOf(preview), preview))) throw declined("nothing was changed")
  const begun = await person.move(request)
  const held = await settle()
  const board = (await person.board(begun.move)) ?? begun
  return { document: { ...board, held }, text: lines(boardText(board), stillHere(held)) }
}

function readAssignment(typed: string): { readonly path: string; readonly value: string } {
  const at = typed.indexOf("=")
  if (at < 1) {
    throw new ProgramError("USAGE", "a change is written PATH=VALUE", "see `fulcrum move --help`")
  }
  return { path: typed.slice(0, at), value: typed.slice(at + 1) }
}

function questionOf({ gets }: MovePreview): string {
  if (gets.length === 0) return "No company has these from you. Change your record?"
  return `Change your record and tell ${counted(gets.length, "company", "companies")}?`
}

function previewText({ changes, gets, unaffected, from }: MovePreview): string {
  return lines(
    from === undefined ? "From now on:" : `From ${from}:`,
    table(
      changes.map(({ path, before, after }) => [
        path,
        valueText(before),
        "→",
        tone("strong", valueText(after)),
      ]),
      { indent: "  " },
    ),
    gets.length === 0 ? "\nNo company is told." : "\nWho is told:",
    table(
      gets.map(({ vendor, paths }) => [vendor, listed(paths)]),
      { indent: "  " },
    ),
    unaffected.length === 0
      ? undefined
      : `Not told: ${listed(unaffected.map(({ vendor }) => vendor))}`,
  )
}
