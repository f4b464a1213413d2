import { describe, expect, test } from "vitest"
import { type LineEntry, lineState } from "../src/board.ts"
import { addDays, dayAt, isDay } from "../src/day.ts"
import { formatDisclosure, parseDisclosure, parseDisclosures } from "../src/disclosure.ts"
import { isFieldPath } from "../src/field-path.ts"
import type { Put, Receipt } from "../src/lane.ts"
import { levelOf } from "../src/levels.ts"
import { moveNote, planMove } from "../src/move.ts"
import { RelationsError } from "../src/relations-error.ts"
import {
  projectionEdits,
  readRelationshipDocument,
  relationshipEdits,
} from "../src/relationship-document.ts"
import { type EntryPosition, Share } from "../src/share.ts"
import { whoHas } from "../src/who-has.ts"

function codeOf(act: () => unknown): string {
  try {
    act()
    return "done"
  } catch (error) {
    if (error instanceof RelationsError) return error.code
    throw error
  }
}

describe("a disclosure", () => {
  test("[RL22] follows, unless it is given once", () => {
    expect(parseDisclosure("card/emails/home")).toEqual({ path: "card/emails/home", follows: true })
    const once = parseDisclosure("card/emails/home:once")
    expect(once).toEqual({ path: "card/emails/home", follows: false })
    expect(formatDisclosure(once)).toBe("card/emails/home:once")
  })

  test.for<[string, string]>([
    ["NOT_YET", "card/addresses/home/postcode:prefix2"],
    ["NOT_YET", "card/anniversaries/birth:over18"],
    ["NOT_YET", "card/emails/home:alias"],
    ["DISCLOSURE_INVALID", "card//home"],
    ["DISCLOSURE_INVALID", "relationships/1/name"],
    ["DISCLOSURE_INVALID", "card/__proto__"],
    ["DISCLOSURE_INVALID", ""],
  ])("[RL22] raises %s for %s", ([code, typed]) => {
    expect(codeOf(() => parseDisclosure(typed))).toBe(code)
  })

  test("[RL22] is given once for each field", () => {
    expect(codeOf(() => parseDisclosures(["card/name", "card/name:once"]))).toBe(
      "DISCLOSURE_INVALID",
    )
  })

  test("[RL22] never reaches her dealings with others", () => {
    const documents = ["card", "identities/1", "payments/1", "things/1", "preferences/x"]
    expect(documents.every(isFieldPath)).toBe(true)
    const private_ = [
      "relationships/1",
      "devices/1",
      "moves/1",
      "intents/1",
      "terms/x",
      "constructor",
    ]
    expect(private_.some(isFieldPath)).toBe(false)
  })
})

describe("levels", () => {
  test.for<[number, string[]]>([
    [1, []],
    [1, ["preferences/language"]],
    [2, ["card/emails/home:once"]],
    [3, ["card/emails/home", "card/addresses/home"]],
    [4, ["card/name:once", "card/emails/home:once"]],
    [5, ["card/name", "card/emails/home"]],
    [5, ["card"]],
  ])("%i for %j", ([level, typed]) => {
    expect(levelOf({ agreed: true, disclosures: parseDisclosures(typed) })).toBe(level)
    expect(levelOf({ agreed: false, disclosures: parseDisclosures(typed) })).toBe(0)
  })
})

describe("days", () => {
  test("are days of the calendar", () => {
    expect(["2028-02-29", "1970-01-01", "9999-12-31"].every(isDay)).toBe(true)
    const not = ["2026-02-29", "2026-13-01", "2026-1-1", "0000-01-01", "2026-01-01T00", "", "x"]
    expect(not.filter(isDay)).toEqual([])
  })

  test("are counted, and differ around the world", () => {
    expect(addDays("2026-12-31", 1)).toBe("2027-01-01")
    expect(addDays("9999-12-30", 30)).toBe("9999-12-31")
    const ms = Date.parse("2026-06-01T23:30:00Z")
    expect(dayAt(ms)).toBe("2026-06-01")
    expect(dayAt(ms, "Europe/Berlin")).toBe("2026-06-02")
    expect(dayAt(ms, "America/New_York")).toBe("2026-06-01")
    expect(dayAt(ms, "Nowhere/Atall")).toBe("2026-06-01")
  })
})

const entryBy = { writer: new Uint8Array(32), sequence: 1, chain: new Uint8Array(32).fill(5) }

describe("a move", () => {
  const relationships = [
    {
      id: "1",
      vendor: "Bank",
      agreed: true,
      disclosures: parseDisclosures(["card/addresses/home", "card/name"]),
    },
    { id: "2", vendor: "Books", agreed: true, disclosures: parseDisclosures(["card/addresses"]) },
    { id: "3", vendor: "Once", agreed: true, disclosures: parseDisclosures(["card/name:once"]) },
    { id: "4", vendor: "Asked", agreed: false, disclosures: parseDisclosures(["card/name"]) },
  ]
  const change = (path: string) => ({ path, before: "a", after: "b" })
  const plan = (paths: readonly string[], from?: string) =>
    planMove({ assignments: paths.map(change), from, today: "2026-12-01", relationships })

  test("[RL23] reaches those who follow a field that it touches, and nobody else", () => {
    const { gets, unaffected } = plan(["card/addresses/home/full", "card/phones/1"])
    expect(gets).toEqual([
      { relationship: "1", vendor: "Bank", paths: ["card/addresses/home"] },
      { relationship: "2", vendor: "Books", paths: ["card/addresses"] },
    ])
    expect(unaffected.map(({ vendor }) => vendor)).toEqual(["Once", "Asked"])
  })

  test.for<[readonly string[], string?]>([
    [[]],
    [["devices/1"]],
    [["card/name", "card/name/full"]],
    [["card/name"], "2026-11-30"],
    [["card/name"], "soon"],
  ])("[RL23] is refused with paths %j and day %s", ([paths, from]) => {
    expect(codeOf(() => plan(paths, from))).toBe("MOVE_INVALID")
  })

  test("[RL24] of name carries the name that the vendor holds, and of nothing else", () => {
    const share = new Share()
    share.apply({ path: "card/name", value: { full: "Ada Byron" }, counter: 1 }, entryBy)
    share.apply({ path: "card/emails/home", value: "a@example.org", counter: 1 }, entryBy)
    const id = new Uint8Array(16)
    const paths = ["card/emails/home", "card/name"]
    expect(moveNote({ id, from: "2026-12-15", zone: "Europe/Berlin", paths, share })).toEqual({
      id,
      from: "2026-12-15",
      zone: "Europe/Berlin",
      before: [{ path: "card/name", value: { full: "Ada Byron" } }],
    })
    expect(moveNote({ id, zone: "Europe/Berlin", paths, share: new Share() })).toEqual({
      id,
      before: [],
    })
    expect(codeOf(() => moveNote({ id, zone: "Mars", paths, share }))).toBe("MOVE_INVALID")
  })
})

describe("a line of the board", () => {
  const entry: LineEntry = {
    incarnation: new Uint8Array(16).fill(1),
    sequence: 5,
    chain: new Uint8Array(32).fill(5),
  }
  const relay = new Uint8Array(32).fill(7)
  const signer = new Uint8Array(32).fill(8)
  const relayed = { incarnation: entry.incarnation, start: 4, end: 6, signedBy: relay }
  const said = (sequence: number, state: Receipt["state"], more: Partial<Receipt> = {}) => ({
    receipt: { about: entry.chain, state, ...more },
    sequence,
    signedBy: signer,
  })
  const run = (input: Partial<Parameters<typeof lineState>[0]>) =>
    lineState({ entry, relayReceipts: [], vendorReceipts: [], ...input })

  test("[RL25] shows each state with its own signature, and skips those without", () => {
    expect(run({ entry: undefined }).state).toBe("planned")
    expect(run({}).state).toBe("sealed")
    const { steps, done } = run({
      relayReceipts: [relayed],
      vendorReceipts: [said(2, "applied"), said(1, "delivered")],
    })
    expect(steps).toEqual([
      { state: "planned", signedBy: undefined },
      { state: "sealed", signedBy: undefined },
      { state: "relayed", signedBy: relay },
      { state: "delivered", signedBy: signer },
      { state: "applied", signedBy: signer },
    ])
    expect(done).toBe(true)
  })

  test("[RL25] takes no receipt about something else", () => {
    const elsewhere = { ...relayed, incarnation: new Uint8Array(16) }
    const before = { ...relayed, start: 1, end: 4 }
    const other = said(1, "applied", { about: new Uint8Array(32) })
    expect(run({ relayReceipts: [elsewhere, before], vendorReceipts: [other] }).state).toBe(
      "sealed",
    )
  })

  test("[RL25] goes by the vendor's last word", () => {
    const rejected = said(2, "rejected", {
      code: "invalid_value",
      pointer: "/full",
      retry: "changed",
    })
    const line = run({ vendorReceipts: [rejected, said(1, "accepted")] })
    expect(line).toMatchObject({
      state: "rejected",
      code: "invalid_value",
      pointer: "/full",
      retry: "changed",
      done: true,
    })
    expect(run({ vendorReceipts: [rejected, said(3, "accepted")] })).toMatchObject({
      state: "accepted",
      code: undefined,
      done: false,
    })
  })
})

describe("who has it", () => {
  test("[RL26] names what shares hold, with the evidence", () => {
    const share = new Share()
    const told: { by: EntryPosition; puts: Put[] }[] = []
    const tell = (put: Put, by: EntryPosition) => {
      told.push({ by, puts: [put] })
      share.apply(put, by)
    }
    const later = { ...entryBy, sequence: 9, chain: new Uint8Array(32).fill(9) }
    tell({ path: "card/phones/1/number", value: "+49 1", counter: 1 }, entryBy)
    tell({ path: "card/phones/1/label", value: "desk", counter: 1 }, later)
    tell({ path: "card/phones/2/number", counter: 2 }, entryBy)
    tell({ path: "card/name", value: "Ada", counter: 1 }, entryBy)
    const relationship = {
      id: "1",
      vendor: "Bank",
      disclosures: [
        {
          path: "card/phones",
          purpose: "dpv:ServiceProvision",
          retention: "P1Y",
          until: "2027-01-01",
          follows: true,
          told: new Map(),
        },
      ],
      ...{ share, told },
      evidence: (chain: Uint8Array) =>
        chain[0] === 9 ? ("relayed" as const) : ("applied" as const),
    }
    expect(whoHas("card/phones/1", [relationship])).toEqual([
      {
        relationship: "1",
        vendor: "Bank",
        path: "card/phones",
        value: { 1: { label: "desk", number: "+49 1" } },
        purpose: "dpv:ServiceProvision",
        until: "2027-01-01",
        // As far as the least of what it was told with; the rest of it is there.
        evidence: "relayed",
        holds: { value: { 1: { number: "+49 1" } }, evidence: "applied" },
      },
    ])
    // Held, though no disclosure is known of it.
    expect(whoHas("card/name", [relationship])).toMatchObject([
      { path: "card/name", value: "Ada", purpose: "", evidence: "applied" },
    ])
    // Cleared, which the vendor does not say that it knows.
    tell({ path: "card/name", counter: 2 }, later)
    expect(whoHas("card/name", [relationship])).toMatchObject([
      { value: undefined, evidence: "relayed", holds: { value: "Ada", evidence: "applied" } },
    ])
    tell({ path: "card/name", counter: 2 }, { ...entryBy, sequence: 10, chain: new Uint8Array(32) })
    expect(whoHas("card/name", [relationship])).toEqual([])
    expect(whoHas("card/emails", [relationship])).toEqual([])
  })
})

describe("a relationship's document", () => {
  test("[RL27] reads what its edits wrote, and nothing that is not of its form", () => {
    const agreement = {
      v: 1,
      agreement: "https://w3id.org/dpv/standards/ieee/7012#SD-BASE",
      person: "",
      vendor: "",
      request: "",
      from: "2026-01-01",
      until: "2027-01-01",
      nonce: "",
      fields: [
        { path: "card/name", purpose: "p", retention: "r", until: "2027-01-01", follow: true },
      ],
    } as const
    const told = (mark: string) =>
      projectionEdits([{ path: "card/name", register: "r", mark }]).map(({ path }) => ({
        path,
        counter: 2,
        value: mark,
        others: [
          { counter: 2, value: "also" },
          { counter: 1, value: 7 },
        ],
      }))
    const registers = relationshipEdits({ name: "Bank", agreement }).flatMap((edit) =>
      edit.op === "set" ? [{ path: edit.path, value: edit.value, counter: 1, others: [] }] : [],
    )
    expect(readRelationshipDocument([...registers, ...told("mark")])).toEqual({
      name: "Bank",
      domain: undefined,
      state: "proffered",
      terms: agreement.agreement,
      disclosures: [
        {
          path: "card/name",
          purpose: "p",
          retention: "r",
          until: "2027-01-01",
          follows: true,
          told: new Map([["r", new Set(["mark", "also"])]]),
        },
      ],
    })
    const odd = [
      { path: ["disclosures", "no path", "told"], value: 1 },
      { path: ["disclosures", "card/name", "told", "r"], value: { a: 1 } },
      { path: ["disclosures", "card/name", "told", "r", "s"], value: "mark" },
      { path: ["disclosures"], value: [] },
      { path: ["state"], value: "lost" },
    ].map((one) => ({ ...one, counter: 1, others: [] }))
    for (const one of odd) expect(readRelationshipDocument([one]).state).toBe("proffered")
    expect(readRelationshipDocument(odd).disclosures).toMatchObject([
      { path: "card/name", purpose: "", told: new Map([["r", new Set()]]) },
    ])
  })
})
