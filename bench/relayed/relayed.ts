/**
 * How many entries a second go through a relay to a second device, durable everywhere: three processes,
 * a writer that does not wait for the others, rounds one after another with the same devices.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startChild } from "../child.ts"
import { fieldsOf, number, text } from "../json-fields.ts"
import { startForeignTime } from "../processor-time.ts"
import { type Summary, summarise } from "../statistics.ts"
import { formatNumber, formatSummary, formatTable } from "../table.ts"
import { readWritten, writeTask } from "./carrier.ts"

export const RELAYED = "relayed"

/** As the relay's launcher has them. */
export const RELAY_FLAGS: readonly string[] = ["--max-semi-space-size=2"]

/** After one that nobody counts, in which everything is met for the first time. */
const ROUNDS = 6

interface Load {
  readonly name: string
  readonly script: string
  /** Entries in one round. */
  readonly entries: number
}

const LOADS: readonly Load[] = [
  { name: "edits of a document", script: "relayed/documents-process.ts", entries: 2000 },
  { name: "opaque entries of 200 bytes", script: "relayed/opaque-process.ts", entries: 20_000 },
]

export interface RelayedRow {
  readonly name: string
  readonly entries: number
  /** Entries a second until they were durable with their writer. */
  readonly written: Summary
  /** Until the other device had them, durable, and read them. */
  readonly carried: Summary
  /** Automerge's `change()` alone, in the writer's process before each round; absent: no documents. */
  readonly alone?: Summary
  /** Every other round beside those between. */
  readonly noise: number
  readonly foreignCores: number
}

export interface RelayedReport {
  readonly rows: readonly RelayedRow[]
}

/** How it is run. */
export interface RelayedOptions {
  progress(what: string): void
  /** Where to write a processor profile of each process; absent: nowhere. */
  readonly profileFolder?: string | undefined
  /** Absent: {@link ROUNDS}. */
  readonly rounds?: number
  /** Entries in one round; absent: as many as each load has. */
  readonly entries?: number
}

export async function runRelayed(options: RelayedOptions): Promise<RelayedReport> {
  const rows: RelayedRow[] = []
  for (const load of LOADS) {
    const folder = await mkdtemp(join(tmpdir(), "fulcrum-relayed-"))
    try {
      const { entries = load.entries } = options
      rows.push(await runLoad({ ...load, entries }, folder, options))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  return { rows }
}

async function runLoad(
  { name, script, entries }: Load,
  folder: string,
  { progress, profileFolder, rounds: roundCount = ROUNDS }: RelayedOptions,
): Promise<RelayedRow> {
  const start = (path: string, argument: string, flags: readonly string[] = []) =>
    startChild({ script: path, argument, profileFolder, flags })
  await using relaying = start("relayed/relay-process.ts", join(folder, "relay"), RELAY_FLAGS)
  const relay = text(fieldsOf(await relaying.line()), "address")
  const task = { folder, relay, entries: entries * (roundCount + 1), told: "" }
  await using writer = start(script, writeTask({ ...task, isWriter: true }))
  const told = text(fieldsOf(await writer.line()), "told")
  await using reader = start(script, writeTask({ ...task, told, isWriter: false }))
  await reader.line()
  const foreign = startForeignTime([relaying.pid, writer.pid, reader.pid, process.pid])
  const rounds: { written: number; carried: number; alone: number }[] = []
  for (let round = 0; round <= roundCount; round++) {
    progress(`${name}, round ${round} of ${roundCount}`)
    reader.send(`until ${entries * (round + 1)}`)
    writer.send(`write ${entries}`)
    const { beganMs, writtenMs, alonePerSecond } = readWritten(await writer.line())
    const atMs = number(fieldsOf(await reader.line()), "atMs")
    const perSecond = (ms: number) => (entries * 1000) / ms
    if (round === 0) continue
    rounds.push({
      written: perSecond(writtenMs - beganMs),
      carried: perSecond(atMs - beganMs),
      alone: alonePerSecond,
    })
  }
  const carried = rounds.map((one) => one.carried)
  const half = (rest: number) => summarise(carried.filter((_, at) => at % 2 === rest)).median
  const alone = rounds.map((one) => one.alone).filter((rate) => rate > 0)
  return {
    name,
    entries,
    written: summarise(rounds.map((one) => one.written)),
    carried: summarise(carried),
    ...(alone.length > 0 && { alone: summarise(alone) }),
    noise: half(1) / half(0),
    foreignCores: foreign(),
  }
}

export function formatRelayed({ rows }: RelayedReport): string {
  return formatTable([
    [
      "entries a second",
      "written",
      "at the other device",
      "noise",
      "change() alone",
      "share of it",
      "others' cores",
    ],
    ...rows.map(({ name, written, carried, alone, noise, foreignCores }) => [
      name,
      formatSummary(written),
      formatSummary(carried),
      formatNumber(noise),
      alone === undefined ? "" : formatSummary(alone),
      alone === undefined ? "" : `${formatNumber((100 * carried.median) / alone.median)} %`,
      foreignCores < 0 ? "" : formatNumber(foreignCores),
    ]),
  ])
}
