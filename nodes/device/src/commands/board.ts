/**
 * `fulcrum board [MOVE]`: how far a move has got with each company.
 *
 * @module
 */
import type { BoardLine, BoardView, LineState } from "@fulcrum/engine/person"
import type { CommandContext, Outcome } from "../command.ts"
import { lines, type Tone, table, tone } from "../text.ts"
import { valueText } from "../value-text.ts"
import { watch } from "./watch.ts"

/** In the order in which they come; `rejected` ends a line wherever it is. */
const STEPS: readonly LineState[] = ["sealed", "relayed", "delivered", "accepted", "applied"]

export async function board(context: CommandContext): Promise<Outcome | undefined> {
  const { person, args } = context
  const move = args.optionalText("move")
  if (!args.flag("watch")) return outcomeOf(await person.board(move))
  await watch(context, {
    events: ["board", "record", "relationships"],
    look: async () => {
      const view = await person.board(move)
      return { outcome: outcomeOf(view), isLast: view?.done === true }
    },
  })
  return undefined
}

export function boardText(view: BoardView): string {
  const { move, changes, from, lines: rows, done } = view
  const settled = rows.filter(({ state }) => state === "applied" || state === "rejected").length
  return lines(
    `Move ${move.slice(0, 8)}, ${from === undefined ? "from now on" : `from ${from}`}:`,
    table(
      changes.map(({ path, after }) => [path, "→", valueText(after)]),
      { indent: "  " },
    ),
    rows.length === 0 ? "No company had to be told." : "",
    table(rows.map(rowOf), { indent: "  " }),
    done || rows.length === 0 ? undefined : tone("quiet", `${settled} of ${rows.length} done`),
  )
}

export function stateTone(state: LineState): Tone {
  if (state === "applied") return "good"
  if (state === "rejected") return "bad"
  return state === "planned" ? "quiet" : "busy"
}

function outcomeOf(view: BoardView | undefined): Outcome {
  if (view === undefined) return { document: null, text: "No move yet: `fulcrum move PATH=VALUE`." }
  return { document: view, text: boardText(view) }
}

function rowOf(line: BoardLine): readonly string[] {
  const reached = new Set(line.steps.map(({ state }) => state))
  const steps = STEPS.filter((state) => reached.has(state)).map((state) =>
    tone(stateTone(state), state),
  )
  if (line.state === "rejected") steps.push(tone("bad", `rejected: ${line.code ?? "other"}`))
  if (steps.length === 0) steps.push(tone("quiet", "planned"))
  return [line.vendor, steps.join(tone("quiet", " → "))]
}
