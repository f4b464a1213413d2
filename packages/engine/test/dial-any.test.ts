/** One of several addresses answers: the first that does is spoken to, and nothing is left of the others. */

import { seededRandom } from "@fulcrum/crypto/random"
import { type Channel, type Host, NetError } from "@fulcrum/net/contract"
import { MemoryNetwork } from "@fulcrum/net/memory"
import { expect, test } from "vitest"
import { dialAny, NEXT_ADDRESS_MS } from "../src/devices/dial-any.ts"
import { testClock } from "./vendor-clock.ts"

const PROTOCOL = "/test/1"

/** How an address behaves: after so long it answers, or says no; or nothing is ever heard. */
type Behaviour = { readonly afterMs: number; readonly answers: boolean } | "silent"

async function world(behaviours: Readonly<Record<string, Behaviour>>) {
  const clock = testClock(0)
  const network = new MemoryNetwork({ clock, random: seededRandom("dial any") })
  const server = await network.host()
  const dialer = await network.host()
  const open = new Set<Channel>()
  server.handle(PROTOCOL, async (channel) => {
    open.add(channel)
    await channel.closed
    open.delete(channel)
  })
  const [real = ""] = await server.listen(["/memory/server"])
  const dialed: { readonly address: string; readonly atMs: number }[] = []
  const cut: string[] = []
  const host: Pick<Host, "dial"> = {
    async dial(address, protocol, { signal }) {
      dialed.push({ address, atMs: clock.now() })
      const behaviour = behaviours[address] ?? "silent"
      const ms = behaviour === "silent" ? 1e9 : behaviour.afterMs
      await clock.sleep(ms, signal).catch(() => {
        cut.push(address)
        throw new NetError("NET_TIMEOUT", "cut")
      })
      if (behaviour !== "silent" && behaviour.answers)
        return dialer.dial(real, protocol, { signal })
      throw new NetError("NET_UNREACHABLE", address)
    },
  }
  const stop = new AbortController()
  const begin = (addresses: Iterable<string> | AsyncIterable<string>) =>
    dialAny({ ...dialer, ...host }, addresses, PROTOCOL, { clock, signal: stop.signal })
  const dial = (addresses: Iterable<string> | AsyncIterable<string>) =>
    clock.during(begin(addresses))
  return { clock, begin, dial, dialed, cut, open, stop }
}

test("[P51] whoever answers at once is the only one that is asked", async () => {
  const { dial, dialed } = await world({ a: { afterMs: 10, answers: true } })
  expect(await dial(["a", "b"])).toMatchObject({ address: "a" })
  expect(dialed).toEqual([{ address: "a", atMs: 0 }])
})

test("[P51] after a silent address the next is tried a moment later, and the silent one is given up", async () => {
  const { dial, dialed, cut } = await world({ b: { afterMs: 10, answers: true } })
  expect(await dial(["a", "b"])).toMatchObject({ address: "b" })
  expect(dialed.map(({ atMs }) => atMs)).toEqual([0, NEXT_ADDRESS_MS])
  expect(cut).toEqual(["a"])
})

test("[P51] after one that refuses, at once; if none answers, its error is told", async () => {
  const { dial, dialed } = await world({
    a: { afterMs: 5, answers: false },
    b: { afterMs: 5, answers: false },
  })
  await expect(dial(["a", "b"])).rejects.toMatchObject({ message: "b" })
  expect(dialed.map(({ atMs }) => atMs)).toEqual([0, 5])
})

test("[P51] of two that answer the later is let go of, and the first is kept", async () => {
  const { dial, open, clock, cut } = await world({
    a: { afterMs: NEXT_ADDRESS_MS + 20, answers: true },
    b: { afterMs: 20, answers: true },
  })
  const { channel } = await dial(["a", "b"])
  await clock.advance(1000)
  expect(open.size).toBe(1)
  expect(cut.length + 1).toBe(2)
  await channel.close()
})

test("[P51] addresses that are found one after another are tried as they come", async () => {
  const { dial, clock } = await world({ b: { afterMs: 10, answers: true } })
  async function* found() {
    yield "a"
    await clock.sleep(3000)
    yield "b"
    await clock.sleep(1e9)
  }
  expect(await dial(found())).toMatchObject({ address: "b" })
  expect(clock.now()).toBe(NEXT_ADDRESS_MS + 3010)
})

test("[P51] its signal ends all of it", async () => {
  const { begin, clock, stop, cut } = await world({})
  const ended = expect(begin(["a", "b"])).rejects.toMatchObject({ code: "NET_TIMEOUT" })
  await clock.advance(1000)
  stop.abort()
  await ended
  expect(cut.toSorted()).toEqual(["a", "b"])
})
