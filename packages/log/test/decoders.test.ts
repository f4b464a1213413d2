import { deflateRawSync } from "node:zlib"
import { concatBytes } from "@fulcrum/codec/bytes"
import { encodeCbor } from "@fulcrum/codec/cbor"
import { decodeAs, encodeAs } from "@fulcrum/codec/schema"
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { seededRandom } from "@fulcrum/crypto/random"
import fc from "fast-check"
import { expect, test } from "vitest"
import { nativeDeflate, portableDeflate } from "../src/deflate.ts"
import { decodeBegin, decodeEntry, ENTRY_BODY_BYTES_MAX, encodeEntry } from "../src/entry.ts"
import { chainHashSchema, incarnationIdSchema } from "../src/ids.ts"
import { packContent, SPAN_INFLATED_MAX, unpackContent } from "../src/packing.ts"
import { paddedLength } from "../src/padding.ts"
import { openSnapshot, sealSnapshot } from "../src/snapshot.ts"
import { verifySpan } from "../src/span.ts"
import { openSpan } from "../src/span-entries.ts"
import { trailedVectorSchema, vectorSchema } from "../src/vector.ts"
import { codeOf, deflate, spaceSecrets, spanOf } from "./fixture.ts"

const random = seededRandom("decoders")
const native = nativeDeflate()
const portable = portableDeflate()

const row = (i: number, sequence = 5) => ({
  incarnation: incarnationIdSchema.decode(new Uint8Array(16).fill(i)),
  sequence,
  chain: chainHashSchema.decode(new Uint8Array(32).fill(i)),
})

test("[L2] an entry reads as it was written, and any other bytes are refused with a code", () => {
  const entry = { kind: "payload", on: [row(1), row(2)], body: random.bytes(50) } as const
  const encoded = encodeEntry(entry)
  expect(decodeEntry(encoded)).toEqual(entry)
  expect(() => encodeEntry({ ...entry, body: new Uint8Array(ENTRY_BODY_BYTES_MAX + 1) })).toThrow(
    RangeError,
  )
  fc.assert(
    fc.property(fc.nat(encoded.length), fc.uint8Array({ maxLength: 40 }), (at, noise) => {
      const spliced = concatBytes([
        encoded.subarray(0, at),
        noise,
        encoded.subarray(at + noise.length),
      ])
      expect(codeOf(() => decodeEntry(spliced))).toMatch(/^(LOG_MALFORMED|LOG_VERSION|ok)$/)
      expect(codeOf(() => decodeEntry(noise))).toMatch(/^(LOG_MALFORMED|LOG_VERSION|ok)$/)
      expect(codeOf(() => decodeBegin(noise))).toMatch(/^(LOG_MALFORMED|ok)$/)
    }),
  )
})

test("[L2] rows out of order, or one twice, are refused", () => {
  for (const rows of [
    [row(2), row(1)],
    [row(1), row(1, 6)],
  ]) {
    const encoded = encodeCbor([
      1,
      1,
      rows.map((r) => [r.incarnation, r.sequence, r.chain]),
      new Uint8Array(),
    ])
    expect(codeOf(() => decodeEntry(encoded))).toBe("LOG_MALFORMED")
    expect(() => decodeAs(vectorSchema, encodeAs(vectorSchema, rows), { bytesMax: 999 })).toThrow()
  }
  const trailed = [{ ...row(3), trail: [{ incarnation: row(4).incarnation, sequence: 2 }] }]
  const back = decodeAs(trailedVectorSchema, encodeAs(trailedVectorSchema, trailed), {
    bytesMax: 999,
  })
  expect(back).toEqual(trailed)
})

test("[R18] padding adds 12 % at most above 4 KiB, and has twelve sizes up to there", () => {
  const sizes = new Set<number>()
  for (let length = 0; length <= 4096; length++) sizes.add(paddedLength(length))
  expect(sizes.size).toBe(12)
  fc.assert(
    fc.property(fc.integer({ min: 4097, max: SPAN_INFLATED_MAX }), (length) => {
      const padded = paddedLength(length)
      expect(padded).toBeGreaterThanOrEqual(length)
      expect(padded / length).toBeLessThanOrEqual(1.12)
      expect(paddedLength(padded)).toBe(padded)
    }),
  )
})

test("[R24] a bomb is stopped at the length that it states, and no more than 16 MiB may be stated", () => {
  const bomb = deflateRawSync(new Uint8Array(64 << 20))
  const seal = (packed: Uint8Array) => {
    const plaintext = new Uint8Array(paddedLength(4 + packed.length))
    new DataView(plaintext.buffer).setUint32(0, packed.length)
    plaintext.set(packed, 4)
    return plaintext
  }
  for (const one of [native, portable]) {
    if (!one) continue
    for (const length of [0, 10, 1000, SPAN_INFLATED_MAX, SPAN_INFLATED_MAX + 1]) {
      const plaintext = seal(encodeCbor([0, length, bomb]))
      expect(codeOf(() => unpackContent(plaintext, one))).toBe("LOG_MALFORMED")
    }
  }
  expect(codeOf(() => unpackContent(seal(encodeCbor([1, 5, new Uint8Array(4)])), deflate))).toBe(
    "LOG_MALFORMED",
  )
})

test("[L3] both inflaters give the same, and refuse the same", () => {
  const samples = [
    new Uint8Array(),
    random.bytes(70_000),
    new Uint8Array(100_000),
    new TextEncoder().encode("the quick brown fox ".repeat(500)),
  ]
  for (const sample of samples) {
    for (const level of [0, 1, 6, 9]) {
      const deflated = new Uint8Array(deflateRawSync(sample, { level }))
      expect(portable.inflate(deflated, sample.length)).toEqual(sample)
      expect(codeOf(() => portable.inflate(deflated, sample.length + 1))).toBe("LOG_MALFORMED")
    }
    expect(native?.inflate(portable.deflate(sample), sample.length)).toEqual(sample)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (noise, length) => {
      expect(codeOf(() => portable.inflate(noise, length))).toMatch(/^(LOG_MALFORMED|ok)$/)
      expect(codeOf(() => native?.inflate(noise, length))).toMatch(/^(LOG_MALFORMED|ok)$/)
    }),
  )
})

test("[L3] content comes back as it was packed, and any plaintext is refused with a code", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6000 }), (content) => {
      expect(unpackContent(packContent(content, deflate), deflate)).toEqual(content)
      expect(codeOf(() => unpackContent(content, deflate))).toBe("LOG_MALFORMED")
    }),
  )
})

test("[L11] a snapshot opens to what it was made of, and a span of entries is none", () => {
  const secrets = spaceSecrets("snapshot")
  const snapshot = {
    vector: [row(1), row(2)],
    documents: [1, 2].map((size) => ({
      document: random.bytes(16),
      heads: [random.bytes(32)],
      shown: random.bytes(size * 5000),
    })),
  }
  const sealed = sealSnapshot({
    space: secrets.tag,
    signer: generateSigningKey(random),
    at: row(1),
    epoch: secrets.epoch,
    snapshot,
    random,
    deflate,
  })
  const keys = { epochKey: secrets.epoch.key, chainKey: secrets.chainKey, deflate }
  expect(openSnapshot(verifySpan(sealed), keys)).toEqual(snapshot)
  expect(codeOf(() => openSpan(verifySpan(sealed), keys))).toBe("LOG_MALFORMED")
  const entries = verifySpan(spanOf(secrets, [new Uint8Array(1)]))
  expect(codeOf(() => openSnapshot(entries, keys))).toBe("LOG_MALFORMED")
})
