import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { canonicalJson } from "@fulcrum/codec/json"
import { sign } from "@fulcrum/crypto/ed25519"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  type Agreement,
  checkAgreement,
  exportAgreement,
  importAgreement,
  proposeAgreement,
  readAgreement,
  signAgreement,
} from "../src/agreement.ts"
import { AGREEMENT_IRI, AGREEMENT_OLD_IRI, AGREEMENTS, findAgreement } from "../src/agreements.ts"
import { decide } from "../src/policy.ts"
import { RelationsError } from "../src/relations-error.ts"
import { makeRequest, person, random, stranger, vendor } from "./parties.ts"

const request = makeRequest()
const disclosures = [
  { path: "card/emails/home", follows: true },
  { path: "card/addresses/home", follows: false },
]
const proposed = proposeAgreement({
  request,
  person: person.publicKey,
  disclosures,
  from: "2026-06-02",
  random,
})
const full = {
  bytes: proposed.bytes,
  personKey: person.publicKey,
  vendorKey: vendor.publicKey,
  personSignature: signAgreement(person, proposed.bytes),
  vendorSignature: signAgreement(vendor, proposed.bytes),
}

function changed(change: object): Uint8Array {
  return utf8ToBytes(canonicalJson(Object({ ...proposed.agreement, ...change })))
}

function codeOf(act: () => unknown): string {
  try {
    act()
    return "done"
  } catch (error) {
    if (error instanceof RelationsError) return error.code
    throw error
  }
}

describe("an agreement", () => {
  test("[RL8] says what was asked for and chosen, and no more", () => {
    expect(proposed.agreement).toMatchObject({
      v: 1,
      agreement: `${AGREEMENT_IRI}SD-BASE`,
      vendor: request.request.key,
      from: "2026-06-02",
      until: "2028-06-01",
      fields: [
        {
          path: "card/emails/home",
          purpose: "dpv:ServiceProvision",
          retention: "P2Y",
          until: "2028-06-01",
          follow: true,
        },
        { path: "card/addresses/home", purpose: "dpv:DeliveryOfGoods", follow: false },
      ],
    })
  })

  test("[RL8] is of this vendor's terms and fields only", () => {
    const propose = (change: object) =>
      codeOf(() =>
        proposeAgreement({
          request,
          person: person.publicKey,
          disclosures,
          from: "2026-06-02",
          random,
          ...change,
        }),
      )
    expect(propose({ terms: "SD-BY-A" })).toBe("done")
    expect(propose({ terms: "SD-BASE-ATP" })).toBe("AGREEMENT_MISMATCH")
    expect(propose({ terms: "SD-OTHER" })).toBe("AGREEMENT_UNKNOWN")
    expect(propose({ disclosures: [{ path: "card/phones/1", follows: true }] })).toBe(
      "DISCLOSURE_NOT_REQUESTED",
    )
    expect(propose({ disclosures: [{ path: "card/emails/home/address", follows: true }] })).toBe(
      "done",
    )
    expect(propose({ until: "2026-01-01" })).toBe("AGREEMENT_MALFORMED")
  })

  test("of a field that is not asked for says which are", () => {
    const message = (of: typeof request): string => {
      try {
        const choice = { disclosures: [{ path: "card/phones", follows: true }], random }
        const from = "2026-06-02"
        proposeAgreement({ request: of, person: person.publicKey, from, ...choice })
        return "done"
      } catch (error) {
        return error instanceof RelationsError ? error.message : "another error"
      }
    }
    const { fields } = request.request
    const paths = fields.map(({ path }) => path).join(", ")
    expect(message(request)).toBe(`card/phones: the vendor asks only for ${paths}`)
    const asked = { path: "card/name", purpose: "", retention: "", required: false, why: "" }
    const asking = (count: number): typeof request => ({
      ...request,
      request: { ...request.request, fields: Array.from({ length: count }, () => asked) },
    })
    expect(message(asking(10))).toMatch(/card\/name and 2 more$/)
    expect(message(asking(0))).toBe("card/phones: the vendor asks for no field")
  })

  test("[RL9] is signed by both, over the same bytes", () => {
    expect(checkAgreement(full)).toEqual(proposed.agreement)
    expect(codeOf(() => checkAgreement({ ...full, vendorSignature: undefined }))).toBe("done")
  })

  test.for<[string, object, string]>([
    [
      "another's signature",
      { personSignature: signAgreement(stranger, proposed.bytes) },
      "AGREEMENT_UNSIGNED",
    ],
    [
      "the sides' signatures swapped",
      { personSignature: full.vendorSignature },
      "AGREEMENT_UNSIGNED",
    ],
    [
      "a signature made for something else",
      { vendorSignature: sign("fulcrum/v1/relation-request", vendor, proposed.bytes) },
      "AGREEMENT_UNSIGNED",
    ],
    [
      "a signature of another agreement",
      { bytes: changed({ nonce: "AAAAAAAAAAAAAAAAAAAAAA" }) },
      "AGREEMENT_UNSIGNED",
    ],
    [
      "other terms",
      { bytes: changed({ agreement: `${AGREEMENT_IRI}SD-BASE-ATP` }) },
      "AGREEMENT_UNSIGNED",
    ],
    ["another vendor", { vendorKey: stranger.publicKey }, "AGREEMENT_MISMATCH"],
    ["another person", { personKey: stranger.publicKey }, "AGREEMENT_MISMATCH"],
    ["an unlisted member", { bytes: changed({ extra: 1 }) }, "AGREEMENT_MALFORMED"],
    ["no day", { bytes: changed({ from: "2026-02-30" }) }, "AGREEMENT_MALFORMED"],
    [
      "an end before its beginning",
      { bytes: changed({ until: "2026-06-01", fields: [] }) },
      "AGREEMENT_MALFORMED",
    ],
    [
      "a field twice",
      { bytes: changed({ fields: [proposed.agreement.fields[0], proposed.agreement.fields[0]] }) },
      "AGREEMENT_MALFORMED",
    ],
    [
      "white space",
      { bytes: utf8ToBytes(`${canonicalJson(Object(proposed.agreement))} `) },
      "AGREEMENT_MALFORMED",
    ],
  ])("[RL9] with %s is refused", ([, change, code]) => {
    expect(codeOf(() => checkAgreement({ ...full, ...change }))).toBe(code)
  })

  test("[RL7] any bytes are read or raise a coded error", () => {
    fc.assert(
      fc.property(
        fc.nat(proposed.bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const bytes = Uint8Array.from(proposed.bytes)
          bytes[at] = (bytes[at] ?? 0) ^ flip
          return codeOf(() => checkAgreement({ ...full, bytes })) !== "done"
        },
      ),
      { numRuns: 150 },
    )
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => codeOf(() => readAgreement(bytes)) !== "done"),
    )
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => codeOf(() => importAgreement(bytes)) !== "done"),
    )
  })
})

describe("an exported agreement", () => {
  const text = exportAgreement(full)
  const program = join(import.meta.dirname, "../../../docs/examples/check-agreement.mjs")
  const run = (input: string): { ok: boolean; said: string } => {
    try {
      const said = execFileSync(process.execPath, [program], { input, stdio: "pipe" })
      return { ok: true, said: said.toString() }
    } catch (error) {
      const said = error instanceof Error && "stderr" in error ? String(error.stderr) : "no answer"
      return { ok: false, said }
    }
  }

  test("[RL10] is read back with both signatures", () => {
    expect(importAgreement(utf8ToBytes(text))).toEqual(full)
  })

  test("[RL10] is checked by a short independent program", () => {
    const { ok, said } = run(text)
    expect(said).toContain("signed by both: https://w3id.org/dpv/standards/ieee/7012#SD-BASE")
    expect(ok).toBe(true)
  })

  test("[RL10] and a changed one is refused by it", () => {
    const forged = run(text.replace("P2Y", "P9Y"))
    expect(forged).toEqual({
      ok: false,
      said: "not a signed agreement: the person's signature is not right\n",
    })
  })
})

describe("the thirteen agreements", () => {
  test("are found by id, earlier id and IRI", () => {
    expect(AGREEMENTS).toHaveLength(13)
    const [base] = AGREEMENTS
    for (const name of ["SD-BASE", "SD-BY", `${AGREEMENT_IRI}SD-BASE`, `${AGREEMENT_OLD_IRI}SD-BY`])
      expect(findAgreement(name)).toBe(base)
    expect(codeOf(() => findAgreement("SD"))).toBe("AGREEMENT_UNKNOWN")
  })

  test("are those of the W3C extension", (ctx) => {
    const shared = process.env.FULCRUM_SHARED ?? join(import.meta.dirname, "../../../../shared")
    const file = join(shared, "corpora/ieee7012/agreements-table.json")
    if (!existsSync(file)) ctx.skip("../shared/corpora/ieee7012 is not there")
    const { agreements } = JSON.parse(readFileSync(file, "utf8"))
    const own = AGREEMENTS.map(({ id, terms, aliases }) =>
      aliases.length === 0 ? { id, ...terms } : { id, ...terms, aliases },
    )
    expect(own).toEqual(agreements)
  })
})

describe("a vendor's policy", () => {
  const ask = (change: Partial<Agreement>, today = "2026-06-02"): string => {
    const agreement = readAgreement(changed(change))
    const decision = decide({ request, agreement, accepted: ["SD-BASE"], today })
    return decision.outcome === "agreed" ? "agreed" : decision.code
  }
  const [email, address] = proposed.agreement.fields

  test("[RL11] agrees to what it asked for", () => {
    expect(ask({})).toBe("agreed")
    expect(ask({ fields: email === undefined ? [] : [email] })).toBe("agreed")
  })

  test.for<[string, Partial<Agreement>, string?]>([
    ["terms_not_accepted", { agreement: `${AGREEMENT_IRI}SD-BASE-A` }],
    ["terms_not_accepted", { agreement: "https://example.org/terms" }],
    ["request_unknown", { request: "A".repeat(43) }],
    ["vendor_mismatch", { vendor: proposed.agreement.person }],
    ["required_field_missing", { fields: address === undefined ? [] : [address] }],
    ["field_not_requested", { fields: [Object({ ...email, path: "card/phones/1" })] }],
    ["field_terms_differ", { fields: [Object({ ...email, retention: "P1D" })] }],
    ["terms_expired", {}, "2029-01-01"],
    ["terms_not_begun", {}, "2026-05-01"],
  ])("[RL11] refuses with %s", ([code, change, today]) => {
    expect(ask(change, today)).toBe(code)
  })
})
