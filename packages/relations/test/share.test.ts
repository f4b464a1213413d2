import { bytesToHex } from "@fulcrum/codec/bytes"
import { encodeCbor } from "@fulcrum/codec/cbor"
import { CodecError } from "@fulcrum/codec/codec-error"
import type { JsonValue } from "@fulcrum/codec/json"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { certifiedWriter, certifyWriter } from "../src/certificate.ts"
import { type PersonItem, personLane, vendorLane } from "../src/lane.ts"
import { Share } from "../src/share.ts"
import { person, random, stranger, vendor } from "./parties.ts"

const write = fc.record({
  path: fc.constantFrom("card/emails/home", "card/phones/1"),
  counter: fc.integer({ min: 1, max: 4 }),
  writer: fc.nat(2),
  sequence: fc.integer({ min: 1, max: 3 }),
})

function shareOf(
  writes: readonly { path: string; counter: number; writer: number; sequence: number }[],
) {
  const share = new Share()
  for (const { path, counter, writer, sequence } of writes) {
    // One entry writes a register once, so what wrote it decides its value.
    const value = `${writer}.${sequence}`
    share.apply(
      { path, value, counter },
      { writer: Uint8Array.of(writer), sequence, chain: Uint8Array.of(writer, sequence) },
    )
  }
  return [...share.registers.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

describe("a share", () => {
  test("[RL12] is the same whatever order its entries arrive in, and however often", () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 20 }), fc.array(fc.nat()), (drawn, order) => {
        // An entry has one counter for a register.
        const writes = [
          ...new Map(
            drawn.map((one) => [`${one.path} ${one.writer} ${one.sequence}`, one]),
          ).values(),
        ]
        const shuffled = writes
          .map((one, i) => ({ one, key: order[i % Math.max(1, order.length)] ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ one }) => one)
        expect(shareOf([...shuffled, ...shuffled.slice(0, 3)])).toEqual(shareOf(writes))
      }),
    )
  })

  const at = (writer: number) => ({
    writer: Uint8Array.of(writer),
    sequence: 1,
    chain: Uint8Array.of(writer),
  })

  test("[RL12] holds the greater counter, then a value, then the greater text", () => {
    const share = new Share()
    const apply = (counter: number, value: JsonValue | undefined, writer = 1) =>
      share.apply({ path: "card/uid", value, counter }, at(writer))
    expect(apply(2, undefined)).toBe(true)
    expect(apply(1, "a", 9)).toBe(false)
    expect(apply(2, "a")).toBe(true)
    expect(apply(2, undefined, 9)).toBe(false)
    expect(apply(2, "b")).toBe(true)
    expect(apply(2, "a", 9)).toBe(false)
    expect(share.registers.get("card/uid")).toMatchObject({ value: "b", counter: 2 })
  })

  test("[RL12] takes what is said again for the same, as far as its last entry", () => {
    for (const order of [
      [1, 2],
      [2, 1],
    ]) {
      const share = new Share()
      const changed = order.map((writer) =>
        share.apply({ path: "card/uid", value: "a", counter: 1 }, at(writer)),
      )
      expect(changed).toEqual([true, false])
      expect(share.registers.get("card/uid")?.by).toEqual(at(2))
    }
  })

  test("puts the value at a path together from what is at and below it", () => {
    const share = new Share()
    expect([share.at("card/emails"), share.valueAt("card/emails")]).toEqual([[], undefined])
    for (const [path, value] of [
      ["card/emails/home/address", "a@example.org"],
      ["card/emails/home/contexts", {}],
      ["card/emails/work/address", undefined],
      ["card/emails2", "no"],
      ["card/emails/a~1b/address", "c@example.org"],
    ] as const) {
      share.apply({ path, value, counter: 1 }, at(1))
    }
    expect(share.valueAt("card/emails")).toEqual({
      home: { address: "a@example.org", contexts: {} },
      "a/b": { address: "c@example.org" },
    })
    expect(share.valueAt("card/emails/home")).toEqual({ address: "a@example.org", contexts: {} })
    expect(share.valueAt("card/emails/work")).toBeUndefined()
    expect(share.at("card/emails/work")).toHaveLength(1)
    expect(share.valueAt("card")).toMatchObject({ emails2: "no" })
  })
})

const put = (value: unknown): PersonItem => ({
  kind: "put",
  value: { path: "card/emails/home", value: Object(value), counter: 1 },
})

describe("a lane", () => {
  test("[RL13] reads back what was written", () => {
    const items: PersonItem[] = [
      { kind: "put", value: { path: "card/name", value: { full: "Ada" }, counter: 7 } },
      { kind: "put", value: { path: "card/emails/home", counter: 8 } },
      {
        kind: "put",
        value: { path: "card/uid", value: "1", counter: 9, day: { from: "2026-12-15" } },
      },
      {
        kind: "move",
        value: {
          id: random.bytes(16),
          from: "2026-12-15",
          zone: "Europe/Berlin",
          before: [{ path: "card/name", value: { full: "Ida" } }],
        },
      },
    ]
    expect(personLane.decode(personLane.encode(items))).toEqual(items)
  })

  test.for(["__proto__", "constructor", "prototype"])(
    "[RL13] refuses %s as a key at any depth",
    (key) => {
      const bad = JSON.parse(`{"a": [{"b": {"${key}": 1}}]}`)
      expect(() => personLane.encode([put(bad)])).toThrow(CodecError)
      const inside = new Map([["a", [new Map([["b", new Map([[key, 1]])]])]]])
      const bytes = encodeCbor([[0, ["card/emails/home", inside, 1, null]]])
      expect(() => personLane.decode(bytes)).toThrow(
        expect.objectContaining({ code: "JSON_FORBIDDEN_KEY" }),
      )
      const path = encodeCbor([[0, [`card/${key}`, 1, 1, null]]])
      expect(() => personLane.decode(path)).toThrow(
        expect.objectContaining({ code: "SCHEMA_VALUE" }),
      )
    },
  )

  test.for<[string, () => unknown]>([
    [
      "a path that is not canonical",
      () => personLane.decode(encodeCbor([[0, ["card//x", 1, 1, null]]])),
    ],
    ["a counter of zero", () => personLane.decode(encodeCbor([[0, ["card", 1, 0, null]]]))],
    [
      "a day that the calendar lacks",
      () => personLane.decode(encodeCbor([[1, [new Uint8Array(16), "2026-02-30", null, []]]])),
    ],
    ["a value above its bounds", () => personLane.encode([put({ a: "x".repeat(70_000) })])],
    ["a value too deep", () => personLane.encode([put([[[[[[[[[1]]]]]]]]])])],
    [
      "an unknown rejection",
      () =>
        vendorLane.decode(
          encodeCbor([[2, [new Uint8Array(32), "rejected", "because", null, null]]]),
        ),
    ],
    ["too many items", () => personLane.encode(Array.from({ length: 2049 }, () => put(1)))],
  ])("[RL13] refuses %s", ([, act]) => {
    expect(act).toThrow(CodecError)
  })

  test("[RL13] passes over what a newer program says", () => {
    const agreed = { kind: "agreed", value: { signature: random.bytes(64) } } as const
    const bytes = encodeCbor([
      [99, "later"],
      [0, [agreed.value.signature]],
    ])
    expect(vendorLane.decode(bytes)).toEqual([agreed])
  })

  test("[RL7] reads any bytes or raises a coded error", () => {
    for (const lane of [personLane, vendorLane]) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
          try {
            lane.decode(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(CodecError)
          }
        }),
        { numRuns: 300 },
      )
    }
  })
})

describe("a writer's certificate", () => {
  const claim = {
    spaceTag: random.bytes(32),
    incarnation: random.bytes(16),
    writer: stranger.publicKey,
  }
  const keys = { person: person.publicKey, vendor: vendor.publicKey }

  test("[RL14] admits to its own side's lane", () => {
    expect(certifiedWriter(keys, claim, certifyWriter("person", person, claim))).toEqual({
      lane: "person",
      by: person.publicKey,
    })
    expect(certifiedWriter(keys, claim, certifyWriter("vendor", vendor, claim))).toEqual({
      lane: "vendor",
      by: vendor.publicKey,
    })
  })

  test("[RL14] is no use to anybody else, elsewhere, or in the other lane", () => {
    const certificate = certifyWriter("person", person, claim)
    const forged = [
      certifiedWriter(keys, claim, certifyWriter("person", stranger, claim)),
      certifiedWriter(keys, claim, certifyWriter("vendor", person, claim)),
      certifiedWriter({ ...keys, person: vendor.publicKey }, claim, certificate),
      certifiedWriter(keys, { ...claim, spaceTag: random.bytes(32) }, certificate),
      certifiedWriter(keys, { ...claim, incarnation: random.bytes(16) }, certificate),
      certifiedWriter(keys, { ...claim, writer: person.publicKey }, certificate),
      certifiedWriter(keys, claim, certificate.subarray(1)),
      certifiedWriter(keys, claim, new Uint8Array(0)),
    ]
    expect(forged).toEqual(forged.map(() => undefined))
    expect(bytesToHex(certificate)).toHaveLength(128)
  })
})
