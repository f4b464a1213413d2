/**
 * What does it take to open a device with many documents, and to read one of them? Each opening is
 * a new process on the record's folder: a small record and a large one in turn, the small one twice
 * in each round, for the noise.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { systemRandom } from "@fulcrum/crypto/random"
import { startChild } from "./child.ts"
import { type OpeningResult, readOpeningResult, writeOpeningTask } from "./opening-task.ts"
import { summarise } from "./statistics.ts"
import { formatNumber, formatTable } from "./table.ts"

const ROUNDS = 5
/** Documents of the small record. */
const FEW = 10
const MIB = 2 ** 20

interface Opened {
  readonly documents: number
  readonly results: readonly OpeningResult[]
}

export interface OpeningReport {
  readonly few: Opened
  readonly fewAgain: Opened
  readonly many: Opened
}

export async function runOpening(
  documents: number,
  progress: (what: string) => void,
): Promise<OpeningReport> {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-opening-"))
  const vaultKey = bytesToHex(systemRandom().bytes(32))
  const run = async (count: number, makes: boolean): Promise<string> => {
    const task = { folder: join(folder, String(count)), vaultKey, documents: count, makes }
    await using child = startChild({
      script: "opening-process.ts",
      argument: writeOpeningTask(task),
    })
    return await child.line()
  }
  const opened = async (count: number) => readOpeningResult(await run(count, false))
  try {
    progress(`a record of ${documents.toLocaleString("en")} documents`)
    for (const count of [FEW, documents]) await run(count, true)
    const few: OpeningResult[] = []
    const fewAgain: OpeningResult[] = []
    const many: OpeningResult[] = []
    for (let round = 0; round < ROUNDS; round++) {
      progress(`opening it, round ${round + 1} of ${ROUNDS}`)
      few.push(await opened(FEW))
      many.push(await opened(documents))
      fewAgain.push(await opened(FEW))
    }
    return {
      few: { documents: FEW, results: few },
      fewAgain: { documents: FEW, results: fewAgain },
      many: { documents, results: many },
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export function formatOpening({ few, fewAgain, many }: OpeningReport): string {
  const noise = medianOf(fewAgain, "readMs") / medianOf(few, "readMs")
  const ratio = medianOf(many, "readMs") / medianOf(few, "readMs")
  const table = formatTable([
    ["record", "opened, ms", "one read, ms", "documents loaded", "MiB", "all read, ms", "MiB"],
    ...[few, many].map(rowOf),
  ])
  return [
    table,
    `until one is read: ${formatNumber(ratio)} times the small record's, noise ${formatNumber(noise)}`,
  ].join("\n")
}

function rowOf({ documents, results }: Opened): readonly string[] {
  const spread = (name: keyof OpeningResult, unit = 1) => {
    const { median, least, most } = summarise(results.map((one) => one[name] / unit))
    return `${formatNumber(median)} (${formatNumber(least)}–${formatNumber(most)})`
  }
  const loaded = results.map(({ loadedToOpen, loadedToRead }) => `${loadedToOpen}, ${loadedToRead}`)
  return [
    `${documents.toLocaleString("en")} documents`,
    spread("openMs"),
    spread("readMs"),
    [...new Set(loaded)].join("; "),
    spread("openBytes", MIB),
    spread("allMs"),
    spread("allBytes", MIB),
  ]
}

function medianOf({ results }: Opened, name: keyof OpeningResult): number {
  return summarise(results.map((one) => one[name])).median
}
