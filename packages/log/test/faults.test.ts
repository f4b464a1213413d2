import { MemoryDisk, type MemoryFault } from "@fulcrum/store/memory"
import fc from "fast-check"
import { expect, test } from "vitest"
import { idKey } from "../src/ids.ts"
import { readSpanHeader } from "../src/span.ts"
import { append, carry, type Device, entriesOf, openDevice, textsOf } from "./device.ts"
import { codeOf, spaceSecrets } from "./fixture.ts"

const space = spaceSecrets("faults")

/** What may not happen twice: two different spans of one incarnation that cover one sequence. */
class Sequences {
  readonly #spans = new Map<string, string>()

  use(span: Uint8Array): void {
    const { incarnation, start, end, chainEnd } = readSpanHeader(span)
    for (let sequence = start; sequence <= end; sequence++) {
      const place = `${idKey(incarnation)} ${sequence}`
      const before = this.#spans.get(place)
      expect(before ?? idKey(chainEnd)).toBe(idKey(chainEnd))
      this.#spans.set(place, idKey(chainEnd))
    }
  }
}

async function tryAppend(device: Device, text: string, sequences: Sequences): Promise<boolean> {
  const staged = device.replica.stage([{ kind: "payload", body: new TextEncoder().encode(text) }])
  for (const span of staged.spans) sequences.use(span)
  try {
    await device.vault.write(staged.ops)
  } catch {
    device.replica.poison()
    return false
  }
  staged.commit()
  return true
}

const faults: readonly MemoryFault[] = [
  { type: "fail-before" },
  { type: "fail-after" },
  { type: "crash-before" },
  { type: "crash-after" },
]

test("[R12] whatever fails or crashes, no sequence is used twice, and nothing acknowledged is lost", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.option(fc.constantFrom(...faults), { freq: 3 }), {
        minLength: 12,
        maxLength: 12,
      }),
      async (plan) => {
        const disk = new MemoryDisk()
        const sequences = new Sequences()
        const acknowledged: string[] = []
        let device = await openDevice(space, "a", { disk })
        for (const [i, fault] of plan.entries()) {
          let left = fault
          disk.fault = () => {
            const now = left
            left = null
            return now ?? undefined
          }
          if (await tryAppend(device, `${i}`, sequences)) acknowledged.push(`${i}`)
          if (fault?.type.startsWith("crash")) {
            disk.crash()
            disk.fault = undefined
            device = await openDevice(space, "a", { disk })
          }
        }
        disk.fault = undefined
        disk.crash()
        const again = await openDevice(space, "a", { disk })
        const texts = await textsOf(again.replica)
        expect(new Set(texts).size).toBe(texts.length)
        for (const text of acknowledged) expect(texts).toContain(text)
        // Whoever gets all of it comes to the same.
        const peer = await openDevice(space, "b")
        await carry(again.replica, peer.replica)
        expect(peer.replica.digest).toEqual(again.replica.digest)
      },
    ),
    { numRuns: 60 },
  )
})

test("[L14] an admission that failed may have landed: the next one finds out, and tells", async () => {
  const a = await openDevice(space, "a")
  const spans = [...(await append(a, "1")), ...(await append(a, "2")), ...(await append(a, "3"))]
  for (const type of ["fail-before", "fail-after"] as const) {
    const b = await openDevice(space, "b")
    await b.replica.admit(spans.slice(0, 1))
    let left: MemoryFault | undefined = { type }
    b.disk.fault = () => {
      const now = left
      left = undefined
      return now
    }
    const before = b.replica.vector
    await expect(b.replica.admit(spans.slice(1, 2))).rejects.toThrow()
    expect(b.replica.vector).toEqual(before)
    const results = await b.replica.admit(spans)
    const texts = results.flatMap((result) =>
      result.outcome === "admitted"
        ? result.entries.map(({ body }) => new TextDecoder().decode(body))
        : [],
    )
    expect(texts.toSorted()).toEqual(["2", "3"])
    expect(b.replica.digest).toEqual(a.replica.digest)
    expect((await textsOf(b.replica)).toSorted()).toEqual(["1", "2", "3"])
    await b.vault.close()
    const again = await openDevice(space, "b", { disk: b.disk })
    expect(again.replica.digest).toEqual(a.replica.digest)
  }
})

test("[L14] what the next one finds out is told by a later one, if that fails too", async () => {
  const a = await openDevice(space, "a")
  const spans = [...(await append(a, "1")), ...(await append(a, "2"))]
  const b = await openDevice(space, "b")
  const faults: MemoryFault[] = [{ type: "fail-after" }, { type: "fail-before" }]
  b.disk.fault = () => faults.shift()
  await expect(b.replica.admit(spans.slice(0, 1))).rejects.toThrow()
  await expect(b.replica.admit(spans.slice(1))).rejects.toThrow()
  const told = (await b.replica.admit(spans)).flatMap((result) =>
    result.outcome === "admitted" ? result.entries : [],
  )
  const texts = told.filter(({ kind }) => kind === "payload").map(({ body }) => body)
  expect(texts.map((text) => new TextDecoder().decode(text)).toSorted()).toEqual(["1", "2"])
  expect(b.replica.digest).toEqual(a.replica.digest)
})

test("[L14] what is appended while the next one finds out stays, and is told once", async () => {
  const a = await openDevice(space, "a")
  const spans = await append(a, "1")
  for (const outcome of ["landed", "failed", "failed, and landed"] as const) {
    for (let turns = 0; turns < 40; turns++) {
      const b = await openDevice(space, "b")
      await append(b, "0")
      let fault: MemoryFault | undefined = { type: "fail-after" }
      b.disk.fault = () => {
        const now = fault
        fault = undefined
        return now
      }
      await expect(b.replica.admit(spans)).rejects.toThrow()
      const finding = b.replica.admit([])
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      const staged = b.replica.stage([{ kind: "payload", body: new TextEncoder().encode("2") }])
      if (outcome !== "landed") {
        fault = { type: outcome === "failed" ? "fail-before" : "fail-after" }
      }
      const isWritten = await b.vault.write(staged.ops).then(
        () => true,
        () => false,
      )
      if (isWritten) staged.commit()
      else b.replica.poison()
      const told = [...(await finding), ...(await b.replica.admit([]))].flatMap((result) =>
        result.outcome === "admitted"
          ? result.entries.filter(({ kind }) => kind === "payload")
          : [],
      )
      const expected = { landed: ["1"], failed: ["1"], "failed, and landed": ["1", "2"] }[outcome]
      const texts = told.map(({ body }) => new TextDecoder().decode(body))
      expect(texts.toSorted(), `${outcome}, after ${turns} turns`).toEqual(expected)
      const again = await openDevice(space, "b", { disk: b.disk.copy({}) })
      expect(b.replica.digest, `${outcome}, after ${turns} turns`).toEqual(again.replica.digest)
      await append(b, "3")
    }
  }
})

test("[L15] one append is staged at a time; an abandoned one leaves nothing", async () => {
  const a = await openDevice(space, "a")
  const body = new Uint8Array(1)
  const staged = a.replica.stage([{ kind: "payload", body }])
  expect(() => a.replica.stage([{ kind: "payload", body }])).toThrow(RangeError)
  staged.abandon()
  expect(() => staged.commit()).toThrow(RangeError)
  expect(a.replica.vector).toEqual([])
  await append(a, "after")
  expect(await textsOf(a.replica)).toEqual(["after"])
  const fresh = await openDevice(space, "n", { knowsEpoch: false })
  expect(codeOf(() => fresh.replica.stage([{ kind: "payload", body }]))).toBe("LOG_NO_EPOCH")
})

test("[L15] spans that come while an append is under way do not disturb it", async () => {
  const a = await openDevice(space, "a")
  const b = await openDevice(space, "b")
  const fromA = await append(a, "a1")
  const staged = b.replica.stage([{ kind: "payload", body: new TextEncoder().encode("b1") }])
  const admitting = b.replica.admit(fromA)
  await b.vault.write(staged.ops)
  staged.commit()
  await admitting
  expect(new Set(await textsOf(b.replica))).toEqual(new Set(["a1", "b1"]))
  const arrivals = (await entriesOf(b.replica)).map(({ arrival }) => arrival)
  expect(new Set(arrivals).size).toBe(4)
  await carry(b.replica, a.replica)
  expect(a.replica.digest).toEqual(b.replica.digest)
  await b.vault.close()
  const again = await openDevice(space, "b", { disk: b.disk })
  expect(again.replica.digest).toEqual(a.replica.digest)
})

test("[L16] a large append is split over spans, all or none, and read back in bounded pieces", async () => {
  const a = await openDevice(space, "a")
  const b = await openDevice(space, "b")
  const items = Array.from({ length: 9000 }, (_, i) => ({
    kind: "payload" as const,
    body: new Uint8Array(300).fill(i),
  }))
  const staged = a.replica.stage(items)
  expect(staged.spans.length).toBeGreaterThan(2)
  await a.vault.write(staged.ops)
  staged.commit()
  const first = await a.replica.spansAfter([], { bytesMax: 1 })
  expect(first.spans).toHaveLength(1)
  await carry(a.replica, b.replica)
  expect(b.replica.digest).toEqual(a.replica.digest)
  expect(await entriesOf(b.replica)).toHaveLength(9001)
  expect(await entriesOf(b.replica, 9000)).toHaveLength(1)
})
