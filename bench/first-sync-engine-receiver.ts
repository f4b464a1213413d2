/**
 * The second device as a whole engine, in a process of its own: joins the record by a pairing
 * code, in an empty folder, again and again, each time as another new device.
 *
 * Argument: a JSON object of `edits`, `documents`, `folder`, `address`, `codeAddress`, `rounds`.
 * Prints one line, a JSON object of `pairedMs` and `wholeMs`: from the typed code until the device
 * is a member, and until the record reads right. The first of each is in a fresh process.
 *
 * @module
 */
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { bytesToUtf8 } from "@fulcrum/codec/bytes"
import { canonicalJson } from "@fulcrum/codec/json"
import { joinPerson } from "@fulcrum/engine/join-person"
import type { Person } from "@fulcrum/engine/person"
import type { Host } from "@fulcrum/net/contract"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { readEngineTask } from "./first-sync-engine-process.ts"
import { type SeededValues, seededValues } from "./seeded-record.ts"
import { CODE_PROTOCOL, wholeEngine } from "./whole-engine.ts"

const DEADLINE_MS = 60_000

const task = readEngineTask(process.argv[2])
const expected = seededValues(task.shape)
const host = await libp2pNetwork().host()
const pairedMs: number[] = []
const wholeMs: number[] = []
for (let round = 0; round < task.rounds; round++) {
  const { paired, whole } = await joinOnce(`device ${round + 2}`, host)
  pairedMs.push(paired)
  wholeMs.push(whole)
}
await host.close()
console.log(JSON.stringify({ pairedMs, wholeMs }))

async function joinOnce(
  name: string,
  host: Host,
): Promise<{ readonly paired: number; readonly whole: number }> {
  const folder = join(task.folder, name)
  const options = await wholeEngine(folder)
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const channel = await host.dial(task.codeAddress, CODE_PROTOCOL, { signal })
  const code = await firstText(channel.messages())

  const begun = performance.now()
  const confirm = async () => true
  const person = await joinPerson({ ...options, name, code, at: task.address, confirm, signal })
  const paired = performance.now() - begun
  const isWhole = waitUntilWhole(person, expected, signal)
  await person.start({ listen: [] })
  await isWhole
  const whole = performance.now() - begun

  await channel.close()
  await person.close()
  await rm(folder, { recursive: true })
  return { paired, whole }
}

async function firstText(messages: AsyncIterable<Uint8Array>): Promise<string> {
  for await (const message of messages) return bytesToUtf8(message)
  throw new Error("no code came")
}

/** Looks whenever the record changed. */
function waitUntilWhole(
  person: Person,
  expected: SeededValues,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = async () => {
      for (const [document, value] of expected) {
        const read = await person.get(document)
        if (read === undefined || canonicalJson(read) !== canonicalJson(value)) return
      }
      stop()
      resolve()
    }
    const fail = () => {
      stop()
      reject(new Error("the record did not become whole in time"))
    }
    const stop = person.onChange(() => {
      look().catch(reject)
    })
    signal.addEventListener("abort", fail, { once: true })
    look().catch(reject)
  })
}
