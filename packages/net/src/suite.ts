/**
 * The transport contract's one suite, for any runner: each case resolves, or throws what is wrong.
 *
 * The rules it holds are numbered in `SPEC.md`.
 *
 * @module
 */

import { bytesToUtf8, compareBytes, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { type Channel, type Host, MESSAGE_BYTES_MAX, NetError, type Network } from "./contract.ts"
import { publicKeyToPeerId } from "./peer-id.ts"

export interface NetAdapter {
  readonly network: Network
  /** Where a host can listen, at a free port of its own. */
  readonly address: string
  /** Where nobody listens. */
  readonly nowhere: string
  readonly clock: Clock
}

export interface NetCase {
  /** `[N1] …` */
  readonly name: string
  readonly run: () => Promise<void>
}

const PROTOCOL = "/fulcrum-suite/1"
const KEY = new Uint8Array(32).fill(7)
/** What a sender can be ahead of a reader that does not read, at the very most. */
const AHEAD_BYTES_MAX = 16 * 1024 * 1024

export function netContract(adapter: NetAdapter): readonly NetCase[] {
  return CASES.map(([name, run]) => ({
    name,
    run: async () => {
      const pair = await openPair(adapter)
      try {
        await run(pair)
      } finally {
        await Promise.all([pair.alice.close(), pair.bob.close()])
      }
    },
  }))
}

interface Pair {
  readonly adapter: NetAdapter
  readonly alice: Host
  readonly bob: Host
  /** Where Bob listens. */
  readonly at: string
  /** Opens a channel from Alice to Bob and gives both ends. */
  readonly connect: () => Promise<readonly [mine: Channel, theirs: Channel]>
}

async function openPair(adapter: NetAdapter): Promise<Pair> {
  const alice = await adapter.network.host()
  const bob = await adapter.network.host({ key: KEY })
  const [at = ""] = await bob.listen([adapter.address])
  const accepted: Channel[] = []
  const waiting: ((channel: Channel) => void)[] = []
  bob.handle(PROTOCOL, (channel) => {
    const next = waiting.shift()
    if (next) next(channel)
    else accepted.push(channel)
  })
  const accept = (): Channel | Promise<Channel> =>
    accepted.shift() ?? new Promise((resolve) => waiting.push(resolve))
  const connect = async (): Promise<readonly [Channel, Channel]> => {
    const mine = await alice.dial(at, PROTOCOL, { signal: never() })
    return [mine, await accept()]
  }
  return { adapter, alice, bob, at, connect }
}

const CASES: readonly (readonly [name: string, run: (pair: Pair) => Promise<void>])[] = [
  [
    "[N1] messages arrive whole and in order, from empty to the largest",
    async ({ connect }) => {
      const [mine, theirs] = await connect()
      const sizes = [0, 1, 3, 0, 1_000, 65_535, 65_536, 300_000, MESSAGE_BYTES_MAX, 5]
      const sent = sizes.map((size, at) => pattern(size, at))
      const received = collect(theirs, sizes.length)
      for (const message of sent) await mine.send(message)
      const got = await received
      check(got.length === sent.length, "as many as were sent")
      for (const [at, message] of sent.entries()) {
        check(equalBytes(message, got[at] ?? new Uint8Array(9)), `message ${at} is as it was sent`)
      }
    },
  ],
  [
    "[N2] messages sent without waiting, both ways at once, keep their order",
    async ({ connect }) => {
      const [mine, theirs] = await connect()
      const count = 2_000
      const talk = async (channel: Channel): Promise<void> => {
        const sends: Promise<void>[] = []
        for (let at = 0; at < count; at++) sends.push(channel.send(utf8ToBytes(`message ${at}`)))
        await Promise.all(sends)
      }
      const both = [mine, theirs].map(async (channel) => {
        const texts = (await collect(channel, count)).map(bytesToUtf8)
        for (const [at, text] of texts.entries())
          check(text === `message ${at}`, "the order is kept")
        check(texts.length === count, "none is missing")
      })
      await Promise.all([...both, talk(mine), talk(theirs)])
    },
  ],
  [
    "[N3] both ends know each other's proven key and the address names it",
    async ({ alice, bob, at, connect, adapter }) => {
      const [mine, theirs] = await connect()
      check(equalBytes(mine.remotePublicKey, bob.publicKey), "the dialer knows the listener's key")
      check(equalBytes(theirs.remotePublicKey, alice.publicKey), "and the listener the dialer's")
      check(mine.remoteId === bob.id && mine.localId === alice.id, "ids at the dialer")
      check(theirs.remoteId === alice.id && theirs.localId === bob.id, "ids at the listener")
      check(mine.outbound && !theirs.outbound, "who dialed")
      check(at.endsWith(`/p2p/${bob.id}`), "the address ends in the id")
      check(publicKeyToPeerId(bob.publicKey) === bob.id, "the id is the key's")
      const again = await adapter.network.host({ key: KEY })
      check(again.id === bob.id, "one key, one id")
      const other = await adapter.network.host()
      check(compareBytes(other.publicKey, alice.publicKey) !== 0, "throw-away keys differ")
      await Promise.all([again.close(), other.close()])
    },
  ],
  [
    "[N4] a message above the cap is refused, and the channel goes on",
    async ({ connect }) => {
      const [mine, theirs] = await connect()
      const tooLarge = new Uint8Array(MESSAGE_BYTES_MAX + 1)
      await fails("NET_MESSAGE_TOO_LARGE", mine.send(tooLarge))
      const [got] = await Promise.all([collect(theirs, 1), mine.send(utf8ToBytes("still here"))])
      check(got[0] !== undefined && bytesToUtf8(got[0]) === "still here", "the next one arrives")
    },
  ],
  [
    "[N5] an address that names another peer is not spoken to",
    async ({ alice, at }) => {
      const other = at.replace(/[^/]+$/, publicKeyToPeerId(new Uint8Array(32).fill(3)))
      await fails("NET_PEER_MISMATCH", alice.dial(other, PROTOCOL, { signal: never() }))
    },
  ],
  [
    "[N6] nobody there, an unknown protocol and a bad address are told apart",
    async ({ alice, at, adapter }) => {
      const signal = never()
      await fails("NET_UNREACHABLE", alice.dial(adapter.nowhere, PROTOCOL, { signal }))
      await fails("NET_REFUSED", alice.dial(at, "/fulcrum-other/1", { signal }))
      for (const bad of ["", "127.0.0.1:80", "/ip4/127.0.0.1", "/ip4/300.1.1.1/tcp/1", `${at}x`]) {
        await fails("NET_ADDRESS_INVALID", alice.dial(bad, PROTOCOL, { signal }))
        await fails("NET_ADDRESS_INVALID", alice.listen([bad]))
      }
    },
  ],
  [
    "[N7] a dial ends when its signal says so",
    async ({ alice, at }) => {
      await fails("NET_TIMEOUT", alice.dial(at, PROTOCOL, { signal: AbortSignal.abort() }))
      const soon = new AbortController()
      const dial = alice.dial(at, PROTOCOL, { signal: soon.signal })
      soon.abort()
      await fails("NET_TIMEOUT", dial)
    },
  ],
  [
    "[N8] a taken address says so, and then nothing listens",
    async ({ alice, at, adapter }) => {
      const taken = at.replace(/\/p2p\/.*$/, "")
      await fails("NET_ADDRESS_IN_USE", alice.listen([adapter.address, taken]))
      const [own = ""] = await alice.listen([adapter.address])
      check(own !== at && own.endsWith(alice.id), "a free one still can be had")
    },
  ],
  [
    "[N9] closing hands over what was sent, then both ends end",
    async ({ connect }) => {
      for (const dialerCloses of [true, false]) {
        const [mine, theirs] = await connect()
        const [first, second] = dialerCloses ? [mine, theirs] : [theirs, mine]
        const sent = [pattern(10, 1), pattern(500_000, 2), pattern(20, 3)]
        const received = collect(second, Number.POSITIVE_INFINITY)
        const unread = collect(first, Number.POSITIVE_INFINITY)
        for (const message of sent) await first.send(message)
        await first.close()
        const got = await received
        check(got.length === sent.length, "all was handed over")
        check(
          got.every((message, at) => equalBytes(message, sent[at] ?? message)),
          "as it was",
        )
        check((await unread).length === 0, "the closing side ends too")
        await Promise.all([first.closed, second.closed])
        await fails("NET_CLOSED", first.send(pattern(1, 1)))
        await fails("NET_CLOSED", second.send(pattern(1, 1)))
        await first.close()
        await second.close()
      }
    },
  ],
  [
    "[N10] an abort fails both ends",
    async ({ connect }) => {
      const [mine, theirs] = await connect()
      const here = collect(mine, 1)
      const there = collect(theirs, 1)
      mine.abort(new Error("enough"))
      await Promise.all([fails("NET_CLOSED", here), fails("NET_CLOSED", there)])
      await Promise.all([mine.closed, theirs.closed])
      await fails("NET_CLOSED", theirs.send(pattern(1, 1)))
    },
  ],
  [
    "[N11] a sender waits for a reader that does not read, and nothing is lost",
    async ({ connect, adapter }) => {
      const [mine, theirs] = await connect()
      const size = 100_000
      const count = 400
      let accepted = 0
      const sending = (async () => {
        for (let at = 0; at < count; at++) {
          await mine.send(pattern(size, at))
          accepted++
        }
      })()
      // Until nothing more is taken.
      for (let before = -1; before !== accepted; ) {
        before = accepted
        await adapter.clock.sleep(100)
      }
      check(accepted > 0 && accepted * size < AHEAD_BYTES_MAX, `${accepted} went ahead`)
      const got = await collect(theirs, count)
      await sending
      check(
        got.every((message, at) => equalBytes(message, pattern(size, at))),
        "all is there",
      )
    },
  ],
  [
    "[N11] a reader that is slower than its sender loses nothing, for as long as that lasts",
    async ({ connect, adapter }) => {
      const [mine, theirs] = await connect()
      const [size, count] = [250_000, 160]
      const message = pattern(size, 1)
      const sending = (async () => {
        for (let at = 0; at < count; at++) await mine.send(message)
      })()
      let got = 0
      for await (const each of theirs.messages()) {
        check(each.length === size, "a whole message")
        if (++got === count) break
        await adapter.clock.sleep(2)
      }
      await sending
    },
  ],
  [
    "[N12] each dial has a connection of its own",
    async ({ connect }) => {
      const pairs = await Promise.all([connect(), connect(), connect()])
      const mine = pairs.map(([channel]) => channel)
      const echo = async (channel: Channel): Promise<void> => {
        for await (const message of channel.messages()) await channel.send(message)
      }
      const echoes = Promise.allSettled(pairs.map(([, channel]) => echo(channel)))
      const [first, ...others] = mine
      first?.abort(new Error("one of three"))
      for (const channel of others) {
        const [got] = await Promise.all([collect(channel, 1), channel.send(pattern(4, 4))])
        check(got.length === 1, "the others go on")
      }
      await Promise.all(others.map((channel) => channel.close()))
      const outcomes = (await echoes).map(({ status }) => status)
      check(outcomes.filter((status) => status === "rejected").length === 1, "one failed")
    },
  ],
  [
    "[N13] a hundred channels one after the other leave nothing in the way",
    async ({ connect }) => {
      for (let at = 0; at < 100; at++) {
        const [mine, theirs] = await connect()
        const [got] = await Promise.all([collect(theirs, 1), mine.send(pattern(100, at))])
        check(equalBytes(got[0] ?? new Uint8Array(0), pattern(100, at)), "it arrives")
        await (at % 2 === 0 ? mine : theirs).close()
      }
    },
  ],
  [
    "[N14] a host that closes ends its channels, and dials and listens no more",
    async ({ alice, bob, at, connect, adapter }) => {
      const [, theirs] = await connect()
      const ended = collect(theirs, 1).catch((error: unknown) => error)
      const begun = adapter.clock.now()
      await alice.close()
      check(adapter.clock.now() - begun < 1_000, "within a second")
      await ended
      await theirs.closed
      await fails("NET_CLOSED", alice.dial(at, PROTOCOL, { signal: never() }))
      await fails("NET_CLOSED", alice.listen([adapter.address]))
      await alice.close()
      await bob.close()
      const late = await adapter.network.host()
      await fails("NET_UNREACHABLE", late.dial(at, PROTOCOL, { signal: never() }))
      await late.close()
    },
  ],
  [
    "[N15] a loop that was left can be taken up again, by one reader at a time",
    async ({ connect }) => {
      const [mine, theirs] = await connect()
      for (let at = 0; at < 5; at++) await mine.send(pattern(10, at))
      check((await collect(theirs, 2)).length === 2, "two")
      const rest = collect(theirs, 3)
      let error: unknown
      await collect(theirs, 1).catch((reason: unknown) => {
        error = reason
      })
      check(error instanceof RangeError, "a second reader is a mistake")
      check(equalBytes((await rest)[2] ?? new Uint8Array(0), pattern(10, 4)), "and the rest")
    },
  ],
  [
    "[N17] a handler that ends with the channel's own failure harms nothing",
    async ({ alice, bob, at, connect }) => {
      const failing = Promise.withResolvers<Channel>()
      bob.handle("/fulcrum-suite-failing/1", async (channel) => {
        failing.resolve(channel)
        for await (const message of channel.messages()) await channel.send(message)
      })
      const mine = await alice.dial(at, "/fulcrum-suite-failing/1", { signal: never() })
      mine.abort(new Error("gone"))
      await (await failing.promise).closed
      const [again, theirs] = await connect()
      await Promise.all([collect(theirs, 1), again.send(pattern(1, 1))])
    },
  ],
  [
    "[N18] a channel beside another shares its connection, whichever side opens it, and ends with it",
    async ({ alice, bob, connect }) => {
      const protocol = "/fulcrum-suite-beside/1"
      let accepted = Promise.withResolvers<Channel>()
      for (const host of [alice, bob]) host.handle(protocol, (channel) => accepted.resolve(channel))
      const [mine, theirs] = await connect()
      for (const [from, to] of [
        [mine, theirs],
        [theirs, mine],
      ] as const) {
        accepted = Promise.withResolvers<Channel>()
        const beside = await from.beside(protocol, { signal: never() })
        const other = await accepted.promise
        check(beside.outbound && !other.outbound, "who opened it")
        check(other.remoteId === to.remoteId, "it is the peer that is known from the other channel")
        const [got] = await Promise.all([collect(other, 1), beside.send(pattern(70_000, 1))])
        check(equalBytes(got[0] ?? new Uint8Array(0), pattern(70_000, 1)), "it carries messages")
        await Promise.all([beside.close(), other.closed])
        const [still] = await Promise.all([collect(to, 1), from.send(pattern(3, 2))])
        check(still.length === 1, "the first channel goes on when it closes")
      }
      await fails("NET_REFUSED", mine.beside("/fulcrum-suite-unknown/1", { signal: never() }))
      accepted = Promise.withResolvers<Channel>()
      const last = await theirs.beside(protocol, { signal: never() })
      const other = await accepted.promise
      await mine.close()
      await Promise.all([last.closed, other.closed])
      await fails("NET_CLOSED", mine.beside(protocol, { signal: never() }))
    },
  ],
  [
    "[N16] a message may be reused once it was sent",
    async ({ connect }) => {
      const [mine, theirs] = await connect()
      const message = new Uint8Array(70_000)
      const received = collect(theirs, 20)
      for (let at = 0; at < 20; at++) {
        message.fill(at)
        await mine.send(message)
      }
      const got = await received
      check(
        got.every((each, at) => each.every((byte) => byte === at)),
        "each as it was then",
      )
    },
  ],
]

function pattern(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + seed * 17 + (at >> 8)) & 0xff
  return bytes
}

async function collect(channel: Channel, count: number): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = []
  for await (const message of channel.messages()) {
    messages.push(message)
    if (messages.length >= count) break
  }
  return messages
}

function never(): AbortSignal {
  return new AbortController().signal
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not so: ${what}`)
}

async function fails(code: NetError["code"], act: Promise<unknown>): Promise<void> {
  const outcome = await act.then(
    () => "nothing",
    (error: unknown) => error,
  )
  const found = outcome instanceof NetError ? outcome.code : String(outcome)
  if (found !== code) throw new Error(`${code} expected, and ${found} came`, { cause: outcome })
}
