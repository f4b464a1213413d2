/**
 * The contract's one suite: every adapter runs it, under any test runner.
 *
 * Names begin with the rule of `SPEC.md` that they show.
 *
 * @module
 */
import { bytesToHex, compareBytes, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import {
  KEY_BYTES_MAX,
  type ListRange,
  type Store,
  StoreError,
  type StoreErrorCode,
  VALUE_BYTES_MAX,
  type WriteOp,
} from "./contract.ts"

/** One place to keep things, empty at first; `open` may be called again after `close`. */
export interface StorePlace {
  open(): Promise<Store>
  dispose(): Promise<void>
}

export interface StoreCase {
  readonly name: string
  /** Rejects if the adapter breaks the rule. */
  run(): Promise<void>
}

/** @param newPlace - Makes an empty place; the suite disposes of it. */
export function storeContract(newPlace: () => Promise<StorePlace>): readonly StoreCase[] {
  return casesIn(newPlace, cases)
}

/** Each case in an empty place of its own, which is disposed of after it. */
export function casesIn<P extends { dispose(): Promise<void> }>(
  newPlace: () => Promise<P>,
  all: readonly (readonly [name: string, run: (place: P) => Promise<void>])[],
): readonly StoreCase[] {
  return all.map(([name, run]) => ({
    name,
    run: async () => {
      const place = await newPlace()
      try {
        await run(place)
      } finally {
        await place.dispose()
      }
    },
  }))
}

type Case = readonly [name: string, run: (place: StorePlace) => Promise<void>]

const cases: readonly Case[] = [
  [
    "[S1] what was written is read back, by one key and by many",
    async (place) => {
      await using store = await place.open()
      await store.write([put("a", "1"), put("b", ""), put("c", "3")])
      expectText(await store.get(utf8ToBytes("a")), "1")
      expectText(await store.get(utf8ToBytes("b")), "")
      expect((await store.get(utf8ToBytes("d"))) === undefined, "an absent key is undefined")
      const many = await store.getMany(["c", "d", "a", "c"].map(utf8ToBytes))
      expect(many.length === 4 && many[1] === undefined, "one answer for each key")
      for (const [at, text] of [
        [0, "3"],
        [2, "1"],
        [3, "3"],
      ] as const) {
        expectText(many[at], text)
      }
      expect((await store.getMany([])).length === 0, "no keys, no answers")
    },
  ],
  [
    "[S1] of two operations on one key the later counts",
    async (place) => {
      await using store = await place.open()
      await store.write([put("a", "1"), put("a", "2"), put("b", "1"), del("b"), del("c")])
      await store.write([del("d"), put("d", "4")])
      await expectRecords(store, whole, ["a=2", "d=4"])
      await store.write([])
      await store.write([put("a", "3"), del("d")])
      await expectRecords(store, whole, ["a=3"])
    },
  ],
  [
    "[S2] keys are listed as unsigned bytes, a prefix first",
    async (place) => {
      await using store = await place.open()
      const keys = ["ff", "00", "7f", "80", "0000", "80ff", "8000", "ffff", "7fff00"]
      await store.write(keys.map((hex) => ({ type: "put", key: fromHex(hex), value: fromHex("") })))
      const listed = await keysOf(store, { gte: fromHex("00"), lt: fromHex("ffffff") })
      const sorted = keys.map(fromHex).sort(compareBytes).map(bytesToHex)
      expect(listed.join() === sorted.join(), `listed ${listed.join()}`)
    },
  ],
  [
    "[S2] a list keeps to its range, direction and limit",
    async (place) => {
      await using store = await place.open()
      await store.write(["a", "b", "c", "d", "e"].map((key) => put(key, key)))
      const from = (gte: string, lt: string): ListRange => ({
        gte: utf8ToBytes(gte),
        lt: utf8ToBytes(lt),
      })
      await expectRecords(store, from("b", "d"), ["b=b", "c=c"])
      await expectRecords(store, from("bb", "zz"), ["c=c", "d=d", "e=e"])
      await expectRecords(store, { ...from("b", "e"), limit: 2 }, ["b=b", "c=c"])
      await expectRecords(store, { ...from("b", "e"), reverse: true }, ["d=d", "c=c", "b=b"])
      await expectRecords(store, { ...from("a", "e"), reverse: true, limit: 1 }, ["d=d"])
      await expectRecords(store, { ...from("a", "e"), limit: 0 }, [])
      await expectRecords(store, from("d", "b"), [])
      await expectRecords(store, from("f", "g"), [])
    },
  ],
  [
    "[S2] a long list comes whole, both ways, and can be left in the middle",
    async (place) => {
      await using store = await place.open()
      const keys = Array.from({ length: 3000 }, (_, at) => `k${String(at).padStart(5, "0")}`)
      await store.write(keys.map((key) => put(key, "x".repeat(100))))
      const hex = keys.map((key) => bytesToHex(utf8ToBytes(key)))
      expect((await keysOf(store, whole)).join() === hex.join(), "ascending")
      const down = await keysOf(store, { ...whole, reverse: true })
      expect(down.join() === hex.toReversed().join(), "descending")
      for await (const _ of store.list(whole)) break
      await store.write([del(keys[0] ?? "")])
      expect((await keysOf(store, whole)).length === 2999, "one less")
    },
  ],
  [
    "[S3] what was acknowledged is there after closing and opening",
    async (place) => {
      {
        await using store = await place.open()
        await store.write([put("a", "1"), put("b", "2")])
        await store.write([del("b")])
      }
      await using store = await place.open()
      await expectRecords(store, whole, ["a=1"])
    },
  ],
  [
    "[S4] writes land in the order of their calls, however many wait",
    async (place) => {
      await using store = await place.open()
      const order: number[] = []
      await Promise.all(
        Array.from({ length: 500 }, async (_, at) => {
          await store.write([put("last", String(at)), put(`n${at}`, String(at))])
          order.push(at)
        }),
      )
      expectText(await store.get(utf8ToBytes("last")), "499")
      expect(
        order.every((value, at) => value === at),
        "acknowledged in order",
      )
      expect((await keysOf(store, whole)).length === 501, "all are there")
    },
  ],
  [
    "[S4] closing finishes what was called before it",
    async (place) => {
      const store = await place.open()
      const writes = Array.from({ length: 20 }, (_, at) => store.write([put(`n${at}`, "")]))
      await store.close()
      await Promise.all(writes)
      await store.close()
      await using again = await place.open()
      expect((await keysOf(again, whole)).length === 20, "all are there")
    },
  ],
  [
    "[S5] a closed store says so",
    async (place) => {
      const store = await place.open()
      await store.write([put("a", "1")])
      await store.close()
      await expectCode("STORE_CLOSED", () => store.get(utf8ToBytes("a")))
      await expectCode("STORE_CLOSED", () => store.getMany([utf8ToBytes("a")]))
      await expectCode("STORE_CLOSED", () => store.write([put("a", "2")]))
      await expectCode("STORE_CLOSED", () => keysOf(store, whole))
    },
  ],
  [
    "[S5] a place that is open cannot be opened a second time",
    async (place) => {
      const store = await place.open()
      await store.write([put("a", "1")])
      await expectCode("STORE_LOCKED", () => place.open())
      expectText(await store.get(utf8ToBytes("a")), "1")
      await store.close()
      await using again = await place.open()
      expectText(await again.get(utf8ToBytes("a")), "1")
    },
  ],
  [
    "[S6] bytes that were handed out are the caller's",
    async (place) => {
      await using store = await place.open()
      await store.write([put("a", "1")])
      const read = await store.get(utf8ToBytes("a"))
      const [listed] = await recordsOf(store, whole)
      expect(read?.constructor === Uint8Array, "plain bytes, no Buffer")
      expect(listed?.[0].constructor === Uint8Array, "plain keys, no Buffer")
      read?.fill(0)
      listed?.[0].fill(0)
      listed?.[1].fill(0)
      await expectRecords(store, whole, ["a=1"])
    },
  ],
  [
    "[S6] sizes past the limits are refused, and nothing lands",
    async (place) => {
      await using store = await place.open()
      const long = new Uint8Array(KEY_BYTES_MAX)
      await store.write([{ type: "put", key: long, value: utf8ToBytes("1") }])
      expectText(await store.get(long), "1")
      const refused: WriteOp[] = [
        { type: "put", key: new Uint8Array(0), value: new Uint8Array(1) },
        { type: "del", key: new Uint8Array(KEY_BYTES_MAX + 1) },
        { type: "put", key: utf8ToBytes("v"), value: new Uint8Array(VALUE_BYTES_MAX + 1) },
      ]
      for (const op of refused) {
        const error = await failureOf(() => store.write([put("other", "1"), op]))
        expect(error instanceof RangeError, `a RangeError, not ${String(error)}`)
      }
      expect((await store.get(utf8ToBytes("other"))) === undefined, "nothing landed")
    },
  ],
]

const whole: ListRange = { gte: Uint8Array.of(0), lt: Uint8Array.of(255, 255) }

function put(key: string, value: string): WriteOp {
  return { type: "put", key: utf8ToBytes(key), value: utf8ToBytes(value) }
}

function del(key: string): WriteOp {
  return { type: "del", key: utf8ToBytes(key) }
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16))
}

async function recordsOf(
  store: Store,
  range: ListRange,
): Promise<(readonly [Uint8Array, Uint8Array])[]> {
  const records: (readonly [Uint8Array, Uint8Array])[] = []
  for await (const record of store.list(range)) records.push(record)
  return records
}

async function keysOf(store: Store, range: ListRange): Promise<string[]> {
  return (await recordsOf(store, range)).map(([key]) => bytesToHex(key))
}

async function expectRecords(
  store: Store,
  range: ListRange,
  expected: readonly string[],
): Promise<void> {
  const decoder = new TextDecoder()
  const found = (await recordsOf(store, range)).map(
    ([key, value]) => `${decoder.decode(key)}=${decoder.decode(value)}`,
  )
  expect(found.join() === expected.join(), `found ${found.join()}, not ${expected.join()}`)
}

function expectText(value: Uint8Array | undefined, expected: string): void {
  const same = value !== undefined && equalBytes(value, utf8ToBytes(expected))
  expect(same, `found ${value && new TextDecoder().decode(value)}, not ${expected}`)
}

async function expectCode(code: StoreErrorCode, act: () => Promise<unknown>): Promise<void> {
  const error = await failureOf(act)
  expect(error instanceof StoreError && error.code === code, `${code}, not ${String(error)}`)
}

async function failureOf(act: () => Promise<unknown>): Promise<unknown> {
  try {
    await act()
  } catch (error) {
    return error
  }
  return undefined
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the store contract is broken: ${what}`)
}
