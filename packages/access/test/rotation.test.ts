import { equalBytes } from "@fulcrum/codec/bytes"
import { decodeCbor, encodeCbor } from "@fulcrum/codec/cbor"
import type { CborValue } from "@fulcrum/codec/cbor-form"
import { seededRandom } from "@fulcrum/crypto/random"
import { generateWrapKey, type WrapKey } from "@fulcrum/crypto/wrap"
import { type EpochKey, idKey } from "@fulcrum/log/ids"
import { followsDigest } from "@fulcrum/log/span"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { AccessError } from "../src/access-error.ts"
import { type KeyBody, type KnownEpoch, readKeyBody } from "../src/key-body.ts"
import { DEVICES_BY_WORDS_MAX, DEVICES_MAX, type MembershipEntry } from "../src/member-state.ts"
import { hasRoom, reduceMembership } from "../src/membership.ts"
import {
  auditWraps,
  decodeRemovedNotice,
  encodeRemovedNotice,
  makeKeySpanParts,
  openKeySpan,
} from "../src/rotation.ts"
import { add, device, entry, epoch, epochKey, recovery, remove, words } from "./key-history.ts"

const random = seededRandom("rotation")
/** As many as a hostile device could let in at once. */
const spies = Array.from({ length: 64 }, (_, i) => add(`spy ${i}`))
const genesis = epoch("a")
const history = [
  entry("a by phone", add("phone"), words("words one")),
  entry("b < a by phone", add("laptop")),
  entry("c < b by phone", add("tablet")),
  entry("d < c by phone", remove("tablet")),
  entry("e < d by phone", add("watch")),
]
const spans = history.map((made, i) => spanOf(made, history.slice(0, i)))

/** A key span of the line, as its author makes it. */
function spanOf(made: MembershipEntry, before: readonly MembershipEntry[]) {
  const membership = reduceMembership(before, genesis)
  const key = keyOf(made)
  const previousKeys = made.follows.map((id) => ({ id, key: keyFor(id) }))
  const { changes } = made
  const parts = makeKeySpanParts({ membership, changes, epochKey: key, previousKeys, random })
  return { ...parts, digest: followsDigest(parts.follows), membership, key, id: made.epoch }
}

function keyOf(made: MembershipEntry): EpochKey {
  return epochKey(idKey(made.epoch))
}

function keyFor(id: Uint8Array): EpochKey {
  return epochKey(idKey(id))
}

function openAs(key: WrapKey, at: number): EpochKey | undefined {
  const span = spans[at]
  const found = span && openKeySpan({ clear: span.clear, follows: span.digest, key })
  return found === "removed" ? undefined : found
}

function bodyOf(at: number): KeyBody {
  const span = spans[at]
  if (span === undefined) throw new RangeError("no such span")
  return readKeyBody(span.body, span.digest)
}

function audit(at: number, clear: Uint8Array | undefined) {
  const span = spans[at]
  if (span === undefined || clear === undefined) throw new RangeError("no such span")
  return auditWraps({ membership: span.membership, clear, body: bodyOf(at), epochKey: span.key })
}

function wrapsOf(at: number): CborValue[][] {
  const [wraps] = decodeCbor(spans[at]?.clear ?? new Uint8Array(0), { bytesMax: 1e6 }) as [
    CborValue[][],
  ]
  return wraps
}

describe("key spans", () => {
  test("[A8] give the key to each member and to the words, and to nobody else", () => {
    for (const name of ["phone", "laptop", "watch"]) {
      expect(openAs(device(name).wrap, 4)).toEqual(spans[4]?.key)
    }
    expect(openAs(recovery("words one").wrap, 4)).toEqual(spans[4]?.key)
    expect(openAs(generateWrapKey(random), 4)).toBeUndefined()
  })

  test("[A8] a removed device cannot open the key span that removes it, nor a later one", () => {
    expect(openAs(device("tablet").wrap, 2)).toEqual(spans[2]?.key)
    expect(openAs(device("tablet").wrap, 3)).toBeUndefined()
    expect(openAs(device("tablet").wrap, 4)).toBeUndefined()
  })

  test("[A9] an added device reaches every earlier epoch from the newest", () => {
    const known = new Map<string, EpochKey>()
    const newest = openAs(device("watch").wrap, 4)
    if (newest === undefined) throw new TypeError("the watch has no key")
    const queue: KnownEpoch[] = [{ id: epoch("e"), key: newest }]
    for (const { id, key } of queue) {
      known.set(idKey(id), key)
      const at = spans.findIndex((span) => equalBytes(span.id, id))
      queue.push(...bodyOf(at).previousKeys)
    }
    expect(known.size).toBe(5)
    for (const { id, key } of spans) expect(known.get(idKey(id))).toEqual(key)
  })

  test("[A10] hold a multiple of eight wraps of one size, in no order of members", () => {
    for (const at of spans.keys()) {
      const wraps = wrapsOf(at)
      expect(wraps).toHaveLength(8)
      expect(
        new Set(wraps.map((fields) => fields.map((it) => (it as Uint8Array).length).join())),
      ).toEqual(new Set(["16,1168"]))
      const tags = wraps.map(([tag]) => idKey(tag as Uint8Array))
      expect(tags).toEqual(tags.toSorted())
    }
    const many = Array.from({ length: 8 }, (_, i) => add(`device ${i}`))
    const span = spanOf(entry("a by device 0", ...many, words("words one")), [])
    const [wraps] = decodeCbor(span.clear, { bytesMax: 1e6 }) as [CborValue[]]
    expect(wraps).toHaveLength(16)
  })

  test("[A11] follow the heads and carry their keys", () => {
    const span = spans[1]
    if (span === undefined) throw new RangeError("no span")
    const other = followsDigest([epoch("z")])
    expect(() => readKeyBody(span.body, other)).toThrow(
      expect.objectContaining({ code: "ACCESS_FOLLOWS_MISMATCH" }),
    )
    const made = { membership: span.membership, changes: [], epochKey: span.key, random }
    expect(() => makeKeySpanParts({ ...made, previousKeys: [] })).toThrow(RangeError)
  })

  test("[A11] a certificate that its device did not sign is refused", () => {
    const [phone, spy] = [add("phone"), add("spy")]
    if (phone.kind !== "add" || spy.kind !== "add") throw new TypeError("no certificates")
    const certificate = { ...phone.value.certificate, wrap: spy.value.certificate.wrap }
    const span = spanOf(entry("a by phone", { kind: "add", value: { certificate } }), [])
    expect(() => readKeyBody(span.body, span.digest)).toThrow(
      expect.objectContaining({ code: "ACCESS_CERTIFICATE_INVALID" }),
    )
  })
})

describe("the auditor", () => {
  test("[A12] is content with what honest devices make", () => {
    for (const [at, span] of spans.entries()) {
      expect(audit(at, span.clear)).toEqual({ isRight: true, missing: [], foreign: 0 })
    }
  })

  test("[A12] names a member whose wrap is missing", () => {
    const wraps = wrapsOf(4)
    const missing = wraps.map((_, without) =>
      audit(4, encodeCbor([wraps.filter((__, i) => i !== without)])),
    )
    for (const result of missing) expect(result.isRight).toBe(false)
    const named = missing.flatMap((result) => result.missing)
    expect(named).toHaveLength(4)
    expect(named).toContain("recovery")
    expect(named).toContainEqual(device("watch").id)
  })

  test("[A12] counts a foreign wrap, in place of padding or beside it", () => {
    const stranger = generateWrapKey(random)
    const spy = spanOf(entry("a by phone", add("phone"), add("spy")), [])
    const [foreign] = decodeCbor(spy.clear, { bytesMax: 1e6 }) as [CborValue[]]
    expect(openAs(stranger, 4)).toBeUndefined()
    const beside = audit(4, encodeCbor([[...wrapsOf(4), foreign[0] ?? null]]))
    expect(beside).toMatchObject({ isRight: false, missing: [], foreign: 1 })
    const replaced = wrapsOf(4).map((_, at) =>
      audit(4, encodeCbor([wrapsOf(4).map((wrap, i) => (i === at ? (foreign[0] ?? null) : wrap))])),
    )
    for (const result of replaced) expect(result).toMatchObject({ isRight: false, foreign: 1 })
  })

  test("[A40] whoever the changes remove finds the mark, which the audit expects", () => {
    const found = (at: number, key: WrapKey) => {
      const span = spans[at]
      return span && openKeySpan({ clear: span.clear, follows: span.digest, key })
    }
    expect(found(3, device("tablet").wrap)).toBe("removed")
    expect(found(4, device("tablet").wrap)).toBeUndefined()
    expect(found(3, generateWrapKey(random))).toBeUndefined()
    expect(audit(3, spans[3]?.clear)).toMatchObject({ isRight: true })
    const without = wrapsOf(3).map((_, at) =>
      audit(3, encodeCbor([wrapsOf(3).filter((_, i) => i !== at)])),
    )
    expect(without.flatMap(({ missing }) => missing)).toContainEqual(device("tablet").id)
    expect(without.every(({ isRight }) => !isRight)).toBe(true)
  })

  test("[A12] notices a member who was given another key", () => {
    const span = spans[4]
    if (span === undefined) throw new RangeError("no span")
    const { membership, clear, body } = span
    const wrong = auditWraps({
      membership,
      clear,
      body: readKeyBody(body, span.digest),
      epochKey: epochKey("another"),
    })
    expect(wrong).toMatchObject({ isRight: false, foreign: 8 })
    expect(wrong.missing).toHaveLength(4)
    const repeated = audit(4, encodeCbor([[...wrapsOf(4), wrapsOf(4)[0] ?? null]]))
    expect(repeated.isRight).toBe(false)
  })
})

describe("bytes from outside", () => {
  test("[A20] any bytes decode or raise a coded error", () => {
    const key = device("phone").wrap
    const span = spans[4]
    if (span === undefined) throw new RangeError("no span")
    const readers = [
      (bytes: Uint8Array) => openKeySpan({ clear: bytes, follows: span.digest, key }),
      (bytes: Uint8Array) => readKeyBody(bytes, span.digest),
      decodeRemovedNotice,
    ]
    const originals = [span.clear, span.body, encodeRemovedNotice({ removed: device("phone").id })]
    for (const [i, read] of readers.entries()) {
      const original = originals[i] ?? new Uint8Array(0)
      const changed = fc
        .tuple(fc.nat({ max: original.length - 1 }), fc.integer({ min: 1, max: 255 }))
        .map(([at, by]) => original.map((byte, j) => (j === at ? byte ^ by : byte)))
      fc.assert(
        fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed), (bytes) => {
          try {
            read(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(AccessError)
          }
        }),
        { numRuns: i === 0 ? 20 : 100 },
      )
    }
  })

  test("[A13] a notice says who is removed, and by whom", () => {
    const [removed, by] = [device("tablet").id, device("phone").id]
    expect(decodeRemovedNotice(encodeRemovedNotice({ removed, by }))).toEqual({ removed, by })
    expect(decodeRemovedNotice(encodeRemovedNotice({ removed }))).toEqual({ removed })
  })
})

test("[A5] however many devices somebody lets in, each can be removed, and the words can let in another", () => {
  const filled = [
    entry("a by phone", add("phone"), add("tablet"), words("words one")),
    entry("b < a by tablet", ...spies),
    entry("c < b by tablet", add("one more")),
  ]
  const full = reduceMembership(filled, genesis)
  expect(full.devices).toHaveLength(DEVICES_MAX)
  expect(hasRoom(full)).toBe(false)
  const previousKeys = full.heads.map((id) => ({ id, key: keyFor(id) }))
  const made = { membership: full, epochKey: epochKey("d"), previousKeys, random }
  const removal = makeKeySpanParts({ ...made, changes: [remove("tablet")] })
  expect(decodeCbor(removal.clear, { bytesMax: 1 << 20, depthMax: 4 })).toMatchObject([
    expect.objectContaining({ length: 64 }),
  ])
  const found = openKeySpan({
    clear: removal.clear,
    follows: followsDigest(removal.follows),
    key: device("phone").wrap,
  })
  expect(found).toEqual(epochKey("d"))

  const restored = [
    ...filled,
    ...Array.from({ length: 9 }, (_, i) =>
      entry(`w${i} < ${i === 0 ? "c" : `w${i - 1}`} by words one`, add(`new ${i}`)),
    ),
  ]
  const more = reduceMembership(restored, genesis)
  expect(more.devices).toHaveLength(DEVICES_BY_WORDS_MAX)
  const heads = more.heads.map((id) => ({ id, key: keyFor(id) }))
  const last = { ...made, membership: more, previousKeys: heads }
  const removals = spies.slice(0, 3).map((_, i) => remove(`spy ${i}`))
  expect(() => makeKeySpanParts({ ...last, changes: removals })).not.toThrow()
})
