/**
 * `fulcrum recovery-drill`, `recovery-words` and `backup`.
 *
 * @module
 */
import type { DrillReport } from "@fulcrum/engine/person-recovery"
import { type CommandContext, confirmForGood, type Outcome } from "../command.ts"
import { askWords, askWordsOrNone, showWords, WORDS_PARAMETER } from "../recovery-words-screen.ts"
import { counted, lines, table, tone } from "../text.ts"
import { declined } from "./declined.ts"
import { stillHere } from "./held.ts"
import { requireMember } from "./member.ts"

const BACKUP_NAME = "fulcrum-record.age"

const FOUND: Readonly<Record<DrillReport["relays"][number]["found"], string>> = {
  beacon: tone("good", "has what the words look for"),
  nothing: tone("bad", "has nothing for the words"),
  other: tone("bad", "has something else in its place"),
  unreachable: tone("bad", "cannot be reached"),
}

export async function recoveryDrill({
  person,
  args,
  io,
  settle,
}: CommandContext): Promise<Outcome> {
  requireMember(person)
  const words = await askWords(io, args)
  // What is on its way to the relays is no loss.
  const held = await settle()
  io.progress("Reading the record with the words alone")
  const report = await person.recovery.drill(words)
  const isWhole =
    report.isUsable &&
    report.missing.length === 0 &&
    report.documents.different === 0 &&
    report.relationships.missing === 0
  return {
    document: { ok: isWhole, ...report, held },
    text: lines(
      table(report.relays.map(({ address, found, code }) => [FOUND[found], code ?? "", address])),
      "",
      verdict(report, isWhole),
      ...report.missing.map(
        ({ device, entries }) =>
          `  ${counted(entries, "entry", "entries")} of ${device} on no relay`,
      ),
      report.attachments > 0
        ? `${counted(report.attachments, "attached file")} would not come back: those lie on devices only.`
        : undefined,
      tone("quiet", "Nothing was changed, and nothing of it was kept."),
    ),
    failed: !isWhole,
  }
}

function verdict(report: DrillReport, isWhole: boolean): string {
  if (!report.isUsable) {
    return tone(
      "bad",
      "The words would not bring your record back: the relays hold too little of it.",
    )
  }
  const all = `${counted(report.documents.same, "document")}, ${counted(report.relationships.found, "relationship")}, ${counted(report.entries, "entry", "entries")} of history`
  return isWhole
    ? `${tone("good", "The words bring all of it back")}: ${all}.`
    : `${tone("bad", "The words would bring back some of it")}: ${all}. Run ${"`fulcrum sync`"}, then try again. Missing:`
}

export async function recoveryWords(context: CommandContext): Promise<Outcome> {
  const { person, io, settle } = context
  requireMember(person)
  const question = "Make new recovery words? The ones that you have let nobody in from then on."
  if (!(await confirmForGood(io, question))) throw declined("the words stay as they are")
  const { words, undecided, wordsSeen } = await person.recovery.replaceWords(
    await oldWords(context),
  )
  const relays = (await person.relays()).map(({ address }) => address)
  await showWords(io, words, relays)
  // Whoever is interrupted before this is shown them again by the same command.
  await wordsSeen()
  const held = await settle()
  return {
    document: { words, relays, undecided, held },
    text: lines(
      "These are your recovery words now. Backups from before still open with the old ones: make a new",
      undecided === 0
        ? "one (`fulcrum backup`), then destroy the old backups and the old words."
        : "one (`fulcrum backup`), then destroy the old backups.",
      undecided === 0
        ? undefined
        : `Keep the old words for ${counted(undecided, "company", "companies")} that you met before: should somebody claim to be you\n  there (\`fulcrum relationships unfreeze\`), they alone decide.`,
      stillHere(held),
    ),
  }
}

/** With them the new ones decide about companies too; a script gives them as a file, or goes without. */
async function oldWords({ person, io, args }: CommandContext): Promise<string | undefined> {
  const isAsked = io.interactive && (await person.relationships()).length > 0
  if (!isAsked && !args.has(WORDS_PARAMETER)) return undefined
  return await askWordsOrNone(
    io,
    args,
    "Your words until now, so that the new ones decide about your companies too (Enter: go without):",
  )
}

export async function backup({ person, io }: CommandContext): Promise<Outcome> {
  io.progress("Writing")
  const file = await io.save("file", BACKUP_NAME, person.recovery.backup())
  const files = await person.attachments.list()
  const away = files.filter(({ here }) => here !== "whole").map(({ name }) => name)
  return {
    document: { file, missing: away },
    text: lines(
      `Written to ${tone("strong", file)}. Your 24 words open it: \`fulcrum restore\`, or age.`,
      away.length > 0 ? `Not in it, for they are not here: ${away.join(", ")}.` : undefined,
    ),
  }
}
