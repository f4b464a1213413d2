import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import type { MemoryFault } from "@fulcrum/store/memory"
import { MemoryDisk } from "@fulcrum/store/memory"
import fc from "fast-check"
import { expect, test } from "vitest"
import { ENTRY_BODY_BYTES_MAX, encodeEntry, nextChain } from "../src/entry.ts"
import { type BodyColumns, decodeEntryColumns, encodeEntryColumns } from "../src/entry-columns.ts"
import { idKey } from "../src/ids.ts"
import { atOnce } from "../src/slices.ts"
import { readSpanHeader, SPAN_ENTRIES, SPAN_KEY, sealSpan, tierOf } from "../src/span.ts"
import { encodeSpanEntries } from "../src/span-entries.ts"
import {
  dueMerge,
  dueUnderLoad,
  FAN_OUT,
  MERGED_BYTES_MAX,
  MERGED_ENTRIES_MAX,
  type TieredSpan,
} from "../src/tiers.ts"
import {
  append,
  carry,
  type Device,
  entriesOf,
  mergeAll,
  openDevice,
  spansOf,
  textsOf,
} from "./device.ts"
import { codeOf, deflate, spaceSecrets } from "./fixture.ts"

const space = spaceSecrets("tiers")

/** A log as its rule sees it, and what merging cost. */
class ModelLine {
  readonly spans: TieredSpan[] = []
  entries = 0
  rewritten = 0

  add(count: number, bytesEach: number, isKey: boolean, rule = dueMerge): void {
    const start = this.entries + 1
    this.entries += count
    const kind = isKey ? SPAN_KEY : SPAN_ENTRIES
    this.spans.push({ start, end: this.entries, size: count * bytesEach, kind })
    this.merge(rule)
  }

  merge(rule = dueMerge): void {
    for (;;) {
      const due = rule(this.spans)
      if (due === undefined) return
      const merged = this.spans.slice(due.from, due.to)
      const [first, last] = [merged[0], merged.at(-1)]
      if (first === undefined || last === undefined) throw new TypeError("nothing to merge")
      expect(merged.length).toBeGreaterThan(1)
      expect(merged.every(({ kind }) => kind === SPAN_ENTRIES)).toBe(true)
      const size = merged.reduce((sum, span) => sum + span.size, 0)
      const span: TieredSpan = { start: first.start, end: last.end, size, kind: SPAN_ENTRIES }
      expect(span.end - span.start + 1).toBeLessThanOrEqual(MERGED_ENTRIES_MAX)
      expect(size).toBeLessThanOrEqual(MERGED_BYTES_MAX)
      this.rewritten += span.end - span.start + 1
      this.spans.splice(due.from, due.to - due.from, span)
    }
  }
}

test("[L18] 100,000 entries written one by one lie in at most 48 spans at every moment, each rewritten at most five times", () => {
  const line = new ModelLine()
  let most = 0
  for (let at = 0; at < 100_000; at++) {
    line.add(1, 60, false)
    most = Math.max(most, line.spans.length)
  }
  expect(most).toBeLessThanOrEqual(48)
  expect(line.rewritten / line.entries).toBeLessThanOrEqual(5)
})

test("[L18] under load each entry is rewritten at most three times; then the spans are as few as ever", () => {
  for (const each of [1, 5, 40, 64, 100]) {
    const line = new ModelLine()
    let most = 0
    for (let at = 0; at < 100_000 / each; at++) {
      line.add(each, 60, false, dueUnderLoad)
      if (at % 1000 === 999) line.merge()
      most = Math.max(most, line.spans.length)
    }
    expect([each, most]).toEqual([each, Math.min(most, 48 + FAN_OUT * FAN_OUT)])
    expect(Math.round((10 * line.rewritten) / line.entries) / 10).toBeLessThanOrEqual(3)
    line.merge()
    expect(line.spans.length).toBeLessThanOrEqual(48)
  }
})

test("[L18] no pattern of writing leaves many spans, nor is anything rewritten often", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.integer({ min: 1, max: 12 }),
          fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 5000 })),
          fc.constantFrom(20, 60, 400, 5000),
        ),
        { minLength: 1, maxLength: 60 },
      ),
      (bursts) => {
        const line = new ModelLine()
        for (const [times, size, bytes] of bursts) {
          for (let at = 0; at < times * 8; at++) line.add(size, bytes, false)
        }
        // Full ones hold half of what one may, by entries or by bytes; each level has its few.
        const bytes = line.spans.reduce((sum, { size }) => sum + size, 0)
        const full = line.entries / (MERGED_ENTRIES_MAX / 2) + bytes / (MERGED_BYTES_MAX / 2)
        const levels = tierOf(MERGED_ENTRIES_MAX)
        expect(line.spans.length).toBeLessThanOrEqual(4 * full + 2 * FAN_OUT * (levels + 1))
        expect(line.rewritten / line.entries).toBeLessThanOrEqual(2 * (levels + 1))
      },
    ),
    { numRuns: 200 },
  )
})

test("[L18] nothing is merged across a key span", () => {
  const line = new ModelLine()
  for (let at = 0; at < 7; at++) line.add(1, 60, false)
  line.add(1, 60, true)
  for (let at = 0; at < 8; at++) line.add(1, 60, false)
  expect(line.spans.map(({ start, end }) => end - start + 1)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 8])
})

async function write(device: Device, from: number, count: number): Promise<void> {
  for (let at = 0; at < count; at++) await append(device, `text ${from + at}`)
}

function shapeOf(entries: Awaited<ReturnType<typeof entriesOf>>): readonly string[] {
  return entries.map(
    ({ arrival, incarnation, sequence, chain, writer, kind }) =>
      `${arrival} ${idKey(incarnation)} ${sequence} ${idKey(chain)} ${idKey(writer)} ${kind}`,
  )
}

test("[L18] merging changes neither entries, their numbers, nor the vector, also after a restart", async () => {
  const signer = generateSigningKey(space.random)
  const disk = new MemoryDisk()
  const device = await openDevice(space, "a", { signer, disk })
  await write(device, 0, 600)
  const before = shapeOf(await entriesOf(device.replica))
  const { digest } = device.replica
  const merged = await mergeAll(device.replica)
  expect(merged.length).toBeGreaterThan(0)
  expect(shapeOf(await entriesOf(device.replica))).toEqual(before)
  expect(device.replica.digest).toEqual(digest)
  expect((await spansOf(device.replica)).length).toBeLessThanOrEqual(21)
  await device.vault.close()

  const again = await openDevice(space, "a", { signer, disk })
  expect(shapeOf(await entriesOf(again.replica))).toEqual(before)
  expect(again.replica.digest).toEqual(digest)
  expect(shapeOf(await entriesOf(again.replica, 300))).toEqual(before.slice(300))
  // What an earlier start wrote is merged on too, each start's by itself.
  for (let at = 0; at < 8; at++) await append(again, `more ${at}`)
  expect((await mergeAll(again.replica)).length).toBeGreaterThan(0)
  expect((await textsOf(again.replica)).length).toBe(608)
})

test("[L18] who has the small spans takes in the merged one, and goes on sending", async () => {
  const a = await openDevice(space, "a")
  const b = await openDevice(space, "b")
  const c = await openDevice(space, "c")
  for (let at = 0; at < 70; at++) {
    await append(a, `a${at}`)
    await carry(a.replica, b.replica)
    if (at % 10 === 0) await append(b, `b${at}`)
  }
  const before = shapeOf(await entriesOf(b.replica))
  const merged = await mergeAll(a.replica)
  for (const { bytes } of merged) {
    expect(await b.replica.admit([bytes])).toEqual([{ outcome: "known" }])
    expect(await b.replica.merging.keeps(bytes)).toBe(true)
  }
  expect(shapeOf(await entriesOf(b.replica))).toEqual(before)
  expect((await spansOf(b.replica)).length).toBeLessThan(16 + 7)
  await carry(b.replica, c.replica)
  expect(c.replica.vector).toEqual(b.replica.vector)
  expect((await textsOf(c.replica)).toSorted()).toEqual((await textsOf(b.replica)).toSorted())
})

test("[L19] spans of writers who wrote on each other's entries come in, in whatever order", async () => {
  const [a, b] = [await openDevice(space, "a"), await openDevice(space, "b")]
  for (let at = 0; at < 80; at++) {
    const [from, to] = at % 2 === 0 ? [a, b] : [b, a]
    await append(from, `${at}`)
    await carry(from.replica, to.replica)
  }
  await mergeAll(a.replica)
  await mergeAll(b.replica)
  await carry(a.replica, b.replica)
  for (const { bytes } of await mergedOf(b)) await a.replica.admit([bytes])
  for (const { bytes } of await mergedOf(a)) await b.replica.admit([bytes])
  const spans = [...(await spansOf(a.replica))]
  expect(spans.length).toBeLessThan(30)
  expect(await textsOf(a.replica)).toEqual(Array.from({ length: 80 }, (_, at) => `${at}`))
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(spans, { minLength: spans.length }),
      fc.integer({ min: 1, max: 6 }),
      async (order, size) => {
        const disk = new MemoryDisk()
        let c = await openDevice(space, "c", { disk })
        for (let at = 0; at < order.length; at += size) {
          await c.replica.admit(order.slice(at, at + size))
          if (at % 3 !== 0) continue
          await c.vault.close()
          c = await openDevice(space, "c", { disk })
        }
        expect(c.replica.vector).toEqual(a.replica.vector)
        expect(c.replica.waitingCount).toBe(0)
        expect(await textsOf(c.replica)).toEqual(Array.from({ length: 80 }, (_, at) => `${at}`))
        await c.vault.close()
        c = await openDevice(space, "c", { disk })
        expect(await textsOf(c.replica)).toEqual(Array.from({ length: 80 }, (_, at) => `${at}`))
        const d = await openDevice(space, "d")
        await carry(c.replica, d.replica)
        expect(d.replica.vector).toEqual(a.replica.vector)
        await c.vault.close()
        await d.vault.close()
      },
    ),
    { numRuns: 40 },
  )
})

async function mergedOf({ replica }: Device): Promise<readonly { readonly bytes: Uint8Array }[]> {
  const merged: { readonly bytes: Uint8Array }[] = []
  for await (const one of replica.merging.mergesAfter(0)) merged.push(one)
  return merged
}

test("[L18] what a merge took in is listed no more", async () => {
  const a = await openDevice(space, "a")
  for (let at = 0; at < 64; at++) {
    await append(a, `a${at}`)
    await mergeAll(a.replica)
  }
  const listed: string[] = []
  for await (const { order, start, end } of a.replica.merging.mergesAfter(0)) {
    listed.push(`${order} ${start}-${end}`)
  }
  // The begin entry makes the first span one of two entries.
  expect(listed).toEqual(["9 1-65"])
})

test("[L19] [L9] entries that another member sealed again take nothing's place", async () => {
  const a = await openDevice(space, "a")
  const b = await openDevice(space, "b")
  await write(a, 0, 8)
  await carry(a.replica, b.replica)
  const [merged] = await mergeAll(a.replica)
  const spans = await spansOf(b.replica)
  const { incarnation, start, end, chainBefore, chainEnd } = readSpanHeader(
    merged?.bytes ?? space.tag,
  )
  const encoded = (await entriesOf(b.replica)).map(({ kind, on, body }) =>
    encodeEntry({ kind, on, body }),
  )
  const resealed = sealSpan({
    ...{ kind: SPAN_ENTRIES, space: space.tag, signer: generateSigningKey(space.random) },
    ...{ incarnation, start, end, chainBefore, chainEnd, epoch: space.epoch.id },
    ...{ epochKey: space.epoch.key, content: encodeSpanEntries(encoded) },
    ...{ random: space.random, deflate },
  })
  const before = shapeOf(await entriesOf(b.replica))
  expect(await b.replica.admit([resealed])).toEqual([{ outcome: "known" }])
  expect(shapeOf(await entriesOf(b.replica))).toEqual(before)
  expect(await spansOf(b.replica)).toEqual(spans)
  // Nor do they go on where its own writer has come to.
  await carry(a.replica, b.replica)
  await append(a, "more")
  await carry(a.replica, b.replica)
  expect(b.replica.digest).toEqual(a.replica.digest)
})

test("[L18] the logs of a folder that was copied are merged on both sides, and both take the other's", async () => {
  const signer = generateSigningKey(space.random)
  const disk = new MemoryDisk()
  const first = await openDevice(space, "a", { signer, disk })
  await write(first, 0, 12)
  await first.vault.close()
  const a = await openDevice(space, "a", { signer, disk: disk.copy() })
  const b = await openDevice(space, "b", { signer, disk: disk.copy() })
  await mergeAll(b.replica)
  // The other's reach from the middle of what is one span there.
  const [early, late] = [await spansOf(a.replica), await mergeAll(a.replica)]
  await b.replica.admit([...early, ...late.map(({ bytes }) => bytes)])
  for (const device of [a, b]) await write(device, 100, 20)
  await mergeAll(a.replica)
  await mergeAll(b.replica)
  await carry(a.replica, b.replica)
  await carry(b.replica, a.replica)
  await mergeAll(b.replica)
  expect(a.replica.vector).toEqual(b.replica.vector)
  expect((await textsOf(a.replica)).toSorted()).toEqual((await textsOf(b.replica)).toSorted())
})

test("[L18] entries that come to more than one span holds are merged as far as they fit", async () => {
  const a = await openDevice(space, "a")
  const large = "x".repeat(1_500_000)
  for (let at = 0; at < 16; at++) await append(a, `${at} ${large}`)
  const merged = await mergeAll(a.replica)
  expect(merged.length).toBeGreaterThan(0)
  expect(merged.every(({ start, end }) => end - start < 6)).toBe(true)
  expect((await textsOf(a.replica)).length).toBe(16)
  // What is full is left alone, and what comes later merges all the same.
  await write(a, 16, 8)
  expect((await mergeAll(a.replica)).length).toBeGreaterThan(0)
  expect((await textsOf(a.replica)).length).toBe(24)
})

test("[L18] the number of a merge is never used twice, whatever became of its write", async () => {
  const disk = new MemoryDisk()
  const a = await openDevice(space, "a", { disk })
  await write(a, 0, 8)
  let left = 0
  disk.fault = () => (left-- === 0 ? { type: "fail-after" } : undefined)
  await expect(mergeAll(a.replica)).rejects.toThrow()
  disk.fault = undefined
  await write(a, 8, 8)
  await mergeAll(a.replica)
  const orders: number[] = []
  for await (const { order } of a.replica.merging.mergesAfter(0)) orders.push(order)
  expect(orders).toEqual([1, 2])
})

test("[L19] a span that names our chain hash but has something else in it takes nothing's place", async () => {
  const signer = generateSigningKey(space.random)
  const a = await openDevice(space, "a", { signer })
  const b = await openDevice(space, "b")
  await write(a, 0, 8)
  await carry(a.replica, b.replica)
  const spans = await spansOf(a.replica)
  const [first, last] = [spans[0], spans.at(-1)].map((span) => readSpanHeader(span ?? space.tag))
  if (!first || !last) throw new TypeError("spans")
  const { incarnation, start, chainBefore } = first
  const { end, chainEnd } = last
  const forged = Array.from({ length: end - start + 1 }, (_, at) =>
    encodeEntry({ kind: "payload", on: [], body: new Uint8Array([at]) }),
  )
  const seal = (chain: typeof chainEnd) =>
    sealSpan({
      kind: SPAN_ENTRIES,
      space: space.tag,
      signer,
      incarnation,
      start,
      end,
      chainBefore,
      chainEnd: chain,
      epoch: space.epoch.id,
      epochKey: space.epoch.key,
      content: encodeSpanEntries(forged),
      random: space.random,
      deflate,
    })
  const lie = seal(chainEnd)
  const before = shapeOf(await entriesOf(b.replica))
  expect(await b.replica.admit([lie])).toEqual([{ outcome: "known" }])
  expect(await b.replica.merging.keeps(lie)).toBe(false)
  let chain = chainBefore
  for (const entry of forged) chain = nextChain(space.chainKey, chain, entry)
  expect((await b.replica.admit([seal(chain)]))[0]?.outcome).toBe("fork")
  expect(shapeOf(await entriesOf(b.replica))).toEqual(before)
  expect((await spansOf(b.replica)).length).toBe(spans.length)
})

const faults: readonly MemoryFault[] = [
  { type: "fail-before" },
  { type: "fail-after" },
  { type: "crash-before" },
  { type: "crash-after" },
]

test("[L18] a merge that fails or is cut off loses nothing, and leaves nothing behind", async () => {
  for (const fault of faults) {
    for (let failing = 0; failing < 2; failing++) {
      const disk = new MemoryDisk()
      const signer = generateSigningKey(space.random)
      let device = await openDevice(space, "a", { disk, signer })
      await write(device, 0, 300)
      const before = await textsOf(device.replica)
      let left = failing
      disk.fault = () => (left-- === 0 ? fault : undefined)
      await expect(mergeAll(device.replica)).rejects.toThrow()
      disk.fault = undefined
      if (fault.type.startsWith("crash")) {
        device = await openDevice(space, "a", { disk, signer })
      }
      expect(await textsOf(device.replica)).toEqual(before)
      expectEachOnce(await spansOf(device.replica), 301)
      await append(device, "after")
      await mergeAll(device.replica)
      expect(await textsOf(device.replica)).toEqual([...before, "after"])
      await device.vault.close()
      const again = await openDevice(space, "a", { disk, signer })
      expect(await textsOf(again.replica)).toEqual([...before, "after"])
      expect((await spansOf(again.replica)).length).toBeLessThanOrEqual(15)
      await again.vault.close()
    }
  }
})

/** Each sequence of the one log that reaches `end` lies in one span. */
function expectEachOnce(spans: readonly Uint8Array[], end: number): void {
  const places: number[] = []
  for (const span of spans) {
    const header = readSpanHeader(span)
    for (let at = header.start; at <= header.end; at++) places.push(at)
  }
  expect(places.toSorted((x, y) => x - y)).toEqual(Array.from({ length: end }, (_, at) => at + 1))
}

test("[L19] a wider span and one that it covers come in one batch", async () => {
  const a = await openDevice(space, "a")
  await write(a, 0, 8)
  const singles = await spansOf(a.replica)
  const [merged] = await mergeAll(a.replica)
  const b = await openDevice(space, "b")
  const results = await b.replica.admit([merged?.bytes ?? new Uint8Array(), ...singles])
  expect(results.map(({ outcome }) => outcome)).toEqual(["admitted", ...singles.map(() => "known")])
  const c = await openDevice(space, "c")
  await c.replica.admit([...singles, merged?.bytes ?? new Uint8Array()])
  expect((await spansOf(c.replica)).length).toBe(1)
})

test("[L20] who lacks the last few entries of a merged span gets those alone", async () => {
  const signer = generateSigningKey(space.random)
  const a = await openDevice(space, "a", { signer })
  const b = await openDevice(space, "b")
  const c = await openDevice(space, "c")
  const long = () => idKey(space.random.bytes(300))
  for (let at = 0; at < 50; at++) await append(a, long())
  await carry(a.replica, b.replica)
  await carry(b.replica, c.replica)
  for (let at = 0; at < 10; at++) await append(a, long())
  await mergeAll(a.replica)
  expect((await spansOf(a.replica)).length).toBe(1)
  const limit = { bytesMax: 1_000_000 }
  const whole = await a.replica.spansAfter(b.replica.vector, limit)
  const cut = await a.replica.spansAfter(b.replica.vector, { ...limit, cut: "much" })
  expect(bytesOf(cut.spans) * 3).toBeLessThan(bytesOf(whole.spans))
  expect(cut.reached).toEqual(whole.reached)
  const results = await b.replica.admit(cut.spans)
  expect(results.map(({ outcome }) => outcome)).toEqual(["admitted"])
  expect(b.replica.digest).toEqual(a.replica.digest)
  expect(await textsOf(b.replica)).toEqual(await textsOf(a.replica))
  // Who did not write it sends it whole.
  const fromB = await b.replica.spansAfter(c.replica.vector, { ...limit, cut: "much" })
  await c.replica.admit(fromB.spans)
  expect(c.replica.digest).toEqual(a.replica.digest)
})

function bytesOf(spans: readonly Uint8Array[]): number {
  return spans.reduce((sum, { length }) => sum + length, 0)
}

test("[R24] a body in columns that is larger than an entry may be is refused with a code", () => {
  const large = new Uint8Array(ENTRY_BODY_BYTES_MAX + 1)
  const columns: BodyColumns = {
    *pack() {
      yield
      return new Uint8Array(1)
    },
    *unpack() {
      yield
      return [large]
    },
  }
  const entry = encodeEntry({ kind: "payload", on: [], body: new Uint8Array(1) })
  const content = atOnce(encodeEntryColumns([entry], columns)) ?? entry
  expect(codeOf(() => atOnce(decodeEntryColumns(content, 1, columns)))).toBe("LOG_MALFORMED")
  expect(codeOf(() => atOnce(decodeEntryColumns(content, 2, columns)))).toBe("LOG_MALFORMED")
  expect(codeOf(() => atOnce(decodeEntryColumns(content, 1, undefined)))).toBe("LOG_MALFORMED")
})
