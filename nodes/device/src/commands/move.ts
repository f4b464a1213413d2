/**
 * `fulcrum move PATH=VALUE…`: shows who gets what, always, then tells them.
 *
 * The newest move again is that move, and no failure: whoever was cut off does not know whether
 * it was made.
 *
 * @module
 */
import { equalJson } from "@fulcrum/codec/json"
import type { BoardView, MovePreview, MoveRequest } from "@fulcrum/engine/person"
import { type CommandContext, confirm, type Outcome } from "../command.ts"
import { failureOf, ProgramError } from "../program-error.ts"
import { counted, lines, listed, table, tone } from "../text.ts"
import { valueText } from "../value-text.ts"
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
  const preview = await person.planMove(request).catch(orAdd)
  const shown = { document: preview, text: previewText(preview) }
  if (args.flag("dryRun")) return shown
  const made = await madeBefore(context, preview)
  if (made !== undefined) return outcomeOf(made, await settle(), "You made this move before.")
  await io.show(shown)
  if (!(await confirm(io, questionOf(preview), preview))) throw declined("nothing was changed")
  const begun = await person.move(request)
  const held = await settle()
  return outcomeOf((await person.board(begun.move)) ?? begun, held)
}

/** A move changes what is there. */
function orAdd(error: unknown): never {
  const { code, message } = failureOf(error)
  if (code !== "PATH_UNKNOWN") throw error
  const todo = "see `fulcrum get` for what is there to change; `fulcrum set` adds what is not"
  throw new ProgramError(code, message, todo, { cause: error })
}

function outcomeOf(
  board: BoardView,
  held: readonly string[] | undefined,
  before?: string,
): Outcome {
  const document = { ...board, held }
  return { document, text: lines(before, boardText(board), stillHere(held)) }
}

/** The newest move, if it is just this one and the record still says so. */
async function madeBefore(
  { person }: CommandContext,
  { changes, from }: MovePreview,
): Promise<BoardView | undefined> {
  if (!changes.every(({ before, after }) => equalJson(before, after))) return undefined
  const newest = await person.board()
  if (newest === undefined || newest.from !== from) return undefined
  const made = new Map(newest.changes.map(({ path, after }) => [path, after]))
  const isThis =
    made.size === changes.length &&
    changes.every(({ path, after }) => made.has(path) && equalJson(made.get(path), after))
  return isThis ? newest : undefined
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
