/**
 * What the contestants do, and how it is timed: each in two processes of its own, all of them open at
 * once, one clone each in turn, round after round.
 *
 * @module
 */
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type Child, startChild } from "../child.ts"
import { startForeignTime } from "../processor-time.ts"
import type { RecordShape } from "../seeded-record.ts"
import { percentile, type Summary, summarise } from "../statistics.ts"
import type { LeftOut } from "./contestant.ts"
import { CONTESTANTS, loadContestant } from "./contestants/all.ts"
import { type CloneResult, readCloneResult, readServerReady, writeTask } from "./messages.ts"
import { openSlowLine } from "./slow-line.ts"

export interface Work {
  readonly name: string
  readonly shape: RecordShape
  /** Edits made one after another afterwards, each until the other process sees it; 0: none. */
  readonly liveEdits: number
}

export interface WorkRow {
  readonly id: string
  readonly name: string
  readonly packages: readonly string[]
  readonly leavesOut: readonly LeftOut[]
  /** The first in a fresh process. */
  readonly coldMs: number
  /** Until every document can be read. */
  readonly readableMs: Summary
  /** Until all is here and, where there is a disk, durable. */
  readonly wholeMs: Summary
  /** Of the new device's TCP connections. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** How much longer it takes with a delay each way, over that delay and back; absent: there is no line. */
  readonly roundTrips?: number
  /** The most that the new device's process had resident. */
  readonly peakMiB: number
  readonly seenMs?: { readonly median: number; readonly p99: number }
}

export interface WorkReport {
  readonly work: Work
  readonly rows: readonly WorkRow[]
  /** Busy with something else meanwhile; -1: unknown. */
  readonly foreignCores: number
}

export const WORKS: readonly Work[] = [
  { name: "one document", shape: { edits: 10_000, documents: 1 }, liveEdits: 0 },
  { name: "many documents", shape: { edits: 1_000, documents: 1_000 }, liveEdits: 200 },
  { name: "many edited documents", shape: { edits: 10_000, documents: 1_000 }, liveEdits: 0 },
]

/** After the cold one. */
const ROUNDS = 5
/** One way, of the line that counts round trips: far above what a clone's time varies by. */
const DELAY_MS = 150
/** Between one edit and the next, so that each comes to an engine at rest. */
const PAUSE_MS = 150

interface Pair {
  readonly id: string
  readonly port: number
  readonly server: Child
  readonly newcomer: Child
  readonly results: CloneResult[]
}

/** @param folder - Empty. @param progress - Told before each step. */
export async function runWork(
  work: Work,
  folder: string,
  progress: (what: string) => void,
): Promise<WorkReport> {
  await using open = new AsyncDisposableStack()
  const pairs: Pair[] = []
  for (const id of CONTESTANTS) {
    progress(`${work.name}: ${id} makes its record`)
    pairs.push(await openPair(id, { work, folder: join(folder, id), open }))
  }
  const foreign = startForeignTime(
    pairs.flatMap(({ server, newcomer }) => [server.pid, newcomer.pid]),
  )
  for (let round = 0; round <= ROUNDS; round++) {
    progress(`${work.name}: round ${round} of ${ROUNDS}`)
    for (const { port, newcomer, results } of pairs) {
      newcomer.send(String(port))
      results.push(readCloneResult(await newcomer.line()))
    }
  }
  const foreignCores = foreign()
  const rows: WorkRow[] = []
  for (const pair of pairs) {
    progress(`${work.name}: ${pair.id} over a slow line, and live`)
    rows.push(await rowOf(pair, work))
  }
  return { work, rows, foreignCores }
}

async function openPair(
  id: string,
  options: { readonly work: Work; readonly folder: string; readonly open: AsyncDisposableStack },
): Promise<Pair> {
  const { work, folder, open } = options
  const task = async (name: string): Promise<string> => {
    const own = join(folder, name)
    await mkdir(own, { recursive: true })
    return writeTask({ contestant: id, shape: work.shape, folder: own })
  }
  const start = async (script: string, name: string): Promise<Child> =>
    open.use(startChild({ script: `compare/${script}`, argument: await task(name) }))
  const server = await start("server-process.ts", "first")
  const { port, invitation } = readServerReady(await server.line())
  const newcomer = await start("newcomer-process.ts", "second")
  newcomer.send(JSON.stringify(invitation))
  await newcomer.line()
  return { id, port, server, newcomer, results: [] }
}

async function rowOf(pair: Pair, work: Work): Promise<WorkRow> {
  const { id, port, results } = pair
  const { name, packages, leavesOut } = await loadContestant(id)
  const [cold, ...warm] = results
  const wholeMs = summarise(warm.map((one) => one.wholeMs))
  const median = (of: (result: CloneResult) => number) => summarise(warm.map(of)).median
  const slowMs = port === 0 ? undefined : await cloneSlowly(pair)
  const sees = work.liveEdits > 0 && !leavesOut.includes("live edits")
  return {
    ...{ id, name, packages, leavesOut },
    coldMs: cold?.wholeMs ?? 0,
    readableMs: summarise(warm.map((one) => one.readableMs)),
    wholeMs,
    bytesIn: median((one) => one.bytesIn),
    bytesOut: median((one) => one.bytesOut),
    ...(slowMs !== undefined && { roundTrips: roundTrips(slowMs, wholeMs) }),
    peakMiB: Math.max(...results.map((one) => one.peakBytes)) / 2 ** 20,
    ...(sees && { seenMs: await timeLiveEdits(pair, work) }),
  }
}

/** To a half: what came one way only counts as that. */
function roundTrips(slowMs: number, { median }: Summary): number {
  return Math.max(0, Math.round((slowMs - median) / DELAY_MS) / 2)
}

async function cloneSlowly({ port, newcomer }: Pair): Promise<number> {
  await using line = await openSlowLine(port, DELAY_MS)
  newcomer.send(String(line.port))
  return readCloneResult(await newcomer.line()).wholeMs
}

async function timeLiveEdits(
  { port, server, newcomer }: Pair,
  { liveEdits }: Work,
): Promise<{ readonly median: number; readonly p99: number }> {
  newcomer.send(`${port} watch`)
  await newcomer.line()
  await newcomer.line()
  const tookMs: number[] = []
  for (let at = 0; at < liveEdits; at++) {
    await sleep(PAUSE_MS)
    server.send(`live ${at}`)
    const [begun, seen] = await Promise.all([server.line(), newcomer.line()])
    tookMs.push(Number(BigInt(seen.split(" ")[0] ?? 0) - BigInt(begun)) / 1e6)
  }
  return { median: summarise(tookMs).median, p99: percentile(tookMs, 99) }
}
