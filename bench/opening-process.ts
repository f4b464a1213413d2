/**
 * A process that makes a record of many documents, or opens it and reads of it, as a whole engine.
 *
 * Argument: the JSON object that {@link writeOpeningTask} gives. Prints one line: when it makes the
 * record an empty object, when it opens it the JSON of an {@link OpeningResult}.
 *
 * @module
 */
import { hexToBytes } from "@fulcrum/codec/bytes"
import { createPerson, openPerson } from "@fulcrum/engine/open-person"
import { openWorkerDocuments } from "@fulcrum/record/worker-threads"
import { type OpeningResult, readOpeningTask } from "./opening-task.ts"
import { wholeEngine } from "./whole-engine.ts"

/** Edits that are under way at a time: the engine gathers them. */
const TOGETHER = 256

const { folder, vaultKey, documents, makes } = readOpeningTask(process.argv[2])
const path = (at: number) => `relationships/r${at}/name`
const name = (at: number) => `Relationship ${at}`
const options = { ...(await wholeEngine(folder)), vaultKey: hexToBytes(vaultKey) }
console.log(JSON.stringify(await (makes ? make() : open())))

async function make(): Promise<object> {
  const { person } = await createPerson({ ...options, name: "device", relays: [] })
  for (let from = 0; from < documents; from += TOGETHER) {
    const ats = Array.from({ length: Math.min(TOGETHER, documents - from) }, (_, i) => from + i)
    await Promise.all(ats.map((at) => person.set(path(at), name(at))))
  }
  await person.close()
  return {}
}

async function open(): Promise<OpeningResult> {
  let loaded = 0
  const before = process.memoryUsage().rss
  const begun = performance.now()
  const person = await openPerson({
    ...options,
    openDocuments: async (reload) =>
      openWorkerDocuments({
        reload: (document) => {
          loaded++
          return reload(document)
        },
      }),
  })
  const openMs = performance.now() - begun
  const openBytes = process.memoryUsage().rss - before
  const loadedToOpen = loaded
  await check(documents >> 1)
  const readMs = performance.now() - begun
  const loadedToRead = loaded
  for (let at = 0; at < documents; at++) await check(at)
  const allMs = performance.now() - begun
  const allBytes = process.memoryUsage().rss - before
  await person.close()
  return { openMs, readMs, allMs, openBytes, allBytes, loadedToOpen, loadedToRead }

  async function check(at: number): Promise<void> {
    const value = await person.get(path(at))
    if (value !== name(at)) throw new Error(`${path(at)} is ${JSON.stringify(value)}`)
  }
}
