import { concatBytes } from "@fulcrum/codec/bytes"
import fc from "fast-check"
import { expect, test } from "vitest"
import { NetError } from "../src/contract.ts"
import { FrameReader, frameHeader } from "../src/frame.ts"

const frame = (message: Uint8Array): Uint8Array =>
  concatBytes([frameHeader(message.length), message])

test("[N20] messages come out as they went in, however the bytes were cut", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 5_000 }), { maxLength: 20 })
  const cuts = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(messages, cuts, fc.boolean(), (sent, sizes, readsAsItGoes) => {
      const bytes = concatBytes(sent.map(frame))
      const reader = new FrameReader(5_000)
      const got: Uint8Array[] = []
      const drain = (): void => {
        for (let next = reader.next(); next; next = reader.next()) got.push(next)
      }
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1
        reader.push(bytes.slice(at, at + size))
        at += size
        if (readsAsItGoes) drain()
      }
      drain()
      expect(got).toEqual(sent.map((message) => Uint8Array.from(message)))
      expect(reader.bytes).toBe(0)
    }),
    { numRuns: 60 },
  )
})

test("[N20] any bytes give messages or the one coded error", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (chunks) => {
      const reader = new FrameReader(16)
      try {
        for (const chunk of chunks) {
          reader.push(chunk)
          for (let next = reader.next(); next; next = reader.next()) {
            expect(next.length).toBeLessThanOrEqual(16)
          }
        }
      } catch (error) {
        expect(error).toBeInstanceOf(NetError)
        expect(error).toMatchObject({ code: "NET_MESSAGE_TOO_LARGE" })
      }
    }),
  )
})

test("[N20] a length above the cap fails with its fourth byte", () => {
  const reader = new FrameReader(100)
  reader.push(Uint8Array.of(0, 0, 0))
  expect(reader.next()).toBeUndefined()
  reader.push(Uint8Array.of(101))
  expect(() => reader.next()).toThrow(NetError)
})

test("what is announced and never sent takes no room", () => {
  const readers = Array.from({ length: 10_000 }, () => {
    const reader = new FrameReader(2 ** 32 - 1)
    reader.push(frameHeader(2 ** 32 - 1))
    expect(reader.next()).toBeUndefined()
    return reader
  })
  expect(readers.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(40_000)
})
