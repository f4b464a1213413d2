/**
 * The second process of a contestant: for each line that it reads, a new device that clones the
 * record, until its standard input ends.
 *
 * Argument: the JSON of a {@link ProcessTask}. The first line is the server's invitation, as JSON. Each
 * later one is the port to dial; with ` watch` after it, the device goes on and prints for each value
 * that it sees later when that was, in nanoseconds of the clock that all processes of a machine share,
 * and the value; the next line ends that. Prints the JSON of a {@link CloneResult} for each line.
 *
 * @module
 */
import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { type SeededValues, seededValues } from "../seeded-record.ts"
import type { Newcomer } from "./contestant.ts"
import { loadContestant } from "./contestants/all.ts"
import { type CloneResult, readTask } from "./messages.ts"
import { countWire, takeWireBytes } from "./wire.ts"

const { contestant, shape, folder } = readTask(process.argv[2])
countWire()
const { prepare } = await loadContestant(contestant)
const expected = seededValues(shape)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const invitation: JsonValue = JSON.parse(await nextLine())
let round = 0
let watching: Newcomer | undefined
console.log("ready")
for (let line = await nextLine(); line !== ""; line = await nextLine()) {
  await watching?.[Symbol.asyncDispose]()
  watching = undefined
  // What others left must not be cleared up in this one's time.
  globalThis.gc?.()
  const [port, watch] = line.split(" ")
  round++
  const own = join(folder, `device ${round}`)
  await mkdir(own, { recursive: true })
  const newcomer = await prepare({ shape, folder: own, port: Number(port), invitation })
  console.log(JSON.stringify(await cloneOnce(newcomer)))
  if (watch === undefined) {
    await newcomer[Symbol.asyncDispose]()
    await rm(own, { recursive: true, force: true })
  } else {
    watching = newcomer
    await newcomer.watch((value) => {
      console.log(`${process.hrtime.bigint()} ${value}`)
    })
    console.log("watching")
  }
}
await watching?.[Symbol.asyncDispose]()

/** Empty: there are no more. */
async function nextLine(): Promise<string> {
  const next = await lines.next()
  return next.done === true ? "" : next.value
}

async function cloneOnce(newcomer: Newcomer): Promise<CloneResult> {
  takeWireBytes()
  const begun = performance.now()
  let readableMs: number | undefined
  await newcomer.clone(expected, () => {
    readableMs ??= performance.now() - begun
  })
  const wholeMs = performance.now() - begun
  const wire = takeWireBytes()
  check(await newcomer.read(expected))
  const peakBytes = process.resourceUsage().maxRSS * 1024
  return {
    ...{ wholeMs, readableMs: readableMs ?? wholeMs, peakBytes },
    ...{ bytesIn: wire.in, bytesOut: wire.out },
  }
}

/** A wrong answer cannot be fast. */
function check(values: SeededValues): void {
  for (const [document, value] of expected) {
    const read = values.get(document)
    if (read === undefined || canonicalJson(read) !== canonicalJson(value)) {
      throw new Error(`${document} has other values than were written`)
    }
  }
}
