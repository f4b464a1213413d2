import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { afterEach, expect, test, vi } from "vitest"
import type { Context } from "../src/contexts.ts"

const context: Context = "fulcrum/v1/seeded-random"

/** All that rests on a primitive, from one seed, with the modules as they are loaded now. */
async function everything(): Promise<readonly Uint8Array[]> {
  const { sealContent } = await import("../src/content.ts")
  const { sealRecord } = await import("../src/aead.ts")
  const { generateSigningKey, sign } = await import("../src/ed25519.ts")
  const { hash, hkdf, hmac } = await import("../src/hash.ts")
  const { seededRandom } = await import("../src/random.ts")
  const { generateWrapKey, wrap } = await import("../src/wrap.ts")
  const { primitives } = await import("../src/platform.ts")
  const { noblePrimitives } = await import("../src/noble-primitives.ts")

  const random = seededRandom("platform")
  const [key, salt, header] = [random.bytes(32), random.bytes(32), random.bytes(100)]
  const plaintext = utf8ToBytes("text")
  const signer = generateSigningKey(random)
  const wrapKey = generateWrapKey(random)
  const content = sealContent({ context, key, salt, header, plaintext })
  return [
    Uint8Array.of(primitives === noblePrimitives ? 1 : 0),
    content.commitment,
    content.ciphertext,
    sealRecord({ key, aad: header, plaintext, random }),
    signer.publicKey,
    sign(context, signer, plaintext),
    hash(context, header),
    hmac(context, key, header),
    hkdf(context, key, salt, header, 100),
    wrapKey.publicKey,
    wrap({ context, to: wrapKey.publicKey, aad: header, plaintext, random }),
  ]
}

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

test("[K3] where there is no Node, the same calls give the same bytes", async () => {
  const [native, ...withNode] = await everything()
  vi.resetModules()
  vi.stubGlobal("process", { ...process, getBuiltinModule: undefined })
  const [noble, ...without] = await everything()
  expect([native, noble]).toEqual([Uint8Array.of(0), Uint8Array.of(1)])
  expect(without).toEqual(withNode)
})
