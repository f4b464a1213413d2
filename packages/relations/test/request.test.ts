import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { canonicalJson } from "@fulcrum/codec/json"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { RelationsError } from "../src/relations-error.ts"
import { draftRequest, readRequest, requestHash, signRequest } from "../src/request.ts"
import { lintRequest } from "../src/request-lint.ts"
import { draft, makeRequest, stranger, vendor, vendorWrap } from "./parties.ts"

const signed = makeRequest()
const expected = { vendor: vendor.publicKey, requestHash: signed.hash }

/** The code that reading these bytes raises, whatever hash the invitation named. */
function codeOf(bytes: Uint8Array, by: Uint8Array = vendor.publicKey): string {
  try {
    readRequest(bytes, { vendor: by, requestHash: requestHash(bytes) })
    return "read"
  } catch (error) {
    if (error instanceof RelationsError) return error.code
    throw error
  }
}

function envelopeWith(change: (request: Record<string, unknown>) => void): Uint8Array {
  const envelope = JSON.parse(new TextDecoder().decode(signed.bytes))
  change(envelope.request)
  return utf8ToBytes(canonicalJson(envelope))
}

describe("a request", () => {
  test("[RL6] is read back as it was signed", () => {
    const read = readRequest(signed.bytes, expected)
    expect(read.request).toEqual({
      v: 1,
      ...draft,
      key: signed.request.key,
      wrap: signed.request.wrap,
      agreements: [
        "https://w3id.org/dpv/standards/ieee/7012#SD-BASE",
        "https://w3id.org/dpv/standards/ieee/7012#SD-BASE-A",
      ],
      made: "2026-06-01",
    })
    expect(read.wrap).toEqual(vendorWrap.publicKey)
  })

  test("[RL6] is only the one that the invitation names, by the vendor that it names", () => {
    expect(() => readRequest(makeRequest({ name: "Else" }).bytes, expected)).toThrow(
      expect.objectContaining({ code: "CONNECT_REQUEST_MISMATCH" }),
    )
    expect(codeOf(signed.bytes, stranger.publicKey)).toBe("REQUEST_UNSIGNED")
    expect(codeOf(envelopeWith((request) => (request.name = "Forged")))).toBe("REQUEST_UNSIGNED")
  })

  test("[RL6] must name its signer", () => {
    const own = { vendor: vendor.publicKey, wrap: vendorWrap.publicKey, made: "2026-06-01" }
    expect(() => signRequest(stranger, draftRequest(draft, own))).toThrow(
      expect.objectContaining({ code: "REQUEST_UNSIGNED" }),
    )
  })

  test.for<[string, unknown]>([
    ["a path of another kind", { path: "relationships/1/name" }],
    ["a path that is not canonical", { path: "card/emails//home" }],
    ["no purpose", { purpose: "" }],
    ["no retention", { retention: undefined }],
    ["a member of no meaning", { later: true }],
    ["a forbidden key", { path: "card/__proto__/x" }],
  ])("[RL6] with %s is refused", ([, change]) => {
    const own = { vendor: vendor.publicKey, wrap: vendorWrap.publicKey, made: "2026-06-01" }
    const [first] = draft.fields
    const fields = [{ ...first, ...Object(change) }]
    expect(() => draftRequest({ ...draft, fields }, own)).toThrow(
      expect.objectContaining({ code: "REQUEST_MALFORMED" }),
    )
  })

  test("[RL6] of a later version is told apart", () => {
    const later = { ...signed.request, v: 2 }
    // Signed rightly, by a program that knows more.
    expect(() => signRequest(vendor, Object(later))).toThrow(
      expect.objectContaining({ code: "REQUEST_VERSION" }),
    )
  })

  test("[RL7] any bytes are read or raise a coded error", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => codeOf(bytes) !== "read"))
    fc.assert(
      fc.property(fc.nat(signed.bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Uint8Array.from(signed.bytes)
        bytes[at] = (bytes[at] ?? 0) ^ flip
        return codeOf(bytes) !== "read"
      }),
      { numRuns: 200 },
    )
  })
})

describe("linting", () => {
  test("finds nothing in a good request", () => {
    expect(lintRequest(draft)).toEqual([])
    expect(lintRequest(signed.request)).toEqual([])
  })

  test("names every fault, field by field", () => {
    const found = lintRequest({
      name: "Müller",
      agreements: ["SD-NONE"],
      fields: [
        {
          path: "card/emials/home",
          purpose: "dpv:Marketing",
          retention: "P1Y",
          required: true,
          why: "x",
        },
        { path: "card/phones/1", required: true, why: "x" },
        { path: "card", purpose: "because", retention: "for ever", required: true, why: "x" },
      ],
    })
    expect(found.map(({ severity, pointer }) => `${severity} ${pointer}`)).toEqual([
      "error /agreements/0",
      "error /fields/0/path",
      "error /fields/1/purpose",
      "error /fields/1/retention",
      "warning /domain",
      "warning /fields/2/path",
      "warning /fields/2/purpose",
      "warning /fields/2/retention",
    ])
    expect(found[1]?.message).toContain("card/emails/home")
  })

  test("names every fault of the whole at once, each by its own name", () => {
    const errors = (json: unknown) =>
      lintRequest(json).flatMap(({ severity, pointer, message }) =>
        severity === "error" ? [`${pointer} ${message}`] : [],
      )
    expect(errors({})).toEqual(["/name not there", "/agreements not there", "/fields not there"])
    const [first] = draft.fields
    expect(
      errors({
        ...{ name: 7, domain: "no domain", agreements: ["SD-NONE"], colour: "blue", fields: {} },
      }),
    ).toEqual([
      "/colour a member of no meaning",
      "/name not a text",
      "/domain not of its form",
      "/fields not a list",
      expect.stringMatching(/^\/agreements\/0 /),
    ])
    expect(errors({ ...draft, agreements: ["SD-BASE", "SD-NO", "SD-NONE"] })).toEqual([
      expect.stringMatching(/^\/agreements\/1 /),
      expect.stringMatching(/^\/agreements\/2 /),
    ])
    expect(errors({ ...draft, fields: [{ ...first, "a/b": 1, why: 2 }, "card/name"] })).toEqual([
      "/fields/0/a~1b a member of no meaning",
      "/fields/0/why not a text",
      "/fields/1 not an object",
    ])
    expect(errors({ ...signed.request, key: "did:key:z", extra: 1 })).toEqual([
      "/extra a member of no meaning",
      "/key not a did:key",
    ])
    expect(errors({ ...signed.request, v: 2, extra: 1 })).toEqual(["/v needs a newer Fulcrum"])
  })

  test("warns of too many fields, and of all of them required", () => {
    const [first] = draft.fields
    const fields = Array.from({ length: 9 }, (_, i) => ({
      ...first,
      path: `card/emails/${i}`,
      required: true,
    }))
    expect(lintRequest({ ...draft, fields }).map(({ pointer }) => pointer)).toEqual([
      "/fields",
      "/fields",
    ])
  })

  test("[RL7] never throws", () => {
    fc.assert(fc.property(fc.anything(), (value) => lintRequest(value).length > 0))
  })
})
