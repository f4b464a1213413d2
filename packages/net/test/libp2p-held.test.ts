import { expect, test } from "vitest"
import { endStuck, type Holding } from "../src/libp2p-held.ts"

interface Held extends Holding {
  readonly name: string
}

test("[N25] past what a host may hold the channels stuck for longest are ended, and no other", () => {
  const ended: string[] = []
  const channels = new Set<Held>()
  const hold = (name: string, heldBytes: number, progressMs: number): void => {
    const abort = () => {
      ended.push(name)
    }
    channels.add({ name, heldBytes, progressMs, abort })
  }
  hold("idle for ever", 0, 1)
  hold("busy and large", 60, 900)
  hold("stuck, small", 10, 100)
  hold("stuck for longest", 50, 50)
  hold("stuck, large", 40, 200)
  endStuck(channels, 160)
  expect(ended).toEqual([])
  endStuck(channels, 105)
  expect(ended).toEqual(["stuck for longest", "stuck, small"])
})
