import { getEventListeners, once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { concatBytes } from "@fulcrum/codec/bytes"
import type { Connection } from "@libp2p/interface"
import { afterEach, expect, test, vi } from "vitest"
import { addressParts } from "../src/address.ts"
import { type Channel, type Host, MESSAGE_BYTES_MAX, type NetError } from "../src/contract.ts"
import { frameHeader } from "../src/frame.ts"
import { libp2pNetwork } from "../src/libp2p.ts"
import { FrameGuard } from "../src/libp2p-limits.ts"
import { type HostilePeer, hostilePeer } from "./hostile-peer.ts"

const TCP = "/ip4/127.0.0.1/tcp/0"
const WS = "/ip4/127.0.0.1/tcp/0/ws"
const ECHO = "/echo/1"
const DEAF = "/deaf/1"
const network = libp2pNetwork()
const deep = { signal: new AbortController().signal }
const ends: (() => unknown)[] = []

afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()))
})

interface Honest {
  readonly host: Host
  readonly tcp: string
  readonly ws: string
  readonly failures: unknown[]
  readonly accepted: Channel[]
}

async function honestHost(): Promise<Honest> {
  const host = await network.host()
  ends.push(() => host.close())
  const [tcp = "", ws = ""] = await host.listen([TCP, WS])
  const failures: unknown[] = []
  const accepted: Channel[] = []
  const echo = async (channel: Channel): Promise<void> => {
    for await (const message of channel.messages()) await channel.send(message)
  }
  host.handle(ECHO, (channel) => {
    accepted.push(channel)
    echo(channel).catch((error: unknown) => failures.push(error))
  })
  host.handle(DEAF, (channel) => accepted.push(channel))
  return { host, tcp, ws, failures, accepted }
}

async function askEcho(address: string): Promise<number> {
  const begun = performance.now()
  const host = await network.host()
  ends.push(() => host.close())
  const channel = await host.dial(address, ECHO, deep)
  await channel.send(Uint8Array.of(1, 2, 3))
  for await (const message of channel.messages()) {
    expect(message).toEqual(Uint8Array.of(1, 2, 3))
    break
  }
  const took = performance.now() - begun
  await channel.close()
  return took
}

async function hostile(...options: Parameters<typeof hostilePeer>): Promise<HostilePeer> {
  const peer = await hostilePeer(...options)
  ends.push(() => peer.stop())
  return peer
}

async function rawSocket(address: string): Promise<Socket> {
  const { host, port } = addressParts(address)
  const socket = connect(port, host)
  socket.on("error", () => undefined)
  ends.push(() => socket.destroy())
  await once(socket, "connect")
  return socket
}

async function server(onSocket: (socket: Socket) => void): Promise<[Server, number]> {
  const sockets = new Set<Socket>()
  const made = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => undefined)
    onSocket(socket)
  })
  made.listen(0, "127.0.0.1")
  await once(made, "listening")
  ends.push(() => {
    made.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = made.address()
  return [made, typeof address === "object" && address ? address.port : 0]
}

const filled = (size: number): Uint8Array => new Uint8Array(size).fill(1)

const code = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => "done",
    (error: NetError) => error.code,
  )

test("[N22] among silent and stammering sockets an honest peer is served at once", async () => {
  const honest = await honestHost()
  const closed: Promise<void>[] = []
  for (const address of [honest.tcp, honest.ws]) {
    for (let at = 0; at < 60; at++) {
      const socket = await rawSocket(address)
      if (at % 2 === 0) socket.write("GET / HTTP/1.1\r\nHost: x\r\n")
      closed.push(new Promise((resolve) => socket.resume().once("close", () => resolve())))
    }
    expect(await askEcho(address)).toBeLessThan(1_000)
  }
  await Promise.all(closed)
  for (const address of [honest.tcp, honest.ws]) {
    expect(await askEcho(address)).toBeLessThan(1_000)
  }
})

test("[N22] a burst of dials from one address is served", { retry: 3 }, async () => {
  const honest = await honestHost()
  const times = await Promise.all(Array.from({ length: 40 }, () => askEcho(honest.tcp)))
  expect(times.length).toBe(40)
})

test("[N20] a length above the cap ends its channel, and no other of the same connection", async () => {
  const honest = await honestHost()
  const connection = await (await hostile()).connect(honest.tcp)
  const good = await connection.newStream(ECHO)
  const bad = await connection.newStream(ECHO)
  bad.send(frameHeader(MESSAGE_BYTES_MAX + 1))
  await once(bad, "close")
  expect(honest.failures).toMatchObject([{ code: "NET_MESSAGE_TOO_LARGE" }])
  const answered = once(good, "message")
  good.send(Uint8Array.of(0, 0, 0, 1, 77))
  await answered
  expect(connection.status).toBe("open")
})

test("[N22] at most 32 streams are open on a connection", async () => {
  const honest = await honestHost()
  const connection = await (await hostile()).connect(honest.tcp)
  const opened = Array.from({ length: 40 }, () =>
    connection.newStream(DEAF, { maxOutboundStreams: 100, signal: AbortSignal.timeout(1_000) }),
  )
  const outcomes = await Promise.allSettled(opened)
  expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBeLessThanOrEqual(32)
  expect(honest.accepted.length).toBeLessThanOrEqual(32)
  await askEcho(honest.tcp)
})

test("[N22] whoever never reads is not written to without end", async () => {
  const honest = await honestHost()
  const connection = await (await hostile()).connect(honest.tcp)
  const stream = await connection.newStream(DEAF)
  stream.pause()
  await vi.waitFor(() => expect(honest.accepted.length).toBe(1))
  let taken = 0
  const sending = (async () => {
    for (;;) {
      await honest.accepted[0]?.send(new Uint8Array(100_000))
      taken += 100_000
    }
  })()
  const failed = code(sending)
  await sleep(300)
  expect(taken).toBeGreaterThan(0)
  expect(taken).toBeLessThan(4 * 1024 * 1024)
  stream.abort(new Error("gone"))
  expect(await failed).toBe("NET_CLOSED")
})

test("[N22] a yamux frame that announces gigabytes ends the connection", async () => {
  const honest = await honestHost()
  const header = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff)
  const peer = await hostile("Ed25519", (stream) => stream.send(header))
  let connection: Connection | undefined
  try {
    connection = await peer.connect(honest.tcp)
  } catch (error) {
    expect(error).toBeInstanceOf(Error)
  }
  await vi.waitFor(() => expect(connection?.status ?? "closed").not.toBe("open"))
  await askEcho(honest.tcp)
})

test("[N22] crumbs for a reader that does not read are joined, and stay whole", async () => {
  const honest = await honestHost()
  const connection = await (await hostile()).connect(honest.tcp)
  const stream = await connection.newStream(DEAF)
  const size = 100_000
  // More than is read ahead, then one message in crumbs: they wait in libp2p's own buffers.
  for (let at = 0; at < 12; at++) stream.send(concatBytes([frameHeader(size), filled(size)]))
  await vi.waitFor(() => expect(honest.accepted.length).toBe(1))
  stream.send(frameHeader(20_000))
  for (let at = 0; at < 20_000; at++) stream.send(filled(1))
  await sleep(200)
  const sizes: number[] = []
  for await (const message of honest.accepted[0]?.messages() ?? []) {
    expect(message.every((byte) => byte === 1)).toBe(true)
    sizes.push(message.length)
    if (sizes.length === 13) break
  }
  expect(sizes).toEqual([...new Array<number>(12).fill(size), 20_000])
})

test.for(["secp256k1", "RSA"] as const)("a peer with a key of type %s is refused", async (type) => {
  const honest = await honestHost()
  const peer = await hostile(type)
  const connection = await peer.connect(honest.tcp).catch(() => undefined)
  await vi.waitFor(() => expect(connection?.status ?? "closed").not.toBe("open"))
  expect(honest.accepted).toEqual([])
})

test.for([
  ["with a reset", (socket: Socket) => socket.resetAndDestroy()],
  ["with a clean end of the socket", (socket: Socket) => socket.end()],
] as const)("[N21] a connection that breaks %s is no clean end", async ([, cut]) => {
  const honest = await honestHost()
  const { host: target, port } = addressParts(honest.tcp)
  const carried: Socket[] = []
  const [, proxyPort] = await server((socket) => {
    const onward = connect(port, target)
    onward.on("error", () => undefined)
    carried.push(socket, onward)
    socket.pipe(onward)
    onward.pipe(socket)
  })
  const host = await network.host()
  ends.push(() => host.close())
  const channel = await host.dial(`/ip4/127.0.0.1/tcp/${proxyPort}`, ECHO, deep)
  await channel.send(new Uint8Array(10))
  const reading = (async () => {
    for await (const message of channel.messages()) expect(message.length).toBe(10)
  })()
  await vi.waitFor(() => expect(honest.accepted.length).toBe(1))
  for (const socket of carried) cut(socket)
  expect(await code(reading)).toBe("NET_CLOSED")
  await channel.closed
  await honest.accepted[0]?.closed
  await vi.waitFor(() => expect(honest.failures).toMatchObject([{ code: "NET_CLOSED" }]))
})

test("[N23] a host with silent and deaf peers closes within a second and leaves nothing open", async () => {
  const sockets = (): number =>
    process.getActiveResourcesInfo().filter((name) => /^(?:TCP|Tls|Pipe.*Connect)/i.test(name))
      .length
  const before = sockets()
  const [quiet, port] = await server(() => undefined)
  const listening = await network.host()
  const [tcp = "", ws = ""] = await listening.listen([TCP, WS])
  const accepted: Channel[] = []
  listening.handle(DEAF, (channel) => accepted.push(channel))
  for (const address of [tcp, ws, tcp, ws]) await rawSocket(address)
  const dialing = await network.host()
  const dials = [
    dialing.dial(`/ip4/127.0.0.1/tcp/${port}`, DEAF, deep),
    dialing.dial(`/ip4/127.0.0.1/tcp/${port}/ws`, DEAF, deep),
  ].map(code)
  for (const address of [tcp, ws]) {
    const channel = await dialing.dial(address, DEAF, deep)
    // More than fits: closing cannot hand it over.
    code(channel.send(new Uint8Array(MESSAGE_BYTES_MAX))).catch(() => undefined)
  }
  const peer = await hostilePeer()
  const connection = await peer.connect(tcp)
  const stream = await connection.newStream(DEAF)
  stream.pause()
  await vi.waitFor(() => expect(accepted.length).toBe(3))
  for (const host of [dialing, listening]) {
    const begun = performance.now()
    await host.close()
    expect(performance.now() - begun).toBeLessThan(1_000)
  }
  expect(await Promise.all(dials)).toEqual(["NET_CLOSED", "NET_CLOSED"])
  await Promise.all(accepted.map((channel) => channel.closed))
  await peer.stop()
  quiet.close()
  for (const end of ends.splice(0)) await end()
  await vi.waitFor(() => expect(sockets()).toBeLessThanOrEqual(before), { timeout: 2_000 })
})

test.for(["", "/ws"])(
  "a dial to a server that never answers ends with its signal, at %s",
  async (suffix) => {
    const [quiet, port] = await server((socket) => socket.resume())
    const host = await network.host()
    const dial = host.dial(`/ip4/127.0.0.1/tcp/${port}${suffix}`, ECHO, {
      signal: AbortSignal.timeout(100),
    })
    expect(await code(dial)).toBe("NET_TIMEOUT")
    const count = (): Promise<number> =>
      new Promise((resolve, reject) => {
        quiet.getConnections((error, open) => (error ? reject(error) : resolve(open)))
      })
    await vi.waitFor(async () => expect(await count()).toBe(0))
    await host.close()
  },
)

test("[N23] a dial leaves nothing on its signal", async () => {
  const honest = await honestHost()
  const host = await network.host()
  const { signal } = new AbortController()
  for (const protocol of [ECHO, "/unknown/1"]) {
    const channel = await host.dial(honest.tcp, protocol, { signal }).catch(() => undefined)
    await channel?.close()
    expect(getEventListeners(signal, "abort")).toEqual([])
  }
  await host.close()
})

test("yamux's frames are followed wherever they are cut", () => {
  const data = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 9, 9, 9)
  const ping = Uint8Array.of(0, 2, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)
  const long = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 101)
  const good = Uint8Array.from([...data, ...ping, ...data, ...ping, ...ping])
  for (let size = 1; size <= good.length; size++) {
    const guard = new FrameGuard(100)
    for (let at = 0; at < good.length; at += size) {
      expect(guard.accepts(good.subarray(at, at + size))).toBe(true)
    }
    expect(guard.accepts(long.subarray(0, 11))).toBe(true)
    expect(guard.accepts(long.subarray(11))).toBe(false)
  }
})
