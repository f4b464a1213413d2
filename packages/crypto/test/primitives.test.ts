import { readFileSync } from "node:fs"
import { bytesToHex, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { passesPrechecks } from "../src/ed25519.ts"
import { hkdfExpand, hkdfExtract } from "../src/hkdf.ts"
import { noblePrimitives } from "../src/noble-primitives.ts"
import { primitives } from "../src/platform.ts"
import type { Primitives } from "../src/primitives.ts"
import { xchachaOpen, xchachaSeal } from "../src/xchacha.ts"
import { findShared, readFixture } from "./fixture.ts"
import { nativeSet, platforms } from "./platforms.ts"

interface AeadCase {
  readonly name: string
  readonly key: string
  readonly nonce: string
  readonly aad: string
  readonly plaintext: string
  readonly sealed: string
  readonly isValid: boolean
}
interface DhCase {
  readonly name: string
  readonly scalar: string
  readonly point: string
  readonly shared: string | null
}
interface HkdfCase {
  readonly name: string
  readonly key: string
  readonly salt: string
  readonly info: string
  readonly length: number
  readonly derived: string | null
}
interface Cases<T> {
  readonly cases: readonly T[]
}
/** A Wycheproof file, as far as it is read here. */
interface Wycheproof<T> {
  readonly testGroups: readonly { readonly tests: readonly T[] }[]
}
interface WycheproofAead {
  readonly tcId: number
  readonly key: string
  readonly iv: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
  readonly result: string
}

const aeads = [
  {
    name: "ChaCha20-Poly1305",
    file: "chacha20-poly1305.json",
    shared: "vectors/wycheproof/chacha20_poly1305.json",
    nonceBytes: 12,
    seal: (set: Primitives, input: AeadCase) =>
      set.chachaSeal(aeadInput(input), hexToBytes(input.plaintext)),
    open: (set: Primitives, input: AeadCase) =>
      set.chachaOpen(aeadInput(input), hexToBytes(input.sealed)),
  },
  {
    name: "XChaCha20-Poly1305",
    file: "xchacha20-poly1305.json",
    shared: "vectors/wycheproof/xchacha20_poly1305.json",
    nonceBytes: 24,
    seal: (set: Primitives, input: AeadCase) =>
      xchachaSeal(set, aeadInput(input), hexToBytes(input.plaintext)),
    open: (set: Primitives, input: AeadCase) =>
      xchachaOpen(set, aeadInput(input), hexToBytes(input.sealed)),
  },
] as const

function aeadInput(input: AeadCase) {
  return {
    key: hexToBytes(input.key),
    nonce: hexToBytes(input.nonce),
    aad: hexToBytes(input.aad),
  }
}

function checkAead(aead: (typeof aeads)[number], set: Primitives, input: AeadCase): void {
  const opened = aead.open(set, input)
  expect(opened === undefined ? undefined : bytesToHex(opened), input.name).toBe(
    input.isValid ? input.plaintext : undefined,
  )
  if (input.isValid) expect(bytesToHex(aead.seal(set, input)), input.name).toBe(input.sealed)
}

/** Of Curve25519 (RFC 7748, section 4.1). */
const BASE_POINT = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 9 : 0))

function checkDh(set: Primitives, { name, scalar, point, shared }: DhCase): void {
  const result = set.x25519(hexToBytes(scalar), hexToBytes(point))
  expect(result === undefined ? null : bytesToHex(result), name).toBe(shared)
}

function checkHkdf(set: Primitives, input: HkdfCase): void {
  const derive = (): Uint8Array =>
    hkdfExpand(
      set,
      hkdfExtract(set, hexToBytes(input.salt), hexToBytes(input.key)),
      hexToBytes(input.info),
      input.length,
    )
  if (input.derived === null) expect(derive, input.name).toThrow(RangeError)
  else expect(bytesToHex(derive()), input.name).toBe(input.derived)
}

function readShared<T>(path: string): T | undefined {
  const file = findShared(path)
  return file === undefined ? undefined : JSON.parse(readFileSync(file, "utf8"))
}

test("Node's own are what this program runs on", () => {
  expect(Object.keys(primitives)).toEqual(Object.keys(nativeSet))
  expect(primitives.sha256).not.toBe(noblePrimitives.sha256)
})

describe.for(platforms)("$name", ({ set }) => {
  describe.for(aeads)("$name", (aead) => {
    const { cases } = readFixture<Cases<AeadCase>>(aead.file)
    // A nonce of another length is the caller's mistake: `aead.ts` raises a RangeError.
    const ofLength = cases.filter(({ nonce }) => nonce.length === 2 * aead.nonceBytes)

    test("[K1] Wycheproof, some", () => {
      expect(ofLength.length).toBeGreaterThan(8)
      for (const input of ofLength) checkAead(aead, set, input)
    })

    test("[K1] Wycheproof, all", (ctx) => {
      const file = readShared<Wycheproof<WycheproofAead>>(aead.shared)
      if (file === undefined) return ctx.skip("../shared/vectors is not there")
      for (const { tests } of file.testGroups) {
        for (const t of tests.filter(({ iv }) => iv.length === 2 * aead.nonceBytes)) {
          checkAead(aead, set, {
            name: `${t.tcId}`,
            key: t.key,
            nonce: t.iv,
            aad: t.aad,
            plaintext: t.msg,
            sealed: t.ct + t.tag,
            isValid: t.result === "valid",
          })
        }
      }
    })
  })

  test("[K2] Wycheproof X25519, some: all-zero results are refused", () => {
    const { cases } = readFixture<Cases<DhCase>>("x25519.json")
    expect(cases.filter(({ shared }) => shared === null).length).toBeGreaterThan(5)
    for (const input of cases) checkDh(set, input)
  })

  test("[K2] Wycheproof X25519, all", (ctx) => {
    const file = readShared<
      Wycheproof<{ tcId: number; private: string; public: string; shared: string; flags: string[] }>
    >("vectors/wycheproof/x25519.json")
    if (file === undefined) return ctx.skip("../shared/vectors is not there")
    for (const t of file.testGroups.flatMap(({ tests }) => tests)) {
      const shared = t.flags.includes("ZeroSharedSecret") ? null : t.shared
      checkDh(set, { name: `${t.tcId}`, scalar: t.private, point: t.public, shared })
    }
  })

  test("[K1] Wycheproof HKDF-SHA-256, some", () => {
    for (const input of readFixture<Cases<HkdfCase>>("hkdf-sha256.json").cases) {
      checkHkdf(set, input)
    }
  })

  test("[K1] Wycheproof HKDF-SHA-256, all", (ctx) => {
    const file = readShared<
      Wycheproof<{
        tcId: number
        ikm: string
        salt: string
        info: string
        size: number
        okm: string
        result: string
      }>
    >("vectors/wycheproof/hkdf_sha256.json")
    if (file === undefined) return ctx.skip("../shared/vectors is not there")
    for (const t of file.testGroups.flatMap(({ tests }) => tests)) {
      checkHkdf(set, {
        name: `${t.tcId}`,
        key: t.ikm,
        salt: t.salt,
        info: t.info,
        length: t.size,
        derived: t.result === "valid" ? t.okm : null,
      })
    }
  })

  test("[K1] HMAC-SHA-256, SHA-256 and SHA3-256 (RFC 4231, case 2; FIPS 180 and 202, abc)", () => {
    const mac = set.hmacSha256(utf8ToBytes("Jefe"), utf8ToBytes("what do ya want for nothing?"))
    expect(bytesToHex(mac)).toBe("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    expect(bytesToHex(set.sha256(utf8ToBytes("abc")))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )
    expect(bytesToHex(set.sha3_256(utf8ToBytes("abc")))).toBe(
      "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    )
  })

  test("[K1] results are plain bytes, whoever made them", async () => {
    const input = { key: new Uint8Array(32), nonce: new Uint8Array(12), aad: new Uint8Array(0) }
    const sealed = set.chachaSeal(input, new Uint8Array(3))
    const results = [
      set.sha256(sealed),
      set.sha3_256(sealed),
      set.hmacSha256(sealed, sealed),
      sealed,
      set.chachaOpen(input, sealed),
      set.ed25519PublicKey(new Uint8Array(32)),
      set.x25519PublicKey(new Uint8Array(32).fill(1)),
      set.ed25519Sign({ seed: new Uint8Array(32) }, sealed),
      set.x25519(new Uint8Array(32).fill(1), new Uint8Array(32).fill(9)),
      await set.argon2id({
        password: sealed,
        salt: new Uint8Array(8),
        memoryKiB: 8,
        passes: 1,
        length: 32,
      }),
    ]
    for (const result of results) expect(result?.constructor).toBe(Uint8Array)
  })
})

describe("native and JavaScript", () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const message = fc.uint8Array({ maxLength: 300 })

  test("[K3] hash and authenticate alike", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), message, (secret, data) => {
        expect(nativeSet.sha256(data)).toEqual(noblePrimitives.sha256(data))
        expect(nativeSet.sha3_256(data)).toEqual(noblePrimitives.sha3_256(data))
        expect(nativeSet.hmacSha256(secret, data)).toEqual(noblePrimitives.hmacSha256(secret, data))
      }),
    )
    // What is long goes another way.
    for (const [secretBytes, length] of [
      [32, 8192],
      [32, 8193],
      [64, 20_000],
      [65, 20_000],
      [0, 20_000],
    ]) {
      const secret = new Uint8Array(secretBytes ?? 0).fill(7)
      const data = Uint8Array.from({ length: length ?? 0 }, (_, at) => at & 255)
      const mac = nativeSet.hmacSha256(secret, data)
      expect(mac).toEqual(noblePrimitives.hmacSha256(secret, data))
      expect(mac.constructor).toBe(Uint8Array)
    }
  })

  test("[K3] seal alike, and open or refuse the same", () => {
    const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 })
    fc.assert(
      fc.property(key, nonce, message, message, fc.nat(), (k, n, aad, text, at) => {
        const input = { key: k, nonce: n, aad }
        const sealed = nativeSet.chachaSeal(input, text)
        expect(sealed).toEqual(noblePrimitives.chachaSeal(input, text))
        expect(nativeSet.chachaOpen(input, sealed)).toEqual(text)
        expect(noblePrimitives.chachaOpen(input, sealed)).toEqual(text)
        const changed = Uint8Array.from(sealed)
        changed[at % sealed.length] = (changed[at % sealed.length] ?? 0) ^ 1
        const cut = sealed.subarray(0, at % sealed.length)
        for (const bad of [changed, cut]) {
          expect(nativeSet.chachaOpen(input, bad)).toBeUndefined()
          expect(noblePrimitives.chachaOpen(input, bad)).toBeUndefined()
        }
      }),
    )
  })

  test("[K3] sign alike, and accept or refuse the same", () => {
    fc.assert(
      fc.property(key, message, fc.nat({ max: 95 }), (seed, text, at) => {
        const publicKey = nativeSet.ed25519PublicKey(seed)
        const signature = nativeSet.ed25519Sign({ seed }, text)
        expect(publicKey).toEqual(noblePrimitives.ed25519PublicKey(seed))
        expect(signature).toEqual(noblePrimitives.ed25519Sign({ seed }, text))
        const changed = Uint8Array.from([...publicKey, ...signature])
        changed[at] = (changed[at] ?? 0) ^ 4
        for (const bytes of [Uint8Array.from([...publicKey, ...signature]), changed]) {
          const [k, s] = [bytes.subarray(0, 32), bytes.subarray(32)]
          if (!passesPrechecks(k, s)) continue
          const verdict = nativeSet.ed25519Equation(k, text, s)
          expect(noblePrimitives.ed25519Equation(k, text, s)).toBe(verdict)
          expect(verdict).toBe(bytes !== changed)
        }
      }),
      { numRuns: 30 },
    )
  })

  test("[K3] exchange alike", () => {
    fc.assert(
      fc.property(key, key, (scalar, point) => {
        expect(nativeSet.x25519(scalar, point)).toEqual(noblePrimitives.x25519(scalar, point))
        const publicKey = nativeSet.x25519PublicKey(scalar)
        expect(publicKey).toEqual(noblePrimitives.x25519PublicKey(scalar))
        expect(publicKey).toEqual(noblePrimitives.x25519(scalar, BASE_POINT))
      }),
      { numRuns: 30 },
    )
  })

  test("[K3] stretch alike", async () => {
    const input = {
      password: utf8ToBytes("correct horse"),
      salt: new Uint8Array(16).fill(7),
      memoryKiB: 256,
      passes: 2,
      length: 32,
    }
    expect(await nativeSet.argon2id(input)).toEqual(await noblePrimitives.argon2id(input))
  })
})
