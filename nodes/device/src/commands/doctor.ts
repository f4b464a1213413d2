/**
 * `fulcrum doctor`: what is well and what is not. A folder that does not open is its first answer,
 * not its failure.
 *
 * @module
 */
import type { StatusView } from "@fulcrum/engine/person"
import type { CommandContext, Outcome } from "../command.ts"
import { failureOf } from "../program-error.ts"
import { counted, table, tone } from "../text.ts"
import { TODO_BY_CODE } from "../what-to-do.ts"
import { holdsText, named, presenceText } from "./devices.ts"
import { holdersText } from "./status.ts"

const TODO_BY_CHECK: ReadonlyMap<string, string | undefined> = new Map([
  ["membership", TODO_BY_CODE.get("DEVICE_REMOVED")],
  [
    "relays",
    "once, it may have been put back from a backup; remove it and add it again, or another (`fulcrum relay`)",
  ],
  [
    "repair",
    "run `fulcrum sync`, or `fulcrum up` here and on your other devices; what none of them has is lost",
  ],
  [
    "behind",
    "run `fulcrum sync`; if none of your devices and relays has them: `fulcrum pair` on another of them, and `fulcrum join CODE --home NEW-FOLDER` here",
  ],
  [
    "waiting",
    "run `fulcrum sync`, or `fulcrum up` here and on your other devices: what they wait for may be there",
  ],
  [
    "copies",
    "if a copy is in use, end one of the two, delete its folder, and pair it anew: `fulcrum pair` on one of your devices, and there `fulcrum join CODE --home NEW-FOLDER`",
  ],
  [
    "removal told",
    "see whether your other devices list this one in `fulcrum devices`; if not, pair it anew: `fulcrum pair` on one of them, and there `fulcrum join CODE --home NEW-FOLDER`",
  ],
  [
    "relationships",
    "see `fulcrum show`; `fulcrum relationships unfreeze` lets your recovery words decide",
  ],
  [
    "recovery",
    "run `fulcrum sync`, then `fulcrum recovery-drill`; if the relay has no room, add another",
  ],
  ["relays reached", "see `fulcrum status`; if it is gone for good: `fulcrum relay remove ADDR`"],
])

/** What is told beside what is well or not: to be away, or one of few, is no fault. */
const NOTES: ReadonlySet<string> = new Set([
  "held by",
  "not in step",
  "relays before",
  "copies before",
  "set aside",
  "removal told",
])

interface Check {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
}

export async function doctor({ person, io, clock }: CommandContext): Promise<Outcome> {
  io.progress("Checking")
  const opened = { check: "folder", ok: true, detail: "opens with its key" }
  const checks = (await person.doctor()).map((one) => {
    const isMoot = person.isRemoved && one.check !== "membership"
    const isWell = one.ok && !NOTES.has(one.check)
    const todo = isWell || isMoot ? undefined : TODO_BY_CHECK.get(one.check)
    return todo === undefined ? one : { ...one, detail: `${one.detail}: ${todo}` }
  })
  if (person.isRemoved) return outcomeOf([opened, ...checks])
  const standing = { devices: await person.devices(), relays: await person.relays() }
  const aside = asideChecks((await person.aside.list()).length)
  return outcomeOf([opened, ...checks, ...aside, ...stepChecks(standing, clock.now())])
}

/** What a removed device wrote is no fault: it waits for a word. */
function asideChecks(count: number): readonly Check[] {
  if (count === 0) return []
  const what = counted(count, "entry of a removed device", "entries of removed devices")
  const detail = `${what}, to be taken or dropped: see \`fulcrum devices aside\``
  return [{ check: "set aside", ok: true, detail }]
}

/** Who holds the record, and who is out of step. To be away is no fault. */
function stepChecks(
  { devices, relays }: Pick<StatusView, "devices" | "relays">,
  nowMs: number,
): readonly Check[] {
  const behind = named(devices)
    .filter(({ isThis, state }) => !isThis && state === "member")
    .filter((row) => !row.hasEverything || (row.lag?.ahead ?? 0) > 0)
    .map((row) => {
      const holds = row.lag === undefined ? "what it has is not known" : holdsText(row)
      return `${row.name}: ${presenceText(row, nowMs)}, ${holds}`
    })
  const lacking = relays
    .filter(({ pending }) => pending > 0)
    .map(({ address, state, code }) => `${address}: not everything is there yet (${code ?? state})`)
  return [
    { check: "held by", ok: true, detail: holdersText({ devices, relays }) },
    ...[...behind, ...lacking].map((detail) => ({ check: "not in step", ok: true, detail })),
  ]
}

/** @param run - Opens the folder and runs {@link doctor}. */
export async function orFailure(
  run: () => Promise<Outcome | undefined>,
): Promise<Outcome | undefined> {
  try {
    return await run()
  } catch (error) {
    const { code, message, todo } = failureOf(error)
    if (code === "INTERNAL" || code === "INTERRUPTED") throw error
    return outcomeOf([{ check: "folder", ok: false, detail: `${message} (${code}): ${todo}` }])
  }
}

function verdict({ check, ok }: Check): string {
  if (!ok) return tone("bad", "not ok")
  return NOTES.has(check) ? "note" : tone("good", "ok")
}

function outcomeOf(checks: readonly Check[]): Outcome {
  const ok = checks.every((check) => check.ok)
  return {
    document: { ok, checks },
    text: table(checks.map((check) => [verdict(check), check.check, check.detail])),
    failed: !ok,
  }
}
