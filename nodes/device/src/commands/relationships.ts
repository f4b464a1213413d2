/**
 * `fulcrum relationships`, `show` and `who-has`.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type {
  Freeze,
  LineState,
  RelationshipRow,
  RelationshipState,
  RelationshipView,
  WhoHasRow,
} from "@fulcrum/engine/person"
import type { CommandContext, Outcome } from "../command.ts"
import { askWords } from "../recovery-words-screen.ts"
import { counted, lines, type Tone, table, termText, tone } from "../text.ts"
import { valueText } from "../value-text.ts"
import { stateTone } from "./board.ts"
import { stillHere } from "./held.ts"

const LEVELS = ["nameless", "pseudonym", "contactable", "deliverable", "identified", "continuous"]
const TONES: Readonly<Record<RelationshipState, Tone>> = {
  proffered: "busy",
  agreed: "good",
  refused: "bad",
  left: "quiet",
  frozen: "bad",
}
const FREEZES: Readonly<Record<Freeze, string>> = {
  own: "two of your devices removed another at once: it ends once they have met",
  other:
    "it knows of another key that claims to be yours, as a removed device can make: `fulcrum relationships unfreeze` lets your recovery words decide",
}
const ID_CHARS = 8

export async function relationships({ person }: CommandContext): Promise<Outcome> {
  const rows = await person.relationships()
  if (rows.length === 0) {
    return { document: rows, text: "None yet: follow an invitation with `fulcrum connect`." }
  }
  return {
    document: rows,
    text: table(
      rows.map((row) => [
        row.id.slice(0, ID_CHARS),
        row.vendor,
        row.domain ?? tone("quiet", "no domain"),
        tone(TONES[row.state], stateText(row)),
        levelText(row),
        termText(row.terms),
        counted(row.fields.length, "field"),
      ]),
    ),
  }
}

export async function unfreeze({ person, args, io, settle }: CommandContext): Promise<Outcome> {
  const row = await person.unfreeze(args.text("vendor"), await askWords(io, args))
  const held = await settle()
  return {
    document: { relationship: row, held },
    text: lines(
      `${row.vendor} is told which key is yours; it goes on once it has heard.`,
      stillHere(held),
    ),
  }
}

export async function show({ person, args }: CommandContext): Promise<Outcome> {
  const view = await person.show(args.text("vendor"))
  return { document: view, text: viewText(view) }
}

export async function whoHas({ person, args }: CommandContext): Promise<Outcome> {
  const rows = await person.whoHas(args.text("path"))
  if (rows.length === 0) return { document: rows, text: "No company has it from you." }
  return {
    document: rows,
    text: table(
      rows.flatMap((row) => {
        const { vendor, path, value, purpose, until, holds } = row
        const line = (shown: JsonValue | undefined, proof: string) => [
          ...[vendor, path, valueText(shown), termText(purpose), until, proof],
        ]
        if (holds === undefined) return [line(value, proofCell(row))]
        const has = line(holds.value, tone(stateTone(holds.evidence), holds.evidence))
        return [has, line(value, wayCell(row.state))]
      }),
      { head: ["company", "path", "value", "purpose", "until", "proof"] },
    ),
  }
}

function proofCell({ evidence, state }: WhoHasRow): string {
  if (evidence !== undefined) return tone(stateTone(evidence), evidence)
  return state === "rejected" ? tone("bad", state) : tone("quiet", "not confirmed")
}

/** How far a value has got that is to replace another. */
function wayCell(state: WhoHasRow["state"]): string {
  if (state === "rejected") return tone("bad", state)
  return tone(state === "held" ? "quiet" : stateTone(state), `on its way: ${state}`)
}

function viewText(view: RelationshipView): string {
  const { vendor, domain, state, refusedBy, terms, did, id, disclosures, refusal, held } = view
  const { frozen, unclaimed, unknownTaken } = view
  return lines(
    `${tone("strong", vendor)} (${domain ?? "no domain"}), ${tone(TONES[state], stateText(view))}`,
    table([
      ["terms", termText(terms)],
      ["level", levelText(view)],
      ["you appear as", did],
      ["relationship", id],
      ...(refusal === undefined
        ? []
        : [[refusedBy === "relay" ? "its relay says" : "it says", refusal]]),
      ...(frozen === undefined ? [] : [["takes no change", tone("bad", FREEZES[frozen])]]),
    ]),
    disclosures.length === 0 ? "\nIt has no field." : "",
    disclosures.length === 0
      ? ""
      : `\n${table(
          disclosures.map((row) => [
            row.path,
            valueText(row.value),
            stateCell(row.state, state),
            row.follows ? "follows" : "once",
            termText(row.purpose),
            row.retention,
            row.until,
          ]),
          { head: ["path", "value", "state", "changes", "purpose", "kept for", "until"] },
        )}`,
    unclaimed.length === 0
      ? ""
      : `\nIt took this, and no device of yours stands by it: a removed one may have said it.\n${table(
          unclaimed.map(({ path, value }) => [path, valueText(value)]),
          { head: ["path", "value"] },
        )}`,
    unknownTaken === 0
      ? ""
      : tone(
          "bad",
          `\nIt took ${counted(unknownTaken, "change")} that ${unknownTaken === 1 ? "is" : "are"} not here: another device of yours made them and they are on their way, or one\nthat you have removed. Then it may hold other values than are shown: set the fields to something else and back.`,
        ),
    stillHere(held),
  )
}

/** What became of it, in a word or a few. */
function stateText({ state, refusedBy }: RelationshipRow): string {
  return refusedBy === "relay" ? "refused: invitation used already" : state
}

function stateCell(state: LineState | "held", relationship: RelationshipState): string {
  // Where nobody will be told, nothing waits.
  if (state === "held" && relationship === "refused") return tone("quiet", "not given")
  return state === "held" ? tone("quiet", "held") : tone(stateTone(state), state)
}

function levelText({ level }: RelationshipRow): string {
  return `${level} ${LEVELS[level] ?? ""}`.trim()
}
