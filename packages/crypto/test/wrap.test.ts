import { readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { ml_kem768_x25519 } from "@noble/post-quantum/hybrid.js"
import { AEAD_ChaCha20Poly1305, CipherSuite, KDF_HKDF_SHA256, KEM_MLKEM768_X25519 } from "hpke"
import { describe, expect, test } from "vitest"
import { seal } from "../src/aead.ts"
import type { Context } from "../src/contexts.ts"
import { hpkeKeys } from "../src/hpke.ts"
import { primitives } from "../src/platform.ts"
import { type Random, seededRandom } from "../src/random.ts"
import { SealError } from "../src/seal-error.ts"
import {
  generateWrapKey,
  isWrapPublicKey,
  unwrap,
  unwrapTagged,
  WRAP_OVERHEAD_BYTES,
  WRAP_PUBLIC_KEY_BYTES,
  wrap,
  wrapKeyFromSecret,
  wrapTagged,
} from "../src/wrap.ts"
import {
  xwingDecapsulate,
  xwingEncapsulate,
  xwingEncapsulateAnew,
  xwingPublicKey,
} from "../src/xwing.ts"
import { findShared, readFixture } from "./fixture.ts"

interface XwingCase {
  readonly secret: string
  readonly randomness: string
  readonly publicKey: string
  readonly ciphertext: string
  readonly shared: string
}
interface HpkeCase {
  readonly secret: string
  readonly randomness: string
  readonly publicKey: string
  readonly info: string
  readonly enc: string
  readonly shared: string
  readonly key: string
  readonly baseNonce: string
  readonly exporterSecret: string
  readonly aad: string
  readonly plaintext: string
  readonly ciphertext: string
}
interface ScheduleCase {
  readonly name: string
  readonly kemId: number
  readonly aeadId: number
  readonly info: string
  readonly shared: string
  readonly key: string
  readonly baseNonce: string
  readonly exporterSecret: string
}
interface Cases<T> {
  readonly cases: readonly T[]
}

const context: Context = "fulcrum/v1/seeded-random"
const suite = { kemId: 0x647a, kdfId: 1, aeadId: 3, keyBytes: 32, nonceBytes: 12 }
const aad = utf8ToBytes("aad")
const plaintext = utf8ToBytes("an epoch's key")
const random = seededRandom("wrap")
const key = generateWrapKey(random)

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof SealError) return error.code
    throw error
  }
  return "none"
}

function checkXwing(input: XwingCase): void {
  const secret = hexToBytes(input.secret)
  const publicKey = xwingPublicKey(secret)
  const made = xwingEncapsulate(publicKey, hexToBytes(input.randomness))
  expect(bytesToHex(publicKey)).toBe(input.publicKey)
  expect(bytesToHex(made.ciphertext)).toBe(input.ciphertext)
  expect(bytesToHex(made.shared)).toBe(input.shared)
  expect(bytesToHex(xwingDecapsulate(made.ciphertext, secret))).toBe(input.shared)
}

function checkSchedule(input: ScheduleCase): void {
  const keyBytes = input.key.length / 2
  const keys = hpkeKeys(
    { kemId: input.kemId, kdfId: 1, aeadId: input.aeadId, keyBytes, nonceBytes: 12 },
    hexToBytes(input.shared),
    hexToBytes(input.info),
  )
  expect(bytesToHex(keys.key)).toBe(input.key)
  expect(bytesToHex(keys.baseNonce)).toBe(input.baseNonce)
  expect(bytesToHex(keys.exporterSecret)).toBe(input.exporterSecret)
}

describe("X-Wing", () => {
  test("[K8] the draft's first vector", () => {
    for (const input of readFixture<Cases<XwingCase>>("xwing.json").cases) checkXwing(input)
  })

  test("[K8] all of the draft's vectors", (ctx) => {
    const file = findShared("vectors/xwing/test-vectors.json")
    if (file === undefined) return ctx.skip("../shared/vectors is not there")
    const all: { sk: string; eseed: string; pk: string; ct: string; ss: string }[] = JSON.parse(
      readFileSync(file, "utf8"),
    )
    for (const { sk, eseed, pk, ct, ss } of all) {
      checkXwing({ secret: sk, randomness: eseed, publicKey: pk, ciphertext: ct, shared: ss })
    }
  })

  test("[K8] with the platform's randomness opens like the others, and differs each time", () => {
    for (const make of [xwingEncapsulateAnew, withoutNative]) {
      const [one, other] = [make(key.publicKey), make(key.publicKey)]
      expect(xwingDecapsulate(one.ciphertext, key.secret)).toEqual(one.shared)
      expect(one.ciphertext).not.toEqual(other.ciphertext)
      expect(one.shared).not.toEqual(other.shared)
      expect(one.ciphertext.subarray(1088)).not.toEqual(other.ciphertext.subarray(1088))
    }
  })

  test("[K8] agrees with noble's", () => {
    const theirs = ml_kem768_x25519.keygen(key.secret)
    expect(theirs.publicKey).toEqual(key.publicKey)
    const sent = ml_kem768_x25519.encapsulate(key.publicKey)
    expect(xwingDecapsulate(sent.cipherText, key.secret)).toEqual(sent.sharedSecret)
  })

  test("[K2][R7] a public key or ciphertext that forces the X25519 result is refused", () => {
    const { cases } = readFixture<Cases<{ point: string; shared: string | null }>>("x25519.json")
    const randomness = random.bytes(64)
    const { ciphertext } = xwingEncapsulate(key.publicKey, randomness)
    const forced = cases.filter(({ shared }) => shared === null)
    expect(forced.length).toBeGreaterThan(5)
    for (const { point } of forced) {
      const publicKey = concatBytes([key.publicKey.subarray(0, 1184), hexToBytes(point)])
      const sent = concatBytes([ciphertext.subarray(0, 1088), hexToBytes(point)])
      expect(codeOf(() => xwingEncapsulate(publicKey, randomness))).toBe("SEAL_KEY")
      expect(codeOf(() => xwingEncapsulateAnew(publicKey))).toBe("SEAL_KEY")
      expect(isWrapPublicKey(publicKey)).toBe(false)
      expect(codeOf(() => xwingDecapsulate(sent, key.secret))).toBe("SEAL_KEY")
    }
  })

  test("[K8] an ML-KEM key with a coefficient not below the modulus is refused", () => {
    const publicKey = Uint8Array.from(key.publicKey)
    publicKey.fill(0xff, 0, 3)
    expect(codeOf(() => xwingEncapsulate(publicKey, random.bytes(64)))).toBe("SEAL_KEY")
    expect(codeOf(() => xwingEncapsulateAnew(publicKey))).toBe("SEAL_KEY")
    expect(codeOf(() => xwingEncapsulateAnew(publicKey.subarray(1)))).toBe("SEAL_KEY")
    expect([key.publicKey, publicKey, key.publicKey.subarray(1)].map(isWrapPublicKey)).toEqual([
      ...[true, false, false],
    ])
    for (let at = 0; at < 1152; at += 97) {
      const one = Uint8Array.from(key.publicKey)
      one[at] = one[at] === 0xff ? 0 : 0xff
      const isRefused = codeOf(() => xwingEncapsulate(one, random.bytes(64))) === "SEAL_KEY"
      expect(isWrapPublicKey(one)).toBe(!isRefused)
    }
    expect(codeOf(() => withoutNative(publicKey))).toBe("SEAL_KEY")
  })
})

describe("HPKE", () => {
  test("[K8] X-Wing, HKDF-SHA-256, ChaCha20-Poly1305: the whole of one vector", () => {
    for (const input of readFixture<Cases<HpkeCase>>("hpke-xwing.json").cases) {
      checkXwing({ ...input, ciphertext: input.enc })
      checkSchedule({ ...input, name: "", kemId: suite.kemId, aeadId: suite.aeadId })
      const sealed = seal({
        key: hexToBytes(input.key),
        nonce: hexToBytes(input.baseNonce),
        aad: hexToBytes(input.aad),
        plaintext: hexToBytes(input.plaintext),
      })
      expect(bytesToHex(sealed)).toBe(input.ciphertext)
    }
  })

  test("[K8] RFC 9180's key schedule, some", () => {
    for (const input of readFixture<Cases<ScheduleCase>>("hpke-rfc9180.json").cases) {
      checkSchedule(input)
    }
  })

  test("[K8] RFC 9180's key schedule, wherever it is ours", (ctx) => {
    const file = findShared("vectors/hpke/rfc9180.json.gz")
    if (file === undefined) return ctx.skip("../shared/vectors is not there")
    const all: Record<string, string & number>[] = JSON.parse(
      gunzipSync(readFileSync(file)).toString(),
    )
    const ours = all.filter((v) => v.mode === 0 && v.kdf_id === 1 && v.aead_id !== 0xffff)
    expect(ours.length).toBeGreaterThan(8)
    for (const v of ours) {
      checkSchedule({
        name: "",
        kemId: v.kem_id ?? 0,
        aeadId: v.aead_id ?? 0,
        info: v.info ?? "",
        shared: v.shared_secret ?? "",
        key: v.key ?? "",
        baseNonce: v.base_nonce ?? "",
        exporterSecret: v.exporter_secret ?? "",
      })
    }
  })

  test("[K8] the hpke library opens our wraps, and we open its", async () => {
    const theirs = new CipherSuite(KEM_MLKEM768_X25519, KDF_HKDF_SHA256, AEAD_ChaCha20Poly1305)
    const info = utf8ToBytes(context)
    const sealed = wrap({ context, to: key.publicKey, aad, plaintext, random })
    const privateKey = await theirs.DeserializePrivateKey(key.secret, false)
    const opened = await theirs.Open(privateKey, sealed.slice(0, 1120), sealed.slice(1120), {
      aad,
      info,
    })
    expect(new Uint8Array(opened)).toEqual(plaintext)

    const publicKey = await theirs.DeserializePublicKey(key.publicKey)
    const sent = await theirs.Seal(publicKey, plaintext, { aad, info })
    const joined = concatBytes([sent.encapsulatedSecret, sent.ciphertext])
    expect(unwrap({ context, key, aad, sealed: joined })).toEqual(plaintext)
  })
})

describe("wraps", () => {
  const sealed = wrap({ context, to: key.publicKey, aad, plaintext, random })

  test("[K9] open for their addressee, in their context, with their associated data alone", () => {
    const other = generateWrapKey(random)
    const elsewhere: Context = "fulcrum/v1/seeded-random-fork"
    expect(sealed).toHaveLength(plaintext.length + WRAP_OVERHEAD_BYTES)
    expect(unwrap({ context, key, aad, sealed })).toEqual(plaintext)
    expect(codeOf(() => unwrap({ context, key: other, aad, sealed }))).toBe("SEAL_TAG")
    expect(codeOf(() => unwrap({ context: elsewhere, key, aad, sealed }))).toBe("SEAL_TAG")
    expect(codeOf(() => unwrap({ context, key, aad: plaintext, sealed }))).toBe("SEAL_TAG")
  })

  test("[K9] a flipped bit anywhere is refused", () => {
    for (let at = 0; at < sealed.length; at += 37) {
      const changed = Uint8Array.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 0x10
      expect(codeOf(() => unwrap({ context, key, aad, sealed: changed }))).toBe("SEAL_TAG")
    }
    const cut = sealed.subarray(0, WRAP_OVERHEAD_BYTES - 1)
    expect(codeOf(() => unwrap({ context, key, aad, sealed: cut }))).toBe("SEAL_TRUNCATED")
  })

  test("[K9] randomness decides the bytes, and is drawn anew for each", () => {
    const from = (seed: string): Uint8Array =>
      wrap({ context, to: key.publicKey, aad, plaintext, random: seededRandom(seed) })
    expect(from("a")).toEqual(from("a"))
    expect(from("a")).not.toEqual(from("b"))
    const drawn: number[] = []
    const counting: Random = {
      bytes(length) {
        drawn.push(length)
        return random.bytes(length)
      },
    }
    wrap({ context, to: key.publicKey, aad, plaintext, random: counting })
    expect(drawn).toEqual([64])
  })

  test("[K9] keys of another length are refused", () => {
    const to = new Uint8Array(WRAP_PUBLIC_KEY_BYTES - 1)
    expect(codeOf(() => wrap({ context, to, aad, plaintext, random }))).toBe("SEAL_KEY")
    expect(() => wrapKeyFromSecret(new Uint8Array(31))).toThrow(RangeError)
    expect(wrapKeyFromSecret(key.secret)).toEqual(key)
  })

  test("[K9] only its addressee finds a wrap by its tag", () => {
    const { tag, sealed } = wrapTagged({ context, to: key.publicKey, aad, plaintext, random })
    expect(unwrapTagged({ context, key, aad, tag, sealed })).toEqual(plaintext)
    const stranger = generateWrapKey(random)
    expect(unwrapTagged({ context, key: stranger, aad, tag, sealed })).toBeUndefined()
    const other = tag.map((byte, i) => (i === 0 ? byte ^ 1 : byte))
    expect(unwrapTagged({ context, key, aad, tag: other, sealed })).toBeUndefined()
    const changed = sealed.map((byte, i) => (i === sealed.length - 1 ? byte ^ 1 : byte))
    expect(codeOf(() => unwrapTagged({ context, key, aad, tag, sealed: changed }))).toBe("SEAL_TAG")
  })
})

/** As on a platform that has no ML-KEM of its own. */
function withoutNative(publicKey: Uint8Array): ReturnType<typeof xwingEncapsulateAnew> {
  const { mlKemEncapsulate } = primitives
  Object.assign(primitives, { mlKemEncapsulate: undefined })
  try {
    return xwingEncapsulateAnew(publicKey)
  } finally {
    Object.assign(primitives, { mlKemEncapsulate })
  }
}
