import { encodeCbor } from "@fulcrum/codec/cbor"
import type { VersionVector } from "@fulcrum/log/vector"
import fc from "fast-check"
import { expect, test } from "vitest"
import { decodeMessage, encodeMessage, MESSAGE_BYTES_MAX, WINDOW_BYTES } from "../src/messages.ts"
import { HELLO_TIMEOUT_MS, STALL_TIMEOUT_MS } from "../src/patience.ts"
import { createSession } from "../src/session.ts"
import { append, appendBytes, openDevice, spaceSecrets, textsOf } from "./device.ts"
import { openPeer, Peer, type TestSpace, talk } from "./peer.ts"

const space = spaceSecrets("sync")

function only(peer: Peer): TestSpace {
  const [first] = peer.spaces
  if (first === undefined) throw new TypeError("a peer has a space")
  return first
}

async function write(peer: Peer, count: number, bytes = 20): Promise<void> {
  const { device } = only(peer)
  for (let i = 0; i < count; i++) {
    await append(device, `${i} `.padEnd(bytes, String.fromCharCode(97 + (i % 26))))
  }
}

function kindsOf(messages: readonly Uint8Array[]): string[] {
  return messages.map((message) =>
    decodeMessage(message)
      .map(({ kind }) => kind)
      .join("+"),
  )
}

test("[Y1] two devices with different entries come to have the same", async () => {
  const a = await openPeer("a", space)
  const b = await openPeer("b", space)
  await write(a, 30)
  await write(b, 20)
  a.connect()
  b.connect()
  await talk(a, b)
  expect(only(a).log.digest).toEqual(only(b).log.digest)
  expect(new Set(await textsOf(only(a).log))).toEqual(new Set(await textsOf(only(b).log)))
  expect([a.failure, b.failure]).toEqual([undefined, undefined])
  expect(a.agreed.get(only(a))).toEqual(only(a).log.vector)
  expect(b.agreed.get(only(b))).toEqual(only(b).log.vector)
})

test("[Y2] when nothing is missing one message each way is all, 61 bytes whatever there is", async () => {
  for (const count of [1, 60]) {
    const a = await openPeer("a", space)
    const b = await openPeer("b", space)
    await write(a, count)
    a.connect()
    b.connect()
    await talk(a, b)
    a.sent.length = 0
    b.sent.length = 0
    a.connect()
    b.connect()
    expect(await talk(a, b)).toBe(2)
    expect(kindsOf(a.sent)).toEqual(["hello+have"])
    expect(kindsOf(b.sent)).toEqual(["hello+have"])
    expect([a.sent[0]?.length, b.sent[0]?.length]).toEqual([61, 61])
  }
})

test("[Y3] ten entries missing of a thousand cost one round trip, and only their spans", async () => {
  const a = await openPeer("a", space)
  const b = await openPeer("b", space)
  const bodies = Array.from({ length: 990 }, (_, i) => `entry ${i}`)
  await append(only(a).device, ...bodies)
  a.connect()
  b.connect()
  await talk(a, b)
  const spans: Uint8Array[] = []
  for (let i = 0; i < 10; i++) spans.push(...(await append(only(a).device, `late ${i}`)))
  a.sent.length = 0
  b.sent.length = 0
  a.connect()
  b.connect()
  await talk(a, b)
  expect(kindsOf(a.sent)).toEqual(["hello+have", "spans"])
  expect(kindsOf(b.sent)).toEqual(["hello+have", "have", "stored+credit"])
  const item = decodeMessage(a.sent[1] ?? new Uint8Array())[0]
  expect(item?.kind === "spans" && item.value.spans).toEqual(spans)
  expect(only(a).log.digest).toEqual(only(b).log.digest)
})

test("[Y3] without a memory of each other the rows cross first, and still only what lacks is sent", async () => {
  const a = await openPeer("a", space)
  const b = await openPeer("b", space)
  await append(only(a).device, ...Array.from({ length: 990 }, (_, i) => `entry ${i}`))
  a.connect()
  b.connect()
  await talk(a, b)
  for (let i = 0; i < 10; i++) await append(only(a).device, `late ${i}`)
  a.agreed.clear()
  b.agreed.clear()
  a.sent.length = 0
  b.sent.length = 0
  b.admittedSpans.length = 0
  a.connect()
  b.connect()
  await talk(a, b)
  expect(kindsOf(a.sent)).toEqual(["hello+have", "have", "spans"])
  expect(kindsOf(b.sent)).toEqual(["hello+have", "have", "stored+credit"])
  expect(b.admittedSpans).toEqual([10])
})

test("[Y4] a device that restarted and wrote is not sent again what both had", async () => {
  const a = await openPeer("a", space)
  const b = await openPeer("b", space)
  await write(a, 10)
  await write(b, 10)
  a.connect()
  b.connect()
  await talk(a, b)
  const restart = async (peer: Peer, name: string) => {
    const { device } = only(peer)
    await device.vault.close()
    const again = await openDevice(space, name, { disk: device.disk })
    return new Peer([{ ...only(peer), log: again.replica, device: again }])
  }
  const a2 = await restart(a, "a")
  const b2 = await restart(b, "b")
  await write(a2, 3)
  await write(b2, 2)
  a2.connect()
  b2.connect()
  await talk(a2, b2)
  expect(only(a2).log.digest).toEqual(only(b2).log.digest)
  expect([a2.admittedSpans, b2.admittedSpans]).toEqual([[2], [3]])
})

test("[Y5] a transfer that is cut anywhere is taken up where it was cut", async () => {
  const a = await openPeer("a", space)
  const b = await openPeer("b", space)
  const c = spaceSecrets("noise").random
  const { device } = only(a)
  for (let i = 0; i < 24; i++) {
    await appendBytes(device, c.bytes(200_000))
  }
  let transfers = 0
  for (let cut = 3; only(a).log.digest.join() !== only(b).log.digest.join(); cut += 1) {
    a.connect()
    b.connect()
    await talk(a, b, cut)
    if (++transfers > 30) throw new Error("no progress")
  }
  expect(transfers).toBeGreaterThan(2)
  expect(b.admittedSpans.reduce((sum, count) => sum + count, 0)).toBeLessThan(24 * 2)
})

test("[Y6] never more is under way than the window, and a span larger than it goes alone", async () => {
  const a = await openPeer("a", space)
  const b = await openPeer("b", space)
  const { random } = spaceSecrets("large")
  const { device } = only(a)
  for (const size of [300_000, 300_000, 1_500_000, 300_000, 10, 900_000]) {
    await appendBytes(device, random.bytes(size))
  }
  a.connect()
  b.connect()
  // B says nothing for a while: A sends a window at most.
  for (const message of a.outbox.splice(0)) b.receive(message)
  for (const message of b.outbox.splice(0)) a.receive(message)
  for (const message of a.outbox.splice(0)) b.receive(message)
  for (const message of b.outbox.splice(0)) a.receive(message)
  for (let i = 0; i < 20; i++) await a.work()
  const bytes = a.outbox.reduce((sum, message) => sum + message.length, 0)
  expect(bytes).toBeGreaterThan(WINDOW_BYTES / 4)
  expect(bytes).toBeLessThan(WINDOW_BYTES + 20_000)
  await talk(a, b)
  expect(only(a).log.digest).toEqual(only(b).log.digest)
})

test("[Y7] what is written while both are connected goes out at once, once", async () => {
  const a = await openPeer("a", space)
  const b = await openPeer("b", space)
  a.connect()
  b.connect()
  await talk(a, b)
  a.sent.length = 0
  b.sent.length = 0
  await append(only(a).device, "now")
  a.local(only(a))
  await talk(a, b)
  expect(kindsOf(a.sent)).toEqual(["spans"])
  expect(kindsOf(b.sent)).toEqual(["stored+credit"])
  expect(await textsOf(only(b).log)).toEqual(["now"])
  expect(a.agreed.get(only(a))).toEqual(only(a).log.vector)
  // Who sent it has it, and the other knows.
  expect(b.agreed.get(only(b))).toEqual(only(b).log.vector)
})

test("[Y11] whoever is believed to have an entry has it, however a third one's come in", async () => {
  // Mostly to one side, which takes in slowly: so much is under way when it says something.
  const step = fc.oneof(
    fc.constantFrom(["third", false], ["read", false], ["deliver", true]),
    fc.tuple(fc.constantFrom("deliver", "admit", "read", "third", "write"), fc.boolean()),
  )
  const steps = fc.array(step, { minLength: 30, maxLength: 90 })
  await fc.assert(
    fc.asyncProperty(fc.boolean(), steps, async (isGreeted, schedule) => {
      const [a, b] = [await openPeer("a", space), await openPeer("b", space)]
      const third = await openDevice(space, "c")
      const brought = new Map<Peer, number>()
      const spans: Uint8Array[] = []
      a.connect()
      b.connect()
      if (isGreeted) await talk(a, b)
      for (const [kind, isAtA] of schedule) {
        const [at, other] = isAtA ? [a, b] : [b, a]
        const message = kind === "deliver" ? other.outbox.shift() : undefined
        if (message) at.receive(message)
        else if (kind === "write") {
          await write(at, 1)
          at.local(only(at))
        } else if (kind === "third") {
          const next = brought.get(at) ?? 0
          if (next === spans.length) spans.push(...(await append(third, `third ${next}`)))
          brought.set(at, next + 1)
          await only(at).log.admit(spans.slice(next, next + 1))
          at.local(only(at))
        } else if (kind === "read" || kind === "admit") await at.workOne(kind)
        expect([...falselyBelieved(a, b), ...falselyBelieved(b, a)]).toEqual([])
      }
      await talk(a, b)
      expect([a.failure, b.failure]).toEqual([undefined, undefined])
      expect(only(a).log.digest).toEqual(only(b).log.digest)
      expect([...falselyBelieved(a, b), ...falselyBelieved(b, a)]).toEqual([])
    }),
    { numRuns: 100 },
  )
})

test("[Y11] what a peer said while the disk was read is not given back to it as ours", async () => {
  const [a, b] = [await openPeer("a", space), await openPeer("b", space)]
  const third = await openDevice(space, "c")
  a.connect()
  b.connect()
  await talk(a, b)
  const deliver = (from: Peer, to: Peer) => {
    for (const message of from.outbox.splice(0)) to.receive(message)
  }
  const thirdAtB = async () => {
    await only(b).log.admit(await append(third, "from a third one"))
    b.local(only(b))
    await b.workOne("read")
    deliver(b, a)
  }
  // `a` is sent two, reads what it wrote itself, is sent one more meanwhile, and stores the first.
  await thirdAtB()
  await thirdAtB()
  await write(a, 1)
  a.local(only(a))
  await thirdAtB()
  await a.workOne("read")
  await a.workOne("admit")
  deliver(a, b)
  expect(falselyBelieved(b, a)).toEqual([])
  await talk(a, b)
  expect(only(a).log.digest).toEqual(only(b).log.digest)
})

/** Rows that `at` believes of `other`, which does not have them. */
function falselyBelieved(at: Peer, other: Peer): VersionVector {
  const { tree } = only(other).log
  return (at.agreed.get(only(at)) ?? []).filter(
    ({ incarnation, sequence }) => !tree.covers(tree.vector, incarnation, sequence),
  )
}

test("[Y8] a space that the peer does not know is skipped, and joins when it does", async () => {
  const other = spaceSecrets("other")
  const a = await openPeer("a", space, other)
  const b = await openPeer("b", space)
  await write(a, 2)
  const [, hidden] = a.spaces
  if (hidden === undefined) throw new TypeError("a has two spaces")
  await append(hidden.device, "hidden")
  a.connect()
  b.connect()
  await talk(a, b)
  expect([a.failure, b.failure]).toEqual([undefined, undefined])
  const device = await openDevice(other, "b")
  const learned = { tag: other.tag, chainKey: other.chainKey, log: device.replica, device }
  b.spaces.push(learned)
  b.local(learned)
  await talk(a, b)
  expect(await textsOf(learned.log)).toEqual(["hidden"])
})

test("[Y9] a peer that breaks the protocol ends the session, with a code", async () => {
  const hello = { kind: "hello", value: { version: 1, least: 1 } } as const
  const space16 = new Uint8Array(16)
  const cases: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ["SYNC_MALFORMED", [new Uint8Array([1, 2, 3])]],
    ["SYNC_MALFORMED", [encodeCbor([[9, []]])]],
    ["SYNC_MALFORMED", [new Uint8Array(MESSAGE_BYTES_MAX + 1)]],
    ["SYNC_ORDER", [encodeMessage([{ kind: "credit", value: { bytes: 1 } }])]],
    ["SYNC_ORDER", [encodeMessage([hello, hello])]],
    ["SYNC_VERSION", [encodeMessage([{ kind: "hello", value: { version: 3, least: 2 } }])]],
    ["SYNC_CREDIT", [encodeMessage([hello, { kind: "credit", value: { bytes: 1 } }])]],
    [
      "SYNC_MALFORMED",
      [encodeMessage([hello, { kind: "spans", value: { space: space16, spans: [], rows: [] } }])],
    ],
    ["SYNC_BYE", [encodeMessage([{ kind: "bye", value: { code: "SYNC_ORDER" } }])]],
  ]
  for (const [code, messages] of cases) {
    const a = await openPeer("a", space)
    a.connect()
    for (const message of messages) a.receive(message)
    expect(a.failure).toBe(code)
    expect(a.session.step({ type: "local", space: only(a) })).toEqual([])
  }
})

test("[Y9] a peer that sends beyond its credit ends the session", async () => {
  const a = await openPeer("a", space)
  a.connect()
  const reference = decodeMessage(a.sent[0] ?? new Uint8Array()).flatMap((item) =>
    item.kind === "have" ? [item.value.space] : [],
  )[0]
  if (reference === undefined) throw new TypeError("a says what it has")
  const spans = (bytes: number) =>
    ({
      kind: "spans",
      value: { space: reference, spans: [new Uint8Array(bytes)], rows: [] },
    }) as const
  a.receive(encodeMessage([{ kind: "hello", value: { version: 1, least: 1 } }, spans(900_000)]))
  expect(a.failure).toBeUndefined()
  a.receive(encodeMessage([spans(200_000)]))
  expect(a.failure).toBe("SYNC_CREDIT")
})

test("[Y9] any bytes and any items give actions, never an exception", async () => {
  const a = await openPeer("a", space)
  await write(a, 1)
  a.connect()
  const haves = decodeMessage(a.sent[0] ?? new Uint8Array()).filter(({ kind }) => kind === "have")
  const reference = fc.constantFrom(
    new Uint8Array(16),
    ...haves.flatMap((have) => (have.kind === "have" ? [have.value.space] : [])),
  )
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 })
  const trail = fc.array(fc.tuple(bytes16, fc.nat(50)), { maxLength: 2 })
  const rows = fc.array(fc.tuple(bytes16, fc.nat(100), bytes32, trail), { maxLength: 1 })
  const bare = fc.array(fc.tuple(bytes16, fc.nat(100), bytes32), { maxLength: 1 })
  const item = fc.oneof(
    fc.tuple(fc.constant(1), fc.tuple(reference, bytes32, fc.option(rows))),
    fc.tuple(fc.constant(2), fc.tuple(reference, fc.array(bytes32, { maxLength: 3 }), bare)),
    fc.tuple(fc.constant(3), fc.tuple(reference, bare)),
    fc.tuple(fc.constant(4), fc.tuple(fc.nat(10))),
    fc.tuple(fc.constant(6), fc.tuple(reference, bytes16, fc.nat(9), fc.nat(9))),
  )
  fc.assert(
    fc.property(fc.array(item, { maxLength: 5 }), fc.uint8Array(), (items, noise) => {
      const session = createSession({ spaces: a.spaces })
      session.step({ type: "connected" })
      const bytes = encodeCbor([[0, [1, 1]], ...items])
      for (const action of session.step({ type: "message", bytes })) {
        const spans = [noise]
        if (action.type === "read") session.step({ ...action, spans, reached: action.after })
        if (action.type === "find") session.step({ type: "found", space: action.space, spans })
      }
      session.step({ type: "message", bytes: noise })
    }),
  )
})

test("[Y10] a peer that is silent, or takes and never stores, is given up", async () => {
  const a = await openPeer("a", space)
  const b = await openPeer("b", space)
  await write(a, 1)
  a.connect()
  a.tick(1000)
  a.tick(1000 + HELLO_TIMEOUT_MS)
  expect(a.failure).toBeUndefined()
  a.tick(1001 + HELLO_TIMEOUT_MS)
  expect(a.failure).toBe("SYNC_TIMEOUT")
  a.connect()
  a.tick(1_000_000_000)
  // The clock is put back: from here on the silence is counted anew.
  a.tick(1000)
  a.tick(1000 + HELLO_TIMEOUT_MS)
  expect(a.failure).toBeUndefined()
  a.tick(1001 + HELLO_TIMEOUT_MS)
  expect(a.failure).toBe("SYNC_TIMEOUT")
  a.connect()
  b.connect()
  for (let i = 0; i < 2; i++) {
    for (const message of a.outbox.splice(0)) b.receive(message)
    for (const message of b.outbox.splice(0)) a.receive(message)
  }
  await a.work()
  a.tick(1_000_000_000)
  a.tick(50_000)
  a.tick(50_000 + STALL_TIMEOUT_MS)
  expect(a.failure).toBeUndefined()
  a.tick(50_001 + STALL_TIMEOUT_MS)
  expect(a.failure).toBe("SYNC_TIMEOUT")
})

async function mergeAll({ log }: TestSpace): Promise<void> {
  while (await log.merging.merge());
}

async function spanCount({ log }: TestSpace): Promise<number> {
  return (await log.spansAfter([], { bytesMax: 100_000_000 })).spans.length
}

test("[Y12] who has small spans gets the merged ones, and passes them on", async () => {
  const [a, b, c] = [
    await openPeer("a", space),
    await openPeer("b", space),
    await openPeer("c", space),
  ]
  await write(a, 100)
  for (const other of [b, c]) {
    a.connect()
    other.connect()
    await talk(a, other)
    expect(await spanCount(only(other))).toBe(100)
  }
  await mergeAll(only(a))
  a.connect()
  b.connect()
  await talk(a, b)
  await b.seek(only(b))
  await talk(a, b)
  expect(await spanCount(only(b))).toBe(await spanCount(only(a)))
  expect(only(b).log.digest).toEqual(only(a).log.digest)
  expect(new Set(await textsOf(only(b).log))).toEqual(new Set(await textsOf(only(a).log)))
  // Of somebody who is not their writer.
  b.connect()
  c.connect()
  await talk(b, c)
  await c.seek(only(c))
  await talk(b, c)
  expect(await spanCount(only(c))).toBe(await spanCount(only(a)))
  expect([a.failure, b.failure, c.failure]).toEqual([undefined, undefined, undefined])
  // Nothing more is sought until the log goes on.
  const { length } = c.sent
  await c.seek(only(c))
  expect(c.sent.length).toBe(length)
})

test("[Y12] only a few questions are looked into at a time", async () => {
  const a = await openPeer("a", space)
  await write(a, 3)
  a.connect()
  const [have] = decodeMessage(a.sent[0] ?? new Uint8Array()).filter(({ kind }) => kind === "have")
  if (have?.kind !== "have") throw new TypeError("no digest")
  const incarnation = only(a).log.vector[0]?.incarnation
  if (incarnation === undefined) throw new TypeError("no rows")
  const value = { space: have.value.space, incarnation, start: 1, end: 3 }
  const seeks = Array.from({ length: 100 }, () => ({ kind: "seek" as const, value }))
  const session = createSession({ spaces: a.spaces })
  session.step({ type: "connected" })
  const hello = { kind: "hello" as const, value: { version: 1, least: 1 } }
  const actions = session.step({ type: "message", bytes: encodeMessage([hello, ...seeks]) })
  expect(actions.filter(({ type }) => type === "find").length).toBe(4)
})

test("[Y13] what relays signed goes with the first message, and once more when it has changed", async () => {
  const a = await openPeer("a", space)
  const b = await openPeer("b", space)
  const heard = (heads: readonly Uint8Array[]) => {
    const session = createSession({ spaces: b.spaces })
    session.step({ type: "connected" })
    const sent = a.session.step({ type: "connected", heads })
    const messages = sent.flatMap((action) => (action.type === "send" ? [action.bytes] : []))
    expect(messages.length).toBe(1)
    return messages.flatMap((bytes) => session.step({ type: "message", bytes }))
  }
  const [one, two] = [new Uint8Array(250).fill(1), new Uint8Array(250).fill(2)]
  expect(heard([one])).toContainEqual({ type: "heads", receipts: [one] })
  expect(a.session.step({ type: "heads", receipts: [one] })).toEqual([])
  const [news] = a.session.step({ type: "heads", receipts: [one, two] })
  if (news?.type !== "send") throw new TypeError("nothing was said")
  expect(decodeMessage(news.bytes)).toEqual([{ kind: "heads", value: { receipts: [two] } }])
})

test("[Y13] [Y9] whoever tells it twice in one message is left", async () => {
  const a = await openPeer("a", space)
  a.connect()
  const hello = { kind: "hello" as const, value: { version: 1, least: 1 } }
  const heads = { kind: "heads" as const, value: { receipts: [new Uint8Array(9)] } }
  a.receive(encodeMessage([hello, heads, heads]))
  expect(a.failure).toBe("SYNC_MALFORMED")
})
