import { Server, Socket } from "node:net"
import { setImmediate as turn } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, test } from "vitest"
import { Greetings, networkOf } from "../src/libp2p-greeting.ts"

const GREETING = Buffer.from("\x13/multistream/1.0.0\n\x07/noise\n")

/** What a server hands on, in order. */
function greeted() {
  const server = new Server()
  const taken: Socket[] = []
  const begun: Socket[] = []
  server.on("connection", (socket) => taken.push(socket))
  const greetings = new Greetings(server, (socket) => begun.push(socket))
  const arrive = (address: string): Socket => {
    const socket = new Socket()
    Object.defineProperty(socket, "remoteAddress", { value: address })
    server.emit("connection", socket)
    return socket
  }
  return { arrive, taken, begun, greetings }
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await turn()
}

test("[N27] who greets is handed on with all that it said, however it was cut", async () => {
  const { arrive, taken, begun } = greeted()
  const socket = arrive("127.0.0.1")
  const cuts = [0, 1, 2, 7, 19, 21, GREETING.length]
  for (const [i, from] of cuts.entries()) {
    socket.push(GREETING.subarray(from, cuts[i + 1] ?? from))
    await turns(1)
  }
  await turns(4)
  expect(taken).toEqual([socket])
  expect(begun).toEqual([socket])
  expect(socket.read()).toEqual(GREETING)
})

test("[N27] who says anything else is hung up on, and nobody hears of it", async () => {
  const { arrive, taken } = greeted()
  const sockets = ["GET / HTTP/1.1\r\n\r\n", "\x13/multistream/1.0.1\n", "\xff", "\0"].map(
    (text) => {
      const socket = arrive("127.0.0.1")
      socket.push(Buffer.from(text, "latin1"))
      return socket
    },
  )
  const [silent, broken, left] = [arrive("::1"), arrive("::1"), arrive("::1")]
  broken.destroy(new Error("reset"))
  left.push(GREETING.subarray(0, 7))
  left.push(null)
  await turns(8)
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual(sockets.map(() => true))
  expect(silent.destroyed).toBe(false)
  expect(taken).toEqual([])
})

test("[N27] of many that wait each address has its turn, and its newest comes first", async () => {
  const { arrive, taken, greetings } = greeted()
  const crowd = Array.from({ length: 50 }, () => arrive("192.0.2.1"))
  const late = arrive("192.0.2.2")
  for (const socket of [...crowd, late]) socket.push(GREETING)
  await turns(4)
  expect(taken).toEqual([crowd[49], late, ...crowd.slice(35, 49).reverse()])
  // Whose upgrade is over, well or not, makes room.
  greetings.over(late)
  late.destroy()
  taken[0]?.destroy()
  await turns(4)
  expect(taken.slice(16)).toEqual([crowd[34], crowd[33]])
  // Who has gone is passed over.
  for (const socket of crowd.slice(5, 33)) socket.destroy()
  for (const socket of [...taken]) greetings.over(socket)
  expect(taken.slice(18)).toEqual(crowd.slice(0, 5).reverse())
})

test("[N27] who has closed is not kept", async () => {
  const { arrive, taken } = greeted()
  const kept = Array.from({ length: 16 }, () => arrive("192.0.2.1"))
  for (const socket of kept) socket.push(GREETING)
  await turns(4)
  const gone: WeakRef<Socket>[] = []
  const comeAndGo = async () => {
    const socket = arrive("192.0.2.1")
    gone.push(new WeakRef(socket))
    socket.push(GREETING)
    await turns(2)
    socket.destroy()
    await turns(2)
  }
  for (let count = 0; count < 20; count++) await comeAndGo()
  expect(taken).toHaveLength(16)
  setFlagsFromString("--expose-gc")
  const stillThere = () => gone.filter((socket) => socket.deref() !== undefined).length
  // What is not kept goes at one of the next collections; what is kept, at none.
  for (let count = 0; count < 20 && stillThere() >= 3; count++) {
    // A turn later: what was looked at is held until this one ends.
    await turns(4)
    runInNewContext("gc")()
  }
  expect(stillThere()).toBeLessThan(3)
})

test("[N27] an upgrade that waits for its peer does not keep others back", async () => {
  const { arrive, taken } = greeted()
  for (let count = 0; count < 40; count++) arrive("192.0.2.1").push(GREETING)
  await expect.poll(() => taken.length, { timeout: 5_000 }).toBe(40)
})

test("[N27] who has one address of IPv6 has its whole network", () => {
  expect(networkOf("2001:db8::1")).toBe(networkOf("2001:db8:0:0:1:2:3:4"))
  expect(networkOf("2001:db8::1")).not.toBe(networkOf("2001:db8:0:1::1"))
  for (const shared of ["fe80::", "64:ff9b::", "::ffff:192.0.2."]) {
    expect(networkOf(`${shared}1`)).not.toBe(networkOf(`${shared}2`))
  }
  expect(networkOf("::1")).toBe("0:0:0:0")
  expect(networkOf("2001:db8::")).toBe("2001:db8:0:0")
  expect(networkOf("192.0.2.1")).not.toBe(networkOf("192.0.2.2"))
})
