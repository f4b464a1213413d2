import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { expect, test, vi } from "vitest"
import { nativePrimitives } from "../src/native-primitives.ts"
import { noblePrimitives } from "../src/noble-primitives.ts"
import { remembering } from "../src/remembering.ts"

const native = nativePrimitives() ?? noblePrimitives
const seed = new Uint8Array(32).fill(3)
const message = utf8ToBytes("a message")

function watched() {
  const over = {
    ...native,
    ed25519PublicKey: vi.fn(native.ed25519PublicKey),
    ed25519Equation: vi.fn(native.ed25519Equation),
  }
  return { over, memory: remembering(over) }
}

test("what was signed here is known again; what differs in anything is verified", () => {
  const { over, memory } = watched()
  const publicKey = memory.ed25519PublicKey(seed)
  const signature = memory.ed25519Sign({ seed }, message)
  expect(signature).toEqual(native.ed25519Sign({ seed }, message))
  expect(memory.ed25519Equation(publicKey, message, signature)).toBe(true)
  expect(over.ed25519Equation).not.toHaveBeenCalled()

  const other = native.ed25519PublicKey(new Uint8Array(32).fill(4))
  const forged = signature.slice()
  forged[40] = (forged[40] ?? 0) ^ 1
  expect(memory.ed25519Equation(other, message, signature)).toBe(false)
  expect(memory.ed25519Equation(publicKey, utf8ToBytes("another"), signature)).toBe(false)
  expect(memory.ed25519Equation(publicKey, message, forged)).toBe(false)
  expect(over.ed25519Equation).toHaveBeenCalledTimes(3)
})

test("what another process signed is verified once; a refusal is not remembered", () => {
  const { over, memory } = watched()
  const publicKey = native.ed25519PublicKey(seed)
  const signature = native.ed25519Sign({ seed }, message)
  const forged = signature.with(63, (signature[63] ?? 0) ^ 1)
  for (let i = 0; i < 2; i++) {
    expect(memory.ed25519Equation(publicKey, message, signature)).toBe(true)
    expect(memory.ed25519Equation(publicKey, message, forged)).toBe(false)
  }
  expect(over.ed25519Equation).toHaveBeenCalledTimes(3)
})

test("a public key is computed once, and is each caller's own", () => {
  const { over, memory } = watched()
  const first = memory.ed25519PublicKey(seed)
  const expected = native.ed25519PublicKey(seed)
  first.fill(0)
  expect(memory.ed25519PublicKey(seed)).toEqual(expected)
  expect(over.ed25519PublicKey).toHaveBeenCalledTimes(1)
})

test("what was written over after signing is not what was signed", () => {
  const { memory } = watched()
  const own = message.slice()
  const publicKey = memory.ed25519PublicKey(seed)
  const signature = memory.ed25519Sign({ seed }, own)
  own.fill(0)
  expect(memory.ed25519Equation(publicKey, own, signature)).toBe(false)
  expect(memory.ed25519Equation(publicKey, message, signature)).toBe(true)
})

test("what has long not been asked for is forgotten, and verified again", () => {
  const { over, memory } = watched()
  const publicKey = memory.ed25519PublicKey(seed)
  const signature = memory.ed25519Sign({ seed }, message)
  for (let i = 0; i < 16_384; i++) memory.ed25519Sign({ seed }, Uint8Array.of(i, i >> 8))
  expect(memory.ed25519Equation(publicKey, message, signature)).toBe(true)
  expect(over.ed25519Equation).toHaveBeenCalledTimes(1)
})
