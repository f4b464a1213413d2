import { concatBytes } from "@fulcrum/codec/bytes"
import { decodeCbor, encodeCbor } from "@fulcrum/codec/cbor"
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import fc from "fast-check"
import { expect, test } from "vitest"
import { chainKeySchema, epochKeySchema } from "../src/ids.ts"
import { paddedLength } from "../src/padding.ts"
import { followsDigest, readSpan, SPAN_KEY, sealSpan, tierOf, verifySpan } from "../src/span.ts"
import { encodeSpanEntries, openSpan } from "../src/span-entries.ts"
import { codeOf, deflate, spaceSecrets, spanOf } from "./fixture.ts"

const secrets = spaceSecrets("span")
const keys = { chainKey: secrets.chainKey, epochKey: secrets.epoch.key, deflate }
const bodies = ["one", "two", "three"].map((text) => new TextEncoder().encode(text))

test("[L1] what was sealed opens to the same entries, chained", () => {
  const entries = openSpan(verifySpan(spanOf(secrets, bodies)), keys)
  expect(entries.map((entry) => entry.body)).toEqual(bodies)
  expect(entries.map((entry) => entry.sequence)).toEqual([1, 2, 3])
  expect(entries[1]?.chainBefore).toEqual(entries[0]?.chain)
})

test("[R2] flipping any bit of any byte of a span makes it fail", () => {
  const span = spanOf(secrets, bodies)
  for (let i = 0; i < span.length; i++) {
    const flipped = Uint8Array.from(span)
    flipped[i] = (flipped[i] ?? 0) ^ (1 << (i % 8))
    expect(
      codeOf(() => verifySpan(flipped)),
      `byte ${i}`,
    ).toMatch(/^LOG_/)
  }
})

test("[R2] flipping any byte of a key span's clear part makes it fail", () => {
  const { chainBefore, chainEnd } = readSpan(spanOf(secrets, bodies)).header
  const clear = secrets.random.bytes(100)
  const span = sealSpan({
    kind: SPAN_KEY,
    space: secrets.tag,
    signer: secrets.signer,
    incarnation: secrets.incarnation,
    start: 1,
    end: 1,
    chainBefore,
    chainEnd,
    epoch: followsDigest([]),
    epochKey: secrets.epoch.key,
    clear,
    content: encodeSpanEntries([]),
    random: secrets.random,
    deflate,
  })
  expect(readSpan(span).clear).toEqual(clear)
  for (let i = 0; i < span.length; i += 3) {
    const flipped = Uint8Array.from(span)
    flipped[i] = (flipped[i] ?? 0) ^ 0x40
    expect(codeOf(() => verifySpan(flipped))).toMatch(/^LOG_/)
  }
})

test("[R2] even a writer who signs again cannot change the header of what somebody sealed", () => {
  const span = readSpan(spanOf(secrets, bodies))
  const fields = decodeCbor(span.headerBytes, { bytesMax: 512 })
  if (!Array.isArray(fields)) throw new TypeError("a header is an array")
  const other = generateSigningKey(secrets.random)
  const header = encodeCbor(fields.with(4, other.publicKey))
  const resigned = encodeCbor([
    header,
    span.clear,
    span.commitment,
    span.ciphertext,
    span.signature,
  ])
  expect(codeOf(() => verifySpan(resigned))).toBe("LOG_SIGNATURE")
  const forged = { ...span, headerBytes: header }
  // As if the signature had held: the seal still does not.
  expect(codeOf(() => openSpan(Object.assign(verifySpan(span.bytes), forged), keys))).toBe(
    "LOG_SEAL",
  )
})

test("another epoch's key and another chain key are refused", () => {
  const span = verifySpan(spanOf(secrets, bodies))
  const epochKey = epochKeySchema.decode(secrets.random.bytes(32))
  const chainKey = chainKeySchema.decode(secrets.random.bytes(32))
  expect(codeOf(() => openSpan(span, { ...keys, epochKey }))).toBe("LOG_SEAL")
  expect(codeOf(() => openSpan(span, { ...keys, chainKey }))).toBe("LOG_CHAIN")
})

test("[R14] a newer version or suite is told apart from nonsense", () => {
  const span = readSpan(spanOf(secrets, bodies))
  const rest = [span.clear, span.commitment, span.ciphertext, span.signature]
  expect(codeOf(() => readSpan(encodeCbor([encodeCbor([2, "new"]), ...rest])))).toBe("LOG_VERSION")
  expect(codeOf(() => readSpan(encodeCbor([encodeCbor([1, 7, 0]), ...rest])))).toBe("LOG_VERSION")
  expect(codeOf(() => readSpan(encodeCbor([encodeCbor([0]), ...rest])))).toBe("LOG_MALFORMED")
})

test("any bytes are refused with a code", () => {
  const span = spanOf(secrets, bodies)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(span.length), (noise, at) => {
      expect(codeOf(() => verifySpan(noise))).toMatch(/^LOG_/)
      const spliced = concatBytes([span.subarray(0, at), noise, span.subarray(at + noise.length)])
      expect(codeOf(() => verifySpan(spliced))).toMatch(/^LOG_|^ok$/)
    }),
  )
})

test("[R18] sealed sizes are those that padding allows", () => {
  const sizes = new Set<number>()
  for (let length = 0; length <= 3900; length += 13) {
    const { header, ciphertext } = readSpan(spanOf(secrets, [secrets.random.bytes(length)]))
    expect(ciphertext.length).toBe(header.paddedLength + 16)
    expect(paddedLength(header.paddedLength)).toBe(header.paddedLength)
    sizes.add(header.paddedLength)
  }
  expect(sizes.size).toBeLessThanOrEqual(12)
})

test("tiers go by number of entries, eightfold", () => {
  expect([1, 7, 8, 63, 64, 511, 512].map(tierOf)).toEqual([0, 0, 1, 1, 2, 2, 3])
})
