import { seededRandom } from "@fulcrum/crypto/random"
import { expect, test } from "vitest"
import type { Channel, NetError } from "../src/contract.ts"
import { type LinkQuality, MemoryNetwork } from "../src/memory.ts"
import { virtualClock } from "./virtual-clock.ts"

const ECHO = "/echo/1"
const never = { signal: new AbortController().signal }
const code = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => "done",
    (error: NetError) => error.code,
  )

async function world(seed: string, quality: Partial<LinkQuality> = {}) {
  const clock = virtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(seed), quality })
  const [phone, laptop] = await Promise.all(
    ["phone", "laptop"].map((name) => network.machine(name).host()),
  )
  if (!phone || !laptop) throw new Error("two hosts")
  const [at = ""] = await laptop.listen(["/memory/0"])
  const accepted: Channel[] = []
  laptop.handle(ECHO, (channel) => {
    accepted.push(channel)
    echo(channel).catch(() => undefined)
  })
  const ask = async (channel: Channel, byte: number): Promise<number> => {
    await channel.send(Uint8Array.of(byte))
    for await (const message of channel.messages()) return message[0] ?? -1
    return -1
  }
  return { clock, network, phone, laptop, at, accepted, ask }
}

async function echo(channel: Channel): Promise<void> {
  for await (const message of channel.messages()) await channel.send(message)
}

test("[N30] the same seed gives the same run, in virtual time", async () => {
  const run = async (seed: string): Promise<unknown> => {
    const { clock, phone, at, ask } = await world(seed, { latencyMs: [5, 80], breakChance: 0.02 })
    const log: unknown[] = [phone.id]
    const work = async (): Promise<void> => {
      for (let turn = 0; turn < 10; turn++) {
        const channel = await phone.dial(at, ECHO, never)
        try {
          for (let byte = 0; byte < 10; byte++) log.push([await ask(channel, byte), clock.now()])
        } catch {
          log.push(["broke", clock.now()])
        }
        await channel.close()
      }
    }
    await clock.run(work())
    return log
  }
  const first = await run("one")
  expect(await run("one")).toEqual(first)
  expect(await run("two")).not.toEqual(first)
  expect(JSON.stringify(first)).toContain("broke")
})

test("[N30] latency is the clock's, one way", async () => {
  const { clock, phone, at, ask } = await world("latency", { latencyMs: [50, 50] })
  const channel = await clock.run(phone.dial(at, ECHO, never))
  expect(clock.now()).toBe(100)
  expect(channel && (await clock.run(ask(channel, 7)))).toBe(7)
  expect(clock.now()).toBe(200)
})

test("[N31] a partition holds messages back, and they come in order when it heals", async () => {
  const { clock, network, phone, laptop, at, ask } = await world("partition")
  const channel = await phone.dial(at, ECHO, never)
  network.partition([["phone"], ["laptop", "tablet"]])
  const asked = ask(channel, 9)
  const aborted = new AbortController()
  const dial = code(phone.dial(at, ECHO, { signal: aborted.signal }))
  expect(await clock.run(asked)).toBeUndefined()
  aborted.abort()
  expect(await dial).toBe("NET_TIMEOUT")
  const tablet = await network.machine("tablet").host()
  expect(await code(tablet.dial(at, ECHO, never))).toBe("done")
  network.heal()
  expect(await asked).toBe(9)
  await laptop.close()
})

test("[N31] closing into a partition ends after a while", async () => {
  const { clock, network, phone, at } = await world("silent")
  const channel = await phone.dial(at, ECHO, never)
  network.partition([["phone"], ["laptop"]])
  await clock.run(channel.close())
  await channel.closed
  expect(clock.now()).toBeGreaterThan(0)
})

test("[N31] a cut breaks what runs and refuses what comes, until it heals", async () => {
  const { network, phone, at, accepted, ask } = await world("cut")
  const channel = await phone.dial(at, ECHO, never)
  const asked = code(ask(channel, 1))
  network.cut("phone", "laptop")
  expect(await asked).toBe("NET_CLOSED")
  await accepted[0]?.closed
  expect(await code(phone.dial(at, ECHO, never))).toBe("NET_UNREACHABLE")
  network.heal("phone", "laptop")
  expect(await ask(await phone.dial(at, ECHO, never), 2)).toBe(2)
})

test("[N31] only the connections that are meant break", async () => {
  const { network, phone, at, ask } = await world("breaks")
  const tablet = await network.machine("tablet").host()
  const [first, second] = [await phone.dial(at, ECHO, never), await tablet.dial(at, ECHO, never)]
  network.breakConnections("phone", "laptop")
  expect(await code(first.send(Uint8Array.of(1)))).toBe("NET_CLOSED")
  expect(await ask(second, 3)).toBe(3)
  network.breakConnections("tablet")
  expect(await code(second.send(Uint8Array.of(1)))).toBe("NET_CLOSED")
})

test("[N31] a machine that crashes breaks its connections and frees its address", async () => {
  const { network, phone, laptop, at, ask } = await world("crash")
  const channel = await phone.dial(at, ECHO, never)
  const reading = code(ask(channel, 5).then(() => ask(channel, 6)))
  network.crash("laptop")
  expect(await reading).toBe("NET_CLOSED")
  expect(await code(phone.dial(at, ECHO, never))).toBe("NET_UNREACHABLE")
  expect(await code(laptop.listen(["/memory/0"]))).toBe("NET_CLOSED")
  const again = await network.machine("laptop").host()
  again.handle(ECHO, (accepted) => void echo(accepted))
  expect(await again.listen([at.replace(/\/p2p\/.*/, "")])).toHaveLength(1)
  expect(await code(phone.dial(at, ECHO, never))).toBe("NET_PEER_MISMATCH")
})
