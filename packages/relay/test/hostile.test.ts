import { encodeCbor } from "@fulcrum/codec/cbor"
import { generateSigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { sha256 } from "@fulcrum/crypto/hash"
import { seededRandom } from "@fulcrum/crypto/random"
import { capabilityEnd, mailboxName, signCapability } from "@fulcrum/log/mailbox"
import { spanHash } from "@fulcrum/log/span"
import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { connectRelay } from "../src/client.ts"
import {
  decodeFromRelay,
  decodeRequest,
  encodeFromRelay,
  encodeRequest,
  type FromRelay,
  firstRoot,
  nextRoot,
  type RelayChannel,
  type RelayMethod,
} from "../src/protocol.ts"
import { signReceipt, verifyReceipt } from "../src/receipt.ts"
import { createReceiptTrail } from "../src/receipt-trail.ts"
import { RelayError } from "../src/relay-error.ts"
import { manualClock } from "./manual-clock.ts"
import { newMaker, newSpan, openRig, type Rig } from "./rig.ts"

const random = seededRandom("hostile")
const code = (code: string) => expect.objectContaining({ code })

describe("a hostile client", () => {
  let rig: Rig
  beforeEach(async () => {
    rig = await openRig()
  })
  afterEach(async () => {
    expect(rig.relay.faults).toEqual([])
    await rig.close()
  })

  /** Sends messages as they are; gives what came back until the relay hung up or fell silent. */
  async function say(messages: readonly Uint8Array[]): Promise<FromRelay[]> {
    const { channel } = await rig.dial()
    const heard: FromRelay[] = []
    const listening = (async () => {
      for await (const message of channel.messages()) heard.push(decodeFromRelay(message))
    })()
    for (const message of messages) await channel.send(message).catch(() => undefined)
    await rig.clock.advance(0)
    await channel.close()
    await listening.catch(() => undefined)
    return heard
  }

  it("[L70] never harms the relay with bytes of any kind, and is hung up on", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 }),
        async (all) => {
          const heard = await say(all)
          expect(heard[0]?.kind).toBe("challenge")
          for (const answer of heard.slice(1)) {
            expect(answer).toMatchObject({
              kind: "error",
              value: { id: 0, code: "RELAY_MALFORMED" },
            })
          }
          expect(heard.length).toBeLessThanOrEqual(2)
        },
      ),
      { numRuns: 60 },
    )
  })

  it("[L71] never harms the relay with requests that are well formed and senseless", async () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
    const handle = fc.nat({ max: 3 })
    const method = fc.oneof(
      fc.record({ handle, span: fc.uint8Array({ maxLength: 300 }) }).map((value) => ({
        kind: "append" as const,
        value,
      })),
      fc.record({ handle, from: fc.nat(), bytesMax: fc.nat({ max: 4_000_000 }) }).map((value) => ({
        kind: "read" as const,
        value,
      })),
      fc.record({ handle }).map((value) => ({ kind: "watch" as const, value })),
      fc.record({ handle, upTo: fc.nat() }).map((value) => ({
        kind: "acknowledge" as const,
        value,
      })),
      fc
        .record({ capability: fc.uint8Array({ maxLength: 300 }), proof: bytes(64) })
        .map((value) => ({ kind: "open" as const, value })),
      fc.record({ bytes: fc.uint8Array({ maxLength: 50 }) }).map((value) => ({
        kind: "meetSend" as const,
        value,
      })),
      fc.record({ name: bytes(32) }).map((value) => ({ kind: "meet" as const, value })),
      fc.record({ handle }).map((value) => ({ kind: "close" as const, value })),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(method, { maxLength: 12 }), async (methods) => {
        const messages = methods.map((one, i) =>
          encodeRequest({ id: i + 1, method: one as RelayMethod }),
        )
        const heard = (await say(messages)).filter((one) => one.kind !== "push")
        expect(heard).toHaveLength(1 + methods.length)
      }),
      { numRuns: 60 },
    )
  })

  it("[L72] is refused when numbers repeat, and hung up on after too many refusals", async () => {
    const method = { kind: "watch", value: { handle: 9 } } as const
    const again = await say([encodeRequest({ id: 1, method }), encodeRequest({ id: 1, method })])
    expect(again.at(-1)).toMatchObject({ value: { id: 0, code: "RELAY_MALFORMED" } })
    const many = await say(
      Array.from({ length: 400 }, (_, i) => encodeRequest({ id: i + 1, method })),
    )
    expect(many.length).toBeLessThan(400)
  })

  it("[L73] that says nothing valid, or takes nothing, is hung up on", async () => {
    const { channel } = await rig.dial()
    await rig.clock.advance(40_000)
    await channel.closed
    expect(rig.relay.metrics.value("connections")).toBe(0)

    const ended = Promise.withResolvers<void>()
    const stuck: RelayChannel = {
      remotePublicKey: new Uint8Array(32),
      closed: ended.promise,
      send: () => ended.promise,
      async *messages() {},
      close: async () => undefined,
      abort: () => ended.resolve(),
    }
    const served = rig.relay.server.serve(stuck)
    await rig.clock.advance(40_000)
    await served
  })

  it("[L74] cannot use what a maker signed for another connection", async () => {
    const { channel } = await rig.dial()
    const iterator = channel.messages()[Symbol.asyncIterator]()
    await iterator.next()
    const key = generateSigningKey(rig.random)
    // Signed over another nonce, as a replay would be.
    const value = {
      mailbox: key.publicKey,
      kind: "drop",
      readers: [],
      signature: new Uint8Array(64),
    }
    const method = { kind: "create", value } as const
    await channel.send(encodeRequest({ id: 1, method: method as RelayMethod }))
    const answer = decodeFromRelay((await iterator.next()).value ?? new Uint8Array(0))
    expect(answer).toMatchObject({ value: { code: "RELAY_FORBIDDEN" } })
  })

  it("[L75] that floods one mailbox with what is refused leaves its neighbour served", async () => {
    const flooder = await rig.connect()
    const maker = newMaker(rig, "archive")
    await flooder.create({ key: maker.key, kind: "archive" })
    const holder = generateSigningKey(rig.random)
    const box = await maker.open(flooder, "append", holder)
    const flood = Promise.allSettled(
      Array.from({ length: 400 }, () => box.append(random.bytes(300))),
    )
    const neighbour = newMaker(rig, "archive")
    const client = await rig.connect()
    await client.create({ key: neighbour.key, kind: "archive" })
    await (await neighbour.open(client, "append", holder)).append(newSpan(rig.random))
    const outcomes = await flood
    expect(outcomes.every((one) => one.status === "rejected")).toBe(true)
  })
})

describe("the protocol's bytes", () => {
  it("[L80] are read or refused with a code, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const read of [decodeRequest, decodeFromRelay, verifyReceipt]) {
          try {
            read(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(RelayError)
          }
        }
      }),
    )
  })

  it("[L81] are no more than the limits of each field", () => {
    const tooMuch = encodeCbor([1, [2, [1, new Uint8Array(4 * 1024 * 1024 + 1)]]])
    expect(() => decodeRequest(tooMuch)).toThrow(code("RELAY_MALFORMED"))
    expect(() => decodeRequest(encodeCbor([1, [99, []]]))).toThrow(code("RELAY_MALFORMED"))
    expect(() => decodeRequest(encodeCbor([0, [15, []]]))).toThrow(code("RELAY_MALFORMED"))
    expect(decodeRequest(encodeCbor([1, [15, []]]))).toEqual({
      id: 1,
      method: { kind: "meetLeave", value: {} },
    })
  })
})

describe("a hostile relay", () => {
  const relay = generateSigningKey(random)
  const holder = generateSigningKey(random)
  const mailboxKey = generateSigningKey(random)
  const mailbox = mailboxName(mailboxKey.publicKey)
  const sequenceId = random.bytes(16)
  const clock = manualClock()

  /** A channel to a relay that answers each request as the test says. */
  function scripted(
    answer: (id: number, method: RelayMethod) => readonly Uint8Array[],
    first: readonly Uint8Array[] = [
      encodeFromRelay({ kind: "challenge", value: { version: 1, nonce: new Uint8Array(32) } }),
    ],
  ): RelayChannel {
    const queue = [...first]
    const ended = Promise.withResolvers<void>()
    let wake: () => void = () => undefined
    let isEnded = false
    const end = (): void => {
      isEnded = true
      wake()
      ended.resolve()
    }
    return {
      remotePublicKey: relay.publicKey,
      closed: ended.promise,
      async send(message) {
        const { id, method } = decodeRequest(message)
        queue.push(...answer(id, method))
        wake()
      },
      async *messages() {
        while (!isEnded) {
          const next = queue.shift()
          if (next !== undefined) yield next
          else {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          }
        }
      },
      close: async () => end(),
      abort: end,
    }
  }

  const receipt = (position: number, hash: Uint8Array, root: Uint8Array, by = relay) =>
    signReceipt(by, { mailbox, sequenceId, position, hash, root })
  const result = (id: number, value: Extract<FromRelay, { kind: "result" }>["value"]["result"]) =>
    encodeFromRelay({ kind: "result", value: { id, result: value } })

  const root0 = firstRoot(mailbox, sequenceId)
  const opened = (id: number) =>
    result(id, { kind: "opened", value: { handle: 1, sequenceId, next: 1, root: root0 } })
  const connect = (channel: RelayChannel) =>
    connectRelay(channel, { clock, dialerKey: new Uint8Array(32) })
  const input = {
    capability: signCapability({
      mailboxKey,
      right: "append",
      holder: holder.publicKey,
      notAfter: capabilityEnd(clock.now()),
      serial: new Uint8Array(16),
    }),
    mailbox: mailboxKey.publicKey,
    holder,
  }
  const span = newSpan(random)
  const hash = spanHash(span)
  const root1 = nextRoot(root0, 1, hash)

  it("[L82] is not believed a receipt that is another's, for another item, or on another root", async () => {
    const other = generateSigningKey(random)
    const elsewhere = { mailbox, sequenceId: random.bytes(16), position: 1, hash, root: root1 }
    const foreign = random.bytes(32)
    const wrong = [
      ["RELAY_PROTOCOL", receipt(1, hash, root1, other)],
      ["RELAY_PROTOCOL", signReceipt(relay, elsewhere)],
      ["RELAY_PROTOCOL", receipt(1, foreign, nextRoot(root0, 1, foreign))],
      ["RELAY_PROTOCOL", random.bytes(100)],
      ["RELAY_EQUIVOCATION", receipt(1, hash, random.bytes(32))],
    ] as const
    for (const [expected, bad] of wrong) {
      const client = await connect(
        scripted((id, method) =>
          method.kind === "open" ? [opened(id)] : [result(id, { kind: "receipt", value: bad })],
        ),
      )
      const box = await client.open(input)
      await expect(box.append(span)).rejects.toEqual(code(expected))
      await client.closed
      await expect(box.append(span)).rejects.toEqual(code(expected))
    }
  })

  it("[L83] is shown with both receipts when it signs two items at one position", () => {
    const trail = createReceiptTrail({ relay: relay.publicKey, mailbox, sequenceId })
    const one = receipt(5, hash, root1)
    const two = receipt(5, random.bytes(32), random.bytes(32))
    trail.note(one)
    trail.note(one)
    expect(() => trail.note(two)).toThrow(
      expect.objectContaining({ code: "RELAY_EQUIVOCATION", proofs: [one, two] }),
    )
  })

  it("[L84] is shown when a root does not follow, forwards, backwards or over a gap", () => {
    const next = receipt(2, hash, nextRoot(root1, 2, hash))
    const broken = receipt(2, hash, random.bytes(32))
    const first = receipt(1, hash, root1)
    for (const [a, b] of [
      [first, broken],
      [broken, first],
    ] as const) {
      const trail = createReceiptTrail({ relay: relay.publicKey, mailbox, sequenceId })
      trail.note(a)
      expect(() => trail.note(b)).toThrow(code("RELAY_EQUIVOCATION"))
    }
    const trail = createReceiptTrail({ relay: relay.publicKey, mailbox, sequenceId })
    trail.skip(1, hash)
    trail.note(next)
    const gap = createReceiptTrail({ relay: relay.publicKey, mailbox, sequenceId })
    gap.skip(1, random.bytes(32))
    expect(() => gap.note(next)).toThrow(code("RELAY_EQUIVOCATION"))
  })

  /** A line of items, each with its receipt. */
  function line(count: number) {
    let root = root0
    return Array.from({ length: count }, (_, i) => {
      const position = i + 1
      const bytes = newSpan(random)
      const hash = spanHash(bytes)
      root = nextRoot(root, position, hash)
      return { position, bytes, hash, receipt: receipt(position, hash, root) }
    })
  }

  type Page = Extract<Parameters<typeof result>[1], { kind: "page" }>["value"]

  /** Holds a receipt against a relay that gives such pages, from a position on. */
  async function held(theirs: Uint8Array, pageFrom: (from: number) => Partial<Page>) {
    const client = await connect(
      scripted((id, method) => {
        if (method.kind === "open") return [opened(id)]
        if (method.kind !== "read") throw new TypeError("nothing else is asked")
        const page = pageFrom(method.value.from)
        const whole = { items: [], skipped: [], next: 1, end: 1, sequenceId, ...page }
        return [result(id, { kind: "page", value: whole })]
      }),
    )
    return (await client.open(input)).hold(theirs)
  }

  it("[L89] is found to keep back the newest, whatever it says that its end is", async () => {
    const [, theirs] = line(2)
    if (theirs === undefined) throw new TypeError("two items")
    for (const end of [1, 2, 3]) {
      const page = (from: number) => ({ next: Math.max(from, end), end })
      expect(await held(theirs.receipt, page)).toMatchObject({ kind: "contradicts" })
    }
    // Further items may be there: then it was replaced, and forgotten since.
    const page = (from: number) => ({ next: Math.max(from, 4), end: 4 })
    expect(await held(theirs.receipt, page)).toEqual({ kind: "unknown" })
  })

  it("[L89] is found to have another item there that is said to be gone", async () => {
    const [theirs, next] = line(2)
    const [other, otherNext] = line(2)
    if (!theirs || !next || !other || !otherNext) throw new TypeError("two items")
    const gone = { skipped: [{ position: 1, hash: other.hash }], next: 3, end: 3 }
    expect(await held(theirs.receipt, () => ({ ...gone, items: [otherNext] }))).toEqual({
      kind: "contradicts",
      proofs: [theirs.receipt, otherNext.receipt],
    })
    const same = { skipped: [{ position: 1, hash: theirs.hash }], next: 3, end: 3, items: [next] }
    expect(await held(theirs.receipt, () => same)).toEqual({ kind: "fits" })
  })

  it("[L89] is found to have another line, however many items are gone between", async () => {
    const [theirs] = line(1)
    const fork = line(700)
    if (theirs === undefined) throw new TypeError("an item")
    const page = (from: number) => {
      const rest = fork.filter(({ position }) => position > 1 && position >= from)
      const gone = rest.filter(({ position }) => position < 700).slice(0, 512)
      const items = gone.length < 512 ? rest.slice(gone.length) : []
      const next = (items.at(-1) ?? gone.at(-1))?.position ?? from
      return {
        skipped: gone.map(({ position, hash }) => ({ position, hash })),
        items: items.map(({ position, bytes, receipt }) => ({ position, bytes, receipt })),
        next: next + 1,
        end: 701,
      }
    }
    expect(await held(theirs.receipt, page)).toMatchObject({ kind: "contradicts" })
  })

  it("[L85] that answers nonsense, another question or nothing asked is left", async () => {
    const nonsense: ((id: number) => Uint8Array)[] = [
      () => random.bytes(30),
      (id) => result(id, { kind: "done", value: {} }),
      (id) => result(id + 7, { kind: "done", value: {} }),
      (id) => encodeFromRelay({ kind: "error", value: { id, code: "MADE_UP" } }),
      () =>
        encodeFromRelay({ kind: "challenge", value: { version: 1, nonce: new Uint8Array(32) } }),
    ]
    for (const answer of nonsense) {
      const client = await connect(scripted((id) => [answer(id)]))
      await expect(client.open(input)).rejects.toEqual(code("RELAY_PROTOCOL"))
    }
  })

  it("[L86] that is silent, of another version or no relay is given up in bounded time", async () => {
    const silent = connect(scripted(() => [], []))
    const refused = expect(silent).rejects.toEqual(code("RELAY_TIMEOUT"))
    await clock.advance(10_000)
    await refused
    const value = { version: 2, nonce: new Uint8Array(32) }
    await expect(
      connect(scripted(() => [], [encodeFromRelay({ kind: "challenge", value })])),
    ).rejects.toEqual(code("RELAY_VERSION"))
    await expect(connect(scripted(() => [], [new Uint8Array(4)]))).rejects.toEqual(
      code("RELAY_PROTOCOL"),
    )
    const mute = await connect(scripted(() => []))
    const asked = expect(mute.open(input)).rejects.toEqual(code("RELAY_TIMEOUT"))
    await clock.advance(30_000)
    await asked
    await expect(mute.pinned(mailbox)).rejects.toEqual(code("RELAY_TIMEOUT"))
  })

  it("[L87] cannot make a client hold more requests than it may", async () => {
    const client = await connect(scripted(() => []))
    const asked = Array.from({ length: 17_000 }, () => client.pinned(mailbox))
    const outcomes = Promise.allSettled(asked)
    await client.close()
    const codes = (await outcomes).map((one) => one.status === "rejected" && one.reason.code)
    expect(codes.filter((one) => one === "RELAY_BUSY")).toHaveLength(17_000 - 16_384 - 64)
    expect(codes.filter((one) => one === "RELAY_CLOSED")).toHaveLength(16_384 + 64)
  })

  it("keeps receipts' bytes as they are", () => {
    const key = signingKeyFromSeed(new Uint8Array(32).fill(1))
    const fixed = signReceipt(key, {
      mailbox: mailboxName(new Uint8Array(32)),
      sequenceId: new Uint8Array(16),
      position: 7,
      hash: new Uint8Array(32).fill(2),
      root: new Uint8Array(32).fill(3),
    })
    expect(verifyReceipt(fixed, key.publicKey)).toMatchObject({ position: 7 })
    expect(Buffer.from(sha256(fixed)).toString("hex")).toMatchInlineSnapshot(
      `"d62498a0314724f4358f1cea4bee92878426822105a0fd6e1f723b151ae04ef0"`,
    )
  })
})
