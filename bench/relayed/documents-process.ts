/**
 * Small edits of one document by a whole engine, for another device that it reaches by a relay only.
 *
 * Argument: the JSON of a {@link CarrierTask}. The writer is ready with a pairing code.
 *
 * @module
 */
import { join } from "node:path"
import * as Automerge from "@automerge/automerge"
import { canonicalJson } from "@fulcrum/codec/json"
import { joinPerson } from "@fulcrum/engine/join-person"
import { createPerson } from "@fulcrum/engine/open-person"
import type { Person } from "@fulcrum/engine/person"
import { type SeededEdit, seededEdits, valuesAfter } from "../seeded-record.ts"
import { typedPath, wholeEngine } from "../whole-engine.ts"
import { type Carrier, type CarrierTask, readTask, say, serveCarrier } from "./carrier.ts"

/** Edits under way at a time: the engine writes them together, each as an entry of its own. */
const TOGETHER = 64
const PAIRING_MS_MAX = 60_000

const task = readTask(process.argv[2])
const signal = AbortSignal.timeout(PAIRING_MS_MAX)
const edits = [...seededEdits({ edits: task.entries, documents: 1 })]
await serveCarrier(carrier(await (task.isWriter ? create(task) : join_(task))))

async function create({ folder, relay }: CarrierTask): Promise<Person> {
  const engine = await wholeEngine(join(folder, "writer"))
  const { person } = await createPerson({ ...engine, name: "writer", relays: [relay] })
  await person.start({ listen: [] })
  const prompts = {
    code: ({ code }: { readonly code: string }) => say({ told: code }),
    approve: async () => true,
  }
  await person.pair(prompts, signal)
  return person
}

async function join_({ folder, relay, told }: CarrierTask): Promise<Person> {
  const engine = await wholeEngine(join(folder, "reader"))
  const confirm = async () => true
  const person = await joinPerson({ ...engine, name: "reader", code: told, relay, confirm, signal })
  await person.start({ listen: [] })
  say({ told: "" })
  return person
}

function carrier(person: Person): Carrier {
  let made = 0
  return {
    async prepare(count) {
      const perSecond = changesPerSecond(edits.slice(made, made + count))
      // What it leaves behind is not ours to collect.
      globalThis.gc?.()
      return perSecond
    },
    async write(count) {
      const underWay = new Set<Promise<void>>()
      for (const edit of edits.slice(made, made + count)) {
        const one = person.set(typedPath(edit), edit.value).then(() => {
          underWay.delete(one)
        })
        underWay.add(one)
        if (underWay.size >= TOGETHER) await Promise.race(underWay)
      }
      await Promise.all(underWay)
      made += count
    },
    // Each value is another, so what the last edit says tells that all before it are here.
    until: (total) => untilReads(person, edits[total - 1]),
    async check(total) {
      for (const [document, value] of valuesAfter(edits.slice(0, total))) {
        const read = await person.get(document)
        if (read === undefined || canonicalJson(read) !== canonicalJson(value)) {
          throw new Error(`${document} has other values than were written`)
        }
      }
    },
    [Symbol.asyncDispose]: () => person.close(),
  }
}

function untilReads(person: Person, edit: SeededEdit | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const look = async () => {
    if (edit === undefined || (await person.get(typedPath(edit))) !== edit.value) return
    stop()
    resolve()
  }
  const stop = person.onChange((event) => {
    if (event === "record") look().catch(reject)
  })
  look().catch(reject)
  return promise
}

/** Automerge's `change()` alone, of the same edits. */
function changesPerSecond(some: readonly SeededEdit[]): number {
  let document = Automerge.from<Record<string, Automerge.ImmutableString>>({})
  const begun = performance.now()
  for (const { path, value } of some) {
    document = Automerge.change(document, (draft) => {
      draft[path.join("/")] = new Automerge.ImmutableString(value)
    })
  }
  return (some.length * 1000) / (performance.now() - begun)
}
