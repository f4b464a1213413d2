import { systemClock } from "@fulcrum/crypto/clock"
import { expect, test } from "vitest"
import { Args } from "../src/args.ts"
import { awaitRecord } from "../src/awaited-record.ts"
import { CATALOG } from "../src/catalog.ts"
import { failureOf } from "../src/program-error.ts"
import { MemoryIo } from "./memory-io.ts"
import { MemoryPerson } from "./memory-person.ts"

/** @param comes - Whether the record comes while the command waits. */
function prepare(name: string, comes: boolean) {
  const command = CATALOG.find((known) => known.name === name)
  if (command === undefined) throw new TypeError(`no command ${name}`)
  const person = new MemoryPerson()
  person.isAwaited = true
  const io = new MemoryIo()
  const ready = awaitRecord(command, {
    person,
    io,
    args: Args.read({}, []),
    clock: systemClock(),
    signal: new AbortController().signal,
    async settle() {
      person.isAwaited = !comes
      return person.settle(10_000)
    },
    goOnline: async () => undefined,
  })
  return { person, ready }
}

test("a command that needs the record waits until it has come", async () => {
  for (const name of ["get", "set", "import", "move", "connect", "pair"]) {
    const { person, ready } = prepare(name, true)
    await ready
    expect({ name, settled: person.settled }).toEqual({ name, settled: [10_000] })
  }
})

test("one that did not come is a failure that says what to do", async () => {
  const error: unknown = await prepare("get", false).ready.catch((thrown: unknown) => thrown)
  expect(failureOf(error)).toEqual({
    code: "RECORD_AWAITED",
    message: "the record has not come to this device yet",
    todo: expect.stringContaining("fulcrum up"),
  })
})

test("what is to be seen before that is shown at once", async () => {
  for (const name of ["status", "sync", "doctor", "devices", "terms list"]) {
    const { person, ready } = prepare(name, false)
    await ready
    expect({ name, settled: person.settled }).toEqual({ name, settled: [] })
  }
})
