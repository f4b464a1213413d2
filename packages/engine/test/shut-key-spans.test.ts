import { seededRandom } from "@fulcrum/crypto/random"
import { epochIdSchema } from "@fulcrum/log/ids"
import { expect, test } from "vitest"
import { ShutKeySpans } from "../src/membership/shut-key-spans.ts"

const random = seededRandom("shut")
const [thief, member] = [random.bytes(32), random.bytes(32)]
const MANY = 4096

const spanOf = (writer: Uint8Array) => ({
  epoch: epochIdSchema.decode(random.bytes(32)),
  header: { writer },
})

test("[P118] what a removed device makes up by the thousand displaces no member's word", () => {
  const shut = new ShutKeySpans()
  for (let i = 0; i < MANY; i++) shut.add(spanOf(thief), true)
  const told = spanOf(member)
  shut.add(told, true)
  expect(shut.removals((writer) => writer === member)).toEqual([told.epoch])
  expect(shut.marks).toHaveLength(MANY)
})

test("[P118] nor do those that say nothing, which go first", () => {
  const shut = new ShutKeySpans()
  const kept = spanOf(member)
  shut.add(kept, true)
  for (let i = 1; i < MANY; i++) shut.add(spanOf(thief), false)
  const told = spanOf(member)
  shut.add(told, true)
  shut.add(spanOf(thief), false)
  expect(shut.marks.map(({ epoch }) => epoch)).toEqual([kept.epoch, told.epoch])
})
