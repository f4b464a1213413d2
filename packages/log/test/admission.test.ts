import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Deflate } from "../src/deflate.ts"
import { encodeEntry, nextChain } from "../src/entry.ts"
import { epochKeySchema, type IncarnationId, idKey } from "../src/ids.ts"
import { type OpenedSpan, OpenedSpans } from "../src/opened-spans.ts"
import type { Replica } from "../src/replica.ts"
import { isSigned, readSpan, SPAN_ENTRIES, sealSpan } from "../src/span.ts"
import { encodeSpanEntries, openSpan } from "../src/span-entries.ts"
import { WAITING_SPANS_MAX, WaitingRoom } from "../src/waiting-room.ts"
import { append, carry, type Device, entriesOf, openDevice, textsOf } from "./device.ts"
import { deflate, type SpaceSecrets, spaceSecrets, spanOf } from "./fixture.ts"

const space = spaceSecrets("admission")

async function outcomes(replica: Replica, ...spans: Uint8Array[]): Promise<string[]> {
  const results = await replica.admit(spans)
  return results.map((result) =>
    "code" in result ? result.code : "why" in result ? result.why : result.outcome,
  )
}

/** A history of three devices that see each other's entries now and then. */
async function history(secrets: SpaceSecrets): Promise<{ devices: Device[]; spans: Uint8Array[] }> {
  const devices: Device[] = []
  for (const name of ["a", "b", "c"]) devices.push(await openDevice(secrets, name))
  const [a, b, c] = devices
  if (!a || !b || !c) throw new TypeError("three devices")
  const spans: Uint8Array[] = []
  spans.push(...(await append(a, "a1")), ...(await append(b, "b1")))
  await carry(a.replica, b.replica)
  spans.push(...(await append(b, "b2", "b3")))
  await carry(b.replica, c.replica)
  spans.push(...(await append(c, "c1")))
  await a.vault.close()
  const a2 = await openDevice(secrets, "a", { disk: a.disk })
  devices[0] = a2
  await carry(c.replica, a2.replica)
  spans.push(...(await append(a2, "a2")), ...(await append(a2, "a3")))
  for (const one of devices) for (const other of devices) await carry(one.replica, other.replica)
  return { devices, spans }
}

function names(entries: readonly { incarnation: IncarnationId; sequence: number }[]): string[] {
  return entries.map(({ incarnation, sequence }) => `${idKey(incarnation)} ${sequence}`)
}

test("[L6] in whatever order and however often spans come, replicas end the same (Invariant 4)", async () => {
  const { devices, spans } = await history(space)
  const [a] = devices
  if (!a) throw new TypeError("a device")
  const expected = names(await entriesOf(a.replica)).sort()
  const indices = spans.map((_, i) => i)
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(indices, { minLength: indices.length }),
      fc.array(fc.nat(spans.length - 1), { maxLength: 4 }),
      fc.nat(3),
      async (order, again, size) => {
        const { replica, vault } = await openDevice(space, "d")
        const all = [...order.slice(0, 3), ...again, ...order.slice(3), ...again].map(
          (i) => spans[i] ?? new Uint8Array(),
        )
        const seen: { arrival: number; incarnation: IncarnationId; sequence: number }[] = []
        for (let at = 0; at < all.length; at += size + 1) {
          for (const result of await replica.admit(all.slice(at, at + size + 1))) {
            if (result.outcome === "admitted") seen.push(...result.entries)
          }
        }
        expect(replica.digest).toEqual(a.replica.digest)
        expect(replica.vector).toEqual(a.replica.vector)
        expect(replica.waitingCount).toBe(0)
        expect(names(seen).toSorted()).toEqual(expected)
        expect(seen.map(({ arrival }) => arrival)).toEqual(
          seen.map(({ arrival }) => arrival).toSorted((x, y) => x - y),
        )
        expect(names(await entriesOf(replica))).toEqual(names(seen))
        await vault.close()
      },
    ),
    { numRuns: 40 },
  )
})

test("[R11] replaying everything changes nothing", async () => {
  const { devices, spans } = await history(space)
  const [a] = devices
  if (!a) throw new TypeError("a device")
  const { digest } = a.replica
  const { usedBytes, flushes } = a.disk
  expect(new Set(await outcomes(a.replica, ...spans, ...spans))).toEqual(new Set(["known"]))
  expect(a.replica.digest).toEqual(digest)
  expect([a.disk.usedBytes, a.disk.flushes]).toEqual([usedBytes, flushes])
})

test("[R4] a span moved to another space, writer or sequence is refused", async () => {
  const a = await openDevice(space, "a")
  const b = await openDevice(space, "b")
  const [first, second] = [...(await append(a, "one")), ...(await append(a, "two"))]
  if (!first || !second) throw new TypeError("two spans")
  const other = await openDevice(spaceSecrets("another"), "c")
  expect(await outcomes(other.replica, first)).toEqual(["LOG_SPACE"])
  await b.replica.admit([first])
  const { header } = readSpan(second)
  const forge = (change: Partial<Parameters<typeof sealSpan>[0]>) => {
    const entry = encodeEntry({ kind: "payload", on: [], body: new Uint8Array(3) })
    const chainBefore = change.chainBefore ?? header.chainBefore
    return sealSpan({
      kind: SPAN_ENTRIES,
      space: space.tag,
      signer: generateSigningKey(space.random),
      incarnation: header.incarnation,
      start: 3,
      end: 3,
      chainBefore,
      chainEnd: nextChain(space.chainKey, chainBefore, entry),
      epoch: space.epoch.id,
      epochKey: space.epoch.key,
      content: encodeSpanEntries([entry]),
      random: space.random,
      deflate,
      ...change,
    })
  }
  // Signed well, sealed well, by somebody in the space: but not by this incarnation's writer.
  expect(await outcomes(b.replica, forge({}))).toEqual(["LOG_WRITER"])
  expect(await outcomes(b.replica, forge({ start: 1, end: 1 }))).toEqual(["LOG_WRITER"])
  const incarnation = (await openDevice(space, "x")).replica.nextWriter().incarnation
  expect(await outcomes(b.replica, forge({ incarnation }))).toEqual(["predecessor"])
  expect(await textsOf(b.replica)).toEqual(["one"])
})

test("[R11] a fork is refused, and kept as proof that both were signed", async () => {
  const a = await openDevice(space, "a")
  const shared = await append(a, "shared")
  const own = a.replica.nextWriter()
  // The machine's memory is copied: two who think that they are the same incarnation.
  const twin = a.replica.stage([{ kind: "payload", body: new Uint8Array([1]) }])
  twin.abandon()
  const ours = await append(a, "ours")
  const more = await append(a, "more")
  expect(own.sequence).toBe(3)
  const b = await openDevice(space, "b")
  await b.replica.admit([...shared, ...twin.spans])
  expect(await outcomes(b.replica, ...ours, ...more)).toEqual(["fork", "fork"])
  expect(await outcomes(a.replica, ...twin.spans)).toEqual(["fork"])
  expect([a.replica.forkCount, b.replica.forkCount]).toEqual([1, 2])
  expect(await outcomes(a.replica, ...twin.spans)).toEqual(["fork"])
  expect(a.replica.forkCount).toBe(1)
  const proofs: Uint8Array[] = []
  for await (const { span } of a.replica.forks()) proofs.push(span)
  expect(proofs).toEqual(twin.spans)
  expect(await textsOf(a.replica)).toEqual(["shared", "ours", "more"])
  await a.vault.close()
  const again = await openDevice(space, "a", { disk: a.disk })
  expect(again.replica.forkCount).toBe(1)
  // Whoever has the other history gets the span that proves it.
  const { spans } = await again.replica.spansAfter(b.replica.vector, { bytesMax: 1 })
  expect(spans).toEqual(ours)
})

test("[R12] a copy of a running machine goes on under our incarnation: we begin another", async () => {
  const a = await openDevice(space, "a")
  const shared = await append(a, "shared")
  const twin = a.replica.stage([{ kind: "payload", body: new TextEncoder().encode("twin") }])
  twin.abandon()
  const before = a.replica.nextWriter()
  expect(await outcomes(a.replica, ...twin.spans)).toEqual(["admitted"])
  const after = a.replica.nextWriter()
  expect(after.incarnation).not.toEqual(before.incarnation)
  expect(after.actor).not.toEqual(before.actor)
  await append(a, "ours")
  const b = await openDevice(space, "b")
  await carry(a.replica, b.replica)
  expect(await textsOf(b.replica)).toEqual(["shared", "twin", "ours"])
  expect(shared).toHaveLength(1)
})

test("[R12] two children of one parent, as a copied folder makes them, are both kept and told", async () => {
  const a = await openDevice(space, "a")
  await append(a, "before")
  await a.vault.close()
  const copy = await openDevice(space, "copy", { disk: a.disk.copy() })
  const original = await openDevice(space, "original", { disk: a.disk })
  await append(copy, "in the copy")
  await append(original, "in the original")
  await carry(copy.replica, original.replica)
  await carry(original.replica, copy.replica)
  expect(original.replica.digest).toEqual(copy.replica.digest)
  expect(new Set(await textsOf(original.replica))).toEqual(
    new Set(["before", "in the copy", "in the original"]),
  )
  expect(original.replica.vector).toHaveLength(2)
  const [branching] = original.replica.tree.branchings()
  expect(branching?.children).toHaveLength(2)
})

test("[R12] a copy that learns what its original wrote since names that in what it writes", async () => {
  const original = await openDevice(space, "original of a copy")
  await append(original, "before")
  const copy = await openDevice(space, "another copy", { disk: original.disk.copy() })
  const other = await openDevice(space, "neither of the two")
  await append(copy, "in the copy")
  await carry(copy.replica, other.replica)
  const since = await append(original, "in the original")
  await carry(original.replica, copy.replica)
  const after = await append(copy, "after both")
  expect(await outcomes(other.replica, ...after)).toEqual(["on"])
  expect(await textsOf(other.replica)).toEqual(["before", "in the copy"])
  await other.replica.admit(since)
  expect(await textsOf(other.replica)).toContain("after both")
})

test("[L7] what came before its epoch's key waits on disk, and comes in when the key is known", async () => {
  const a = await openDevice(space, "a")
  const b = await openDevice(space, "b", { knowsEpoch: false })
  const spans = [...(await append(a, "one")), ...(await append(a, "two"))]
  expect(await outcomes(b.replica, ...spans)).toEqual(["epoch", "epoch"])
  await b.vault.close()
  const again = await openDevice(space, "b", { disk: b.disk, knowsEpoch: false })
  expect(again.replica.waitingCount).toBe(2)
  expect(await again.replica.retryWaiting()).toEqual([])
  again.keyring.epochs.set(idKey(space.epoch.id), space.epoch.key)
  const results = await again.replica.retryWaiting()
  expect(results.map(({ outcome }) => outcome)).toEqual(["admitted", "admitted"])
  expect(await textsOf(again.replica)).toEqual(["one", "two"])
  expect(again.replica.waitingCount).toBe(0)
})

test("[L7] what waited is looked at again after a restart, without being asked to", async () => {
  const a = await openDevice(space, "a")
  const b = await openDevice(space, "b")
  const spans = [...(await append(a, "1")), ...(await append(a, "2")), ...(await append(a, "3"))]
  const [first, second, third] = spans
  if (!first || !second || !third) throw new TypeError("three spans")
  await b.replica.admit([third, second])
  await b.vault.close()
  const again = await openDevice(space, "b", { disk: b.disk })
  await again.replica.admit([first])
  expect(await textsOf(again.replica)).toEqual(["1", "2", "3"])
})

test("[L8] a key span announces an epoch, opened by whoever finds its wrap", async () => {
  const a = await openDevice(space, "a", { knowsEpoch: false })
  const key = epochKeySchema.decode(space.random.bytes(32))
  const clear = new TextEncoder().encode("wraps")
  const staged = a.replica.stageKey({ epoch: { key }, clear, body: new Uint8Array(9), follows: [] })
  await a.vault.write(staged.ops)
  staged.commit()
  a.keyring.epochs.set(idKey(staged.epochId), key)
  a.keyring.current = { id: staged.epochId, key }
  const later = await append(a, "under the new epoch")
  const outsider = await openDevice(space, "o", { knowsEpoch: false })
  expect(await outcomes(outsider.replica, ...staged.spans)).toEqual(["epoch"])
  const asked: Uint8Array[] = []
  const b = await openDevice(space, "b", {
    knowsEpoch: false,
    openKeySpan: ({ clear }) => {
      asked.push(clear)
      return key
    },
  })
  expect(await outcomes(b.replica, ...later, ...staged.spans)).toEqual(["epoch", "admitted"])
  expect(asked).toEqual([clear])
  const [begin, announced] = await entriesOf(b.replica)
  expect([begin?.kind, announced?.kind]).toEqual(["begin", "key"])
  expect(announced?.announces).toEqual({
    epoch: staged.epochId,
    follows: new Uint8Array(32),
    clear,
  })
  b.keyring.epochs.set(idKey(staged.epochId), key)
  await b.replica.admit([])
  expect(await textsOf(b.replica)).toEqual(["under the new epoch"])
})

test("[L27] what follows a key span in one append is under its epoch, and goes on where it ends", async () => {
  const a = await openDevice(space, "a")
  const before = await append(a, "before")
  const key = epochKeySchema.decode(space.random.bytes(32))
  const parts = { clear: new Uint8Array(3), body: new Uint8Array(9), follows: [] }
  const staged = a.replica.stageKey({ epoch: { key }, ...parts })
  const texts = ["a payload", "another"]
  const whole = staged.followedBy(texts.map((text) => new TextEncoder().encode(text)))
  expect(() => staged.commit()).toThrow(RangeError)
  await a.vault.write(whole.ops)
  whole.commit()
  a.keyring.epochs.set(idKey(staged.epochId), key)
  a.keyring.current = { id: staged.epochId, key }
  const after = await append(a, "after")
  expect(await textsOf(a.replica)).toEqual(["before", ...texts, "after"])
  const arrivals = (await entriesOf(a.replica)).map(({ arrival }) => arrival)
  expect(arrivals).toEqual(arrivals.map((_, i) => i + 1))
  const [announced, ...others] = whole.spans
  if (announced === undefined) throw new TypeError("a key span")
  expect(others).toHaveLength(1)
  for (const span of others) expect(readSpan(span).header.epoch).toEqual(staged.epochId)
  // Who has the key before it, and not this one, reads nothing of what follows.
  const outsider = await openDevice(space, "o")
  const spans = [...before, ...whole.spans, ...after]
  expect(await outcomes(outsider.replica, ...spans)).not.toContain("duplicate")
  expect(await textsOf(outsider.replica)).toEqual(["before"])
  const b = await openDevice(space, "b", { openKeySpan: () => key })
  b.keyring.epochs.set(idKey(staged.epochId), key)
  await b.replica.admit(spans.toReversed())
  expect(await textsOf(b.replica)).toEqual(["before", ...texts, "after"])
})

test("[L26] a key span is opened though it waits, for the keys of what it waits for", async () => {
  const [a, c] = [
    await openDevice(space, "a", { knowsEpoch: false }),
    await openDevice(space, "c", { knowsEpoch: false }),
  ]
  const announce = async (device: typeof a, clear: string) => {
    const key = epochKeySchema.decode(space.random.bytes(32))
    const staged = device.replica.stageKey({
      epoch: { key },
      clear: new TextEncoder().encode(clear),
      body: new TextEncoder().encode(clear),
      follows: [],
    })
    await device.vault.write(staged.ops)
    staged.commit()
    device.keyring.epochs.set(idKey(staged.epochId), key)
    device.keyring.current = { id: staged.epochId, key }
    return { ...staged, key }
  }
  // B has a wrap in the last only, which is written upon the others and carries the key of one each.
  const first = await announce(a, "not for b")
  const entries = await append(a, "under the first")
  const second = await announce(a, "nor this")
  c.keyring.epochs.set(idKey(first.epochId), first.key)
  c.keyring.epochs.set(idKey(second.epochId), second.key)
  await c.replica.admit([...first.spans, ...entries, ...second.spans])
  const third = await announce(c, "for b")
  const carried = new Map<string, typeof first.key>()
  const carries = new Map([
    ["for b", second],
    ["nor this", first],
  ])
  const b = await openDevice(space, "b", {
    knowsEpoch: false,
    openKeySpan: ({ clear }) =>
      new TextDecoder().decode(clear) === "for b" ? third.key : undefined,
    carriedKey: (id) => carried.get(idKey(id)),
    openedKeySpan: ({ epoch, body }) => {
      const key = carried.get(idKey(epoch))
      if (key) b.keyring.epochs.set(idKey(epoch), key)
      const one = carries.get(new TextDecoder().decode(body))
      if (one) carried.set(idKey(one.epochId), one.key)
    },
  })
  const early = [...second.spans, ...entries, ...first.spans]
  expect(await outcomes(b.replica, ...early)).toEqual(["epoch", "epoch", "epoch"])
  await b.replica.admit(third.spans)
  expect(b.replica.waitingCount).toBe(0)
  expect(b.replica.vector).toEqual(c.replica.vector)
  expect(await textsOf(b.replica)).toEqual(["under the first"])
})

test("[L9] a writer that is not known yet waits; one that may not write is refused", async () => {
  const a = await openDevice(space, "a")
  const spans = await append(a, "one")
  let verdict: "ok" | "unknown" | "refused" = "unknown"
  const seen: number[] = []
  const b = await openDevice(space, "b", {
    checkWriter: (_, begin) => {
      seen.push(begin?.actor.length ?? -1)
      return verdict
    },
  })
  expect(await outcomes(b.replica, ...spans)).toEqual(["writer"])
  verdict = "ok"
  expect((await b.replica.retryWaiting()).map(({ outcome }) => outcome)).toEqual(["admitted"])
  verdict = "refused"
  expect(await outcomes(b.replica, ...(await append(a, "two")))).toEqual(["LOG_WRITER"])
  expect(seen).toEqual([16, 16, -1])
})

test("[R14] a span of a newer version is kept, opaque", async () => {
  const a = await openDevice(space, "a")
  const newer = new Uint8Array([0x85, 0x42, 0x81, 0x02, 0x40, 0x40, 0x40, 0x40])
  expect(await outcomes(a.replica, newer)).toEqual(["version"])
  expect(a.replica.waitingCount).toBe(1)
  expect(await outcomes(a.replica, new Uint8Array([0x80]))).toEqual(["LOG_MALFORMED"])
})

test("[R24] only so much waits", () => {
  const room = new WaitingRoom()
  const need = { why: "epoch", key: "e" } as const
  for (let i = 0; i < WAITING_SPANS_MAX; i++) {
    expect(room.add(new Uint8Array([i >> 8, i & 255]), need)).toBeDefined()
  }
  expect(room.add(new Uint8Array(3), need)).toBeUndefined()
  const large = new WaitingRoom()
  for (let i = 0; i < 8; i++) expect(large.add(new Uint8Array(4 << 20).fill(i), need)).toBeDefined()
  expect(large.add(new Uint8Array(9), need)).toBeUndefined()
})

test("[L10] a span that repeats entries and goes on past them brings only the new ones", async () => {
  const a = await openDevice(space, "a")
  const spans = [
    ...(await append(a, "one")),
    ...(await append(a, "two")),
    ...(await append(a, "3")),
  ]
  const entries = await entriesOf(a.replica)
  const b = await openDevice(space, "b")
  const { header } = readSpan(spans[0] ?? new Uint8Array())
  await b.replica.admit(spans.slice(0, 1))
  // As its writer seals them again, in one span of the next tier.
  const writer = await a.vault.table("log.writer").get(space.tag)
  expect(writer).toBeDefined()
  const { signingKeyFromSeed } = await import("@fulcrum/crypto/ed25519")
  const seed = (writer ?? new Uint8Array()).slice(-32)
  const last = entries.at(-1)
  if (!last) throw new TypeError("there are entries")
  const merged = sealSpan({
    kind: SPAN_ENTRIES,
    space: space.tag,
    signer: signingKeyFromSeed(seed),
    incarnation: header.incarnation,
    start: header.start,
    end: last.sequence,
    chainBefore: header.chainBefore,
    chainEnd: last.chain,
    epoch: space.epoch.id,
    epochKey: space.epoch.key,
    content: encodeSpanEntries(
      entries.map(({ kind, on, body }) => encodeEntry({ kind, on, body })),
    ),
    random: space.random,
    deflate,
  })
  const [result] = await b.replica.admit([merged])
  expect(result?.outcome === "admitted" && result.entries.map((e) => e.sequence)).toEqual([3, 4])
  expect(b.replica.digest).toEqual(a.replica.digest)
  expect(await textsOf(b.replica)).toEqual(["one", "two", "3"])
  await b.vault.close()
  const again = await openDevice(space, "b", { disk: b.disk })
  expect(await outcomes(again.replica, ...spans)).toEqual(["known", "known", "known"])
})

describe("spans that are kept open", () => {
  test("[L21] one that waits for its writer is opened once", async () => {
    const writer = await openDevice(space, "kept open")
    const spans = [...(await append(writer, "1".repeat(900))), ...(await append(writer, "2"))]
    let inflated = 0
    let isKnown = false
    const counting: Deflate = {
      deflate: (bytes) => deflate.deflate(bytes),
      inflate: (bytes, length) => {
        inflated++
        return deflate.inflate(bytes, length)
      },
    }
    const reader = await openDevice(space, "reader", {
      deflate: counting,
      checkWriter: () => (isKnown ? "ok" : "unknown"),
    })
    expect(await outcomes(reader.replica, ...spans)).toEqual(["writer", "writer"])
    await reader.replica.retryWaiting()
    await reader.replica.retryWaiting()
    isKnown = true
    await reader.replica.retryWaiting()
    // Of the two, the long one is deflated.
    expect(inflated).toBe(1)
    expect(await textsOf(reader.replica)).toEqual(["1".repeat(900), "2"])
  })

  test("[L21] are bounded by what they take, the longest unused going first", () => {
    const opened = new OpenedSpans(100_000)
    const of = (count: number, size: number, rows: number): OpenedSpan => {
      const span = readSpan(spanOf(space, [new Uint8Array(1)]))
      if (!isSigned(span)) throw new TypeError("a signed span")
      const [entry] = openSpan(span, {
        epochKey: space.epoch.key,
        chainKey: space.chainKey,
        deflate,
      })
      if (entry === undefined) throw new TypeError("an entry")
      const row = { incarnation: space.incarnation, sequence: 1, chain: entry.chain }
      const on = Array(rows).fill(row)
      const entries = Array(count).fill({ ...entry, on, body: new Uint8Array(size) })
      return { span, entries, segments: [], isLetIn: false }
    }
    const isOpen = ({ span }: OpenedSpan) => opened.find(span.bytes) !== undefined
    const [a, b, c] = [of(1, 40_000, 0), of(1, 40_000, 0), of(1, 40_000, 0)]
    opened.keep(a)
    opened.keep(b)
    expect(isOpen(a)).toBe(true)
    opened.keep(c)
    expect([a, b, c].map(isOpen)).toEqual([true, false, true])
    opened.forget(a.span.bytes)
    expect(isOpen(a)).toBe(false)
    // Entries, and rows of what they were written on, weigh without any body.
    for (const heavy of [of(1000, 0, 0), of(100, 0, 10), of(1, 100_001, 0)]) {
      opened.keep(heavy)
      expect(isOpen(heavy)).toBe(false)
    }
    opened.keep(a)
    expect(isOpen(a)).toBe(true)
  })
})
