import { setTimeout as pause } from "node:timers/promises"
import { systemClock } from "@fulcrum/crypto/clock"
import { expect, test } from "vitest"
import { Args } from "../src/args.ts"
import { awaitRecord } from "../src/awaited-record.ts"
import { CATALOG } from "../src/catalog.ts"
import { failureOf } from "../src/program-error.ts"
import { MemoryIo } from "./memory-io.ts"
import { MemoryPerson } from "./memory-person.ts"

const PATH = "card/addresses/home"

interface Comes {
  /** The record comes while the command waits. */
  readonly whole?: boolean
  /** Another device shows what is at these paths, and the record never comes. */
  readonly shown?: readonly string[]
}

function prepare(name: string, { whole = false, shown }: Comes, path?: string) {
  const command = CATALOG.find((known) => known.name === name)
  if (command === undefined) throw new TypeError(`no command ${name}`)
  const person = new MemoryPerson()
  person.isAwaited = true
  const io = new MemoryIo()
  const ready = awaitRecord(command, {
    person,
    io,
    args: Args.read(path === undefined ? {} : { path }, [
      { name: "path", kind: "text", isRequired: false },
    ]),
    clock: systemClock(),
    signal: new AbortController().signal,
    async settle() {
      person.isAwaited = !whole
      if (shown === undefined) return person.settle(10_000)
      for (const one of shown) person.shown.add(one)
      person.changed("record")
      return new Promise(() => undefined)
    },
    goOnline: async () => undefined,
  })
  return { person, ready }
}

test("a command that needs the record waits until it has come", async () => {
  for (const name of ["get", "set", "import", "move", "connect", "pair"]) {
    const { person, ready } = prepare(name, { whole: true })
    await ready
    expect({ name, settled: person.settled }).toEqual({ name, settled: [10_000] })
  }
})

test("one that did not come is a failure that says what to do", async () => {
  const error: unknown = await prepare("get", {}).ready.catch((thrown: unknown) => thrown)
  expect(failureOf(error)).toEqual({
    code: "RECORD_AWAITED",
    message: "the record has not come to this device yet",
    todo: expect.stringContaining("fulcrum up"),
  })
})

test("what is to be seen before that is shown at once", async () => {
  for (const name of ["status", "sync", "doctor", "devices", "terms list"]) {
    const { person, ready } = prepare(name, {})
    await ready
    expect({ name, settled: person.settled }).toEqual({ name, settled: [] })
  }
})

test("what another device shows is read at once, and nothing else of the record", async () => {
  await prepare("get", { shown: [PATH] }, PATH).ready
  const waiting = [
    prepare("get", { shown: ["card/name"] }, PATH),
    prepare("get", { shown: [PATH] }),
    prepare("history", { shown: [PATH] }, PATH),
  ]
  const first = await Promise.race([...waiting.map(({ ready }) => ready), pause(50, "waits")])
  expect(first).toBe("waits")
})
