/**
 * A crowd of hostile peers of one kind, as a program: `node crowd.ts KIND COUNT ADDRESS PROTOCOL`.
 * Says `ready` once all have begun, and goes on until it is killed: whoever is hung up on comes
 * again.
 *
 * | kind    | each of them                                                              |
 * | ------- | ------------------------------------------------------------------------- |
 * | silent  | connects and says nothing                                                 |
 * | half    | says what a dialer says first, and half a Noise message                   |
 * | garbage | sends noise that is none, and again                                       |
 * | flood   | connects and leaves, over and over, from an address of its own            |
 * | deaf    | asks for more and more, and reads no answer                               |
 * | partial | sends a message of the largest size but for its last byte, on each stream |
 * | streams | opens as many streams as it can, closes them, and again                   |
 * | large   | announces a message above the limit, and again                            |
 * | mixed   | is one of the above, in turn                                              |
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import type { Stream } from "@libp2p/interface"
import { addressParts } from "../../src/address.ts"
import { MESSAGE_BYTES_MAX } from "../../src/contract.ts"
import { frameHeader } from "../../src/frame.ts"
import { hostilePeer } from "../hostile-peer.ts"

const [, , kind = "", count = "1", address = "", protocol = "/echo/1"] = process.argv
const { host, port } = addressParts(address)
/** Not the address of the honest. */
const FLOOD_FROM = "127.0.0.9"
/** What a dialer says before its first Noise message. */
const GREETING = Buffer.from("\x13/multistream/1.0.0\n\x07/noise\n")

/** Resolves when it is over. */
function raw(use: (socket: Socket) => void, localAddress?: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, ...(localAddress === undefined ? {} : { localAddress }) })
    socket.on("error", () => undefined)
    socket.on("connect", () => use(socket))
    socket.on("close", () => resolve())
    socket.resume()
  })
}

const say = (stream: Stream, bytes: Uint8Array): boolean => stream.send(bytes)

/** On a connection of its own, until that is closed. */
async function peer(use: (open: () => Promise<Stream>) => Promise<void>): Promise<void> {
  const hostile = await hostilePeer()
  try {
    const connection = await hostile.connect(address)
    const over = new Promise<void>((resolve) =>
      connection.addEventListener("close", () => resolve()),
    )
    const limits = { maxOutboundStreams: 1000, signal: AbortSignal.timeout(5000) }
    await Promise.race([over, use(() => connection.newStream(protocol, limits))])
    await over
  } catch (error) {
    if (!(error instanceof Error)) throw error
  }
  await hostile.stop()
}

const kinds: Readonly<Record<string, () => Promise<void>>> = {
  silent: () => raw(() => undefined),
  half: () =>
    raw((socket) => {
      socket.write(GREETING)
      socket.write(Uint8Array.of(0, 32, 1, 2, 3))
    }),
  garbage: () => raw((socket) => socket.write(randomBytes(65_536))),
  flood: () => raw((socket) => socket.destroy(), FLOOD_FROM),
  deaf: () =>
    peer(async (open) => {
      const stream = await open()
      stream.pause()
      const message = Buffer.concat([frameHeader(100_000), randomBytes(100_000)])
      while (stream.status === "open") {
        if (!stream.writableNeedsDrain) say(stream, message)
        else await sleep(20)
      }
    }),
  partial: () =>
    peer(async (open) => {
      const body = new Uint8Array(MESSAGE_BYTES_MAX - 1)
      await Promise.all(
        Array.from({ length: 2 }, async () => {
          const stream = await open()
          say(stream, frameHeader(MESSAGE_BYTES_MAX))
          for (let at = 0; at < body.length && stream.status === "open"; ) {
            if (stream.writableNeedsDrain) await sleep(20)
            else {
              say(stream, body.subarray(at, at + 65_000))
              at += 65_000
            }
          }
        }),
      )
    }),
  streams: () =>
    peer(async (open) => {
      for (;;) {
        const opened = await Promise.allSettled(Array.from({ length: 40 }, open))
        await sleep(100)
        for (const one of opened) {
          if (one.status === "fulfilled") one.value.abort(new Error("and again"))
        }
      }
    }),
  large: () =>
    peer(async (open) => {
      for (;;) {
        const stream = await open()
        say(stream, frameHeader(MESSAGE_BYTES_MAX + 1))
        await sleep(50)
      }
    }),
}

const PAUSES: Readonly<Record<string, number>> = { flood: 5, garbage: 50, partial: 5000 }
const chosen = kind === "mixed" ? Object.keys(kinds) : [kind]

async function forever(name: string): Promise<void> {
  const act = kinds[name]
  if (act === undefined) throw new RangeError(`no hostile peers of kind ${name}`)
  for (;;) {
    await act()
    await sleep(PAUSES[name] ?? 250)
  }
}

process.on("unhandledRejection", () => undefined)
for (let at = 0; at < Number(count); at++) {
  forever(chosen[at % chosen.length] ?? "").catch(() => undefined)
  if (at % 10 === 9) await sleep(10)
}
process.stdout.write("ready\n")
