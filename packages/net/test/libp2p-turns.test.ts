import { Socket } from "node:net"
import { setImmediate as turn } from "node:timers/promises"
import { expect, test } from "vitest"
import { PART_BYTES, ReadingTurns, TURN_BYTES } from "../src/libp2p-turns.ts"

const PARTS = TURN_BYTES / PART_BYTES
const part = new Uint8Array(PART_BYTES)

/** Sockets that are read, as many as there are to be; what they send is said by the test. */
function socketsIn(turns: ReadingTurns, count: number): readonly Socket[] {
  return Array.from({ length: count }, () => {
    const socket = new Socket()
    turns.add(socket)
    return socket
  })
}

const waiting = (sockets: readonly Socket[]) =>
  sockets.flatMap((socket, at) => (socket.isPaused() ? [at] : []))

test("[N26] who sends much at once is read on in turn, the longest waiting first", async () => {
  const sockets = socketsIn(new ReadingTurns(), 3 * PARTS)
  for (const socket of sockets) socket.emit("data", part)
  const all = sockets.map((_, at) => at)
  expect(waiting(sockets)).toEqual(all.slice(PARTS - 1))
  await turn()
  expect(waiting(sockets)).toEqual(all.slice(2 * PARTS - 1))
  // Who sends on at once waits again, behind the others.
  for (const socket of sockets.slice(0, 2 * PARTS - 1)) socket.emit("data", part)
  await turn()
  expect(waiting(sockets)).toEqual(all.slice(PARTS - 1, 2 * PARTS - 1).concat(all.slice(-1)))
  await turn()
  await turn()
  expect(waiting(sockets)).toEqual([])
})

test("[N26] who sends little does not wait, and who is alone waits for nothing", async () => {
  const turns = new ReadingTurns()
  const [small, ...large] = socketsIn(turns, 2 * PARTS)
  if (small === undefined) throw new Error("no socket")
  for (let count = 0; count < 2 * PARTS; count++) {
    for (const socket of large) if (!socket.isPaused()) socket.emit("data", part)
    // However much that is in all.
    small.emit("data", part.subarray(1))
    expect(waiting([small])).toEqual([])
    await turn()
  }
  const [alone] = socketsIn(new ReadingTurns(), 1)
  for (let count = 0; count < PARTS; count++) alone?.emit("data", part)
  expect(alone?.isPaused()).toBe(true)
  await turn()
  expect(alone?.isPaused()).toBe(false)
})

test("[N26] who is paused by its reader stays so, and goes on when the reader says", async () => {
  const sockets = socketsIn(new ReadingTurns(), PARTS + 2)
  const [first, second] = sockets.slice(-2)
  if (first === undefined || second === undefined) throw new Error("no sockets")
  for (const socket of sockets) socket.emit("data", part)
  first.pause()
  second.pause()
  second.resume()
  expect(second.isPaused()).toBe(true)
  await turn()
  expect(waiting(sockets)).toEqual([PARTS])
  first.resume()
  expect(first.isPaused()).toBe(false)
})

test("[N26] who has closed holds up nobody", async () => {
  const sockets = socketsIn(new ReadingTurns(), 3 * PARTS)
  for (const socket of sockets) socket.emit("data", part)
  for (const socket of sockets.slice(PARTS, 2 * PARTS)) socket.emit("close", false)
  await turn()
  await turn()
  expect(waiting(sockets.slice(2 * PARTS))).toEqual([])
})
