import { expect, test, vi } from "vitest"
import { kem } from "../src/kem.ts"
import { rememberingKem } from "../src/remembering.ts"

const secret = new Uint8Array(32).fill(5)
const randomness = Uint8Array.from({ length: 64 }, (_, i) => i)

function watched() {
  const over = {
    publicKey: vi.fn(kem.publicKey),
    encapsulate: vi.fn(kem.encapsulate),
    encapsulateAnew: vi.fn(kem.encapsulateAnew),
    decapsulate: vi.fn(kem.decapsulate),
  }
  return { over, memory: rememberingKem(over) }
}

test("what was encapsulated here is made and opened once", () => {
  const { over, memory } = watched()
  const publicKey = memory.publicKey(secret)
  const made = memory.encapsulate(publicKey, randomness)
  expect(made).toEqual(kem.encapsulate(kem.publicKey(secret), randomness))
  made.shared.fill(0)
  expect(memory.encapsulate(publicKey, randomness).ciphertext).toEqual(made.ciphertext)
  const shared = memory.decapsulate(made.ciphertext, secret)
  expect(shared).toEqual(kem.decapsulate(made.ciphertext, secret))
  expect(over.encapsulate).toHaveBeenCalledTimes(1)
  expect(over.decapsulate).not.toHaveBeenCalled()
})

test("another key, other randomness and a changed ciphertext are what they would be", () => {
  const { over, memory } = watched()
  const publicKey = memory.publicKey(secret)
  const { ciphertext, shared } = memory.encapsulate(publicKey, randomness)
  const another = new Uint8Array(32).fill(6)
  expect(memory.decapsulate(ciphertext, another)).not.toEqual(shared)
  expect(memory.decapsulate(ciphertext, another)).toHaveLength(32)
  expect(memory.encapsulate(memory.publicKey(another), randomness)).toEqual(
    kem.encapsulate(kem.publicKey(another), randomness),
  )
  const changed = ciphertext.with(100, (ciphertext[100] ?? 0) ^ 1)
  expect(memory.decapsulate(changed, secret)).toEqual(kem.decapsulate(changed, secret))
  expect(over.decapsulate).toHaveBeenCalledTimes(1)
})
