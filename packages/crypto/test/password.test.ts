import { bytesToHex, utf8ToBytes } from "@fulcrum/codec/bytes"
import { expect, test } from "vitest"
import { stretchPassword } from "../src/password.ts"
import { platforms } from "./platforms.ts"

const salt = new Uint8Array(16).fill(9)
const cheap = { salt, memoryKiB: 64, passes: 1 }

test("[K12] one passphrase typed two ways gives one key", async () => {
  const composed = await stretchPassword({ password: "caf\u00e9", ...cheap })
  expect(await stretchPassword({ password: "cafe\u0301", ...cheap })).toEqual(composed)
  expect(await stretchPassword({ password: "Caf\u00e9", ...cheap })).not.toEqual(composed)
  const [platform] = platforms
  const input = { password: utf8ToBytes("caf\u00e9"), ...cheap, length: 32 }
  expect(composed).toEqual(await platform?.set.argon2id(input))
})

test("[K12] settings out of bounds are refused before any memory is taken", async () => {
  for (const change of [
    { memoryKiB: 7 },
    { memoryKiB: 2 ** 31 },
    { passes: 0 },
    { passes: 1000 },
    { salt: new Uint8Array(7) },
  ]) {
    await expect(stretchPassword({ password: "x", ...cheap, ...change })).rejects.toThrow(
      RangeError,
    )
  }
})

test.for(platforms)("[K12] is Argon2id, version 1.3, one lane ($name)", async ({ set }) => {
  // The reference implementation's test: phc-winner-argon2, src/test.c, hashtest 2 of Argon2id.
  const encoder = new TextEncoder()
  const key = await set.argon2id({
    password: encoder.encode("password"),
    salt: encoder.encode("somesalt"),
    memoryKiB: 256,
    passes: 2,
    length: 32,
  })
  expect(bytesToHex(key)).toBe("9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe")
})
