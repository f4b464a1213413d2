import { bytesToHex } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { type BookEntry, Books } from "../src/books.ts"
import type { MoveNote, PersonItem, Receipt } from "../src/lane.ts"
import { judgeEntry } from "../src/policy.ts"
import type { EntryPosition } from "../src/share.ts"
import { webhookEvent, webhookId } from "../src/webhook-event.ts"

const PATH = "card/addresses/home"
const at = (lane: number, sequence: number): EntryPosition => ({
  writer: new Uint8Array(32).fill(lane),
  sequence,
  chain: new Uint8Array(32).fill(lane * 100 + sequence),
})

function write(
  sequence: number,
  value: JsonValue | undefined,
  move?: { readonly from?: string; readonly zone?: string },
): BookEntry {
  const note: MoveNote = { id: new Uint8Array(16).fill(sequence), before: [], ...move }
  const day = move?.from === undefined ? undefined : { from: move.from, zone: move.zone }
  const put = { path: PATH, value, counter: sequence, day }
  const items: PersonItem[] = [{ kind: "put", value: put }]
  if (move !== undefined) items.push({ kind: "move", value: note })
  return { lane: "person", by: at(1, sequence), items }
}

function answer(sequence: number, about: number, receipt: Omit<Receipt, "about">): BookEntry {
  const value = { about: at(1, about).chain, ...receipt }
  return { lane: "vendor", by: at(2, sequence), items: [{ kind: "receipt", value }] }
}

function booksOf(entries: readonly BookEntry[]): Books {
  const books = new Books([PATH])
  for (const entry of entries) books.apply(entry)
  return books
}

const noon = (day: string): number => Date.parse(`${day}T12:00:00Z`)

describe("a vendor's books", () => {
  test("[RL17] hold the newest value, and know cleared from never there", () => {
    const books = booksOf([write(1, "old"), write(2, "new")])
    expect(books.fields(noon("2026-01-01")).get(PATH)).toMatchObject({
      value: "new",
      held: true,
    })
    books.apply(write(3, undefined))
    expect(books.fields(noon("2026-01-01")).get(PATH)).toMatchObject({
      value: undefined,
      held: true,
    })
    expect(books.fields(noon("2026-01-01")).has("card/phones/1")).toBe(false)
  })

  test("[RL18] keep the old value until a move's day in the person's time zone", () => {
    const move = { from: "2026-12-15", zone: "Pacific/Auckland" }
    const books = booksOf([write(1, "old"), write(2, "new", move)])
    const valueAt = (ms: number) => books.fields(ms).get(PATH)?.value
    // Auckland is 13 hours ahead then.
    expect(valueAt(Date.parse("2026-12-14T10:59:59Z"))).toBe("old")
    expect(valueAt(Date.parse("2026-12-14T11:00:00Z"))).toBe("new")
    expect(books.fields(noon("2026-12-01")).get(PATH)?.pending).toMatchObject([
      { value: "new", from: "2026-12-15", zone: "Pacific/Auckland" },
    ])
    expect(books.changesOf(at(1, 2).chain, noon("2026-12-01"))).toEqual([
      { path: PATH, value: "new", previous: "old", effective: "2026-12-15" },
    ])
  })

  test("[RL18] let a later change take the place of a move that has not come", () => {
    const books = booksOf([
      write(1, "old"),
      write(2, "new", { from: "2026-12-15" }),
      write(3, "stay"),
    ])
    expect(books.fields(noon("2026-12-01")).get(PATH)).toMatchObject({
      value: "stay",
      pending: [],
    })
    expect(books.fields(noon("2026-12-20")).get(PATH)).toMatchObject({ value: "stay" })
  })

  test("[RL17] leave out what was rejected, until it is accepted after all", () => {
    const entries = [
      write(1, "old"),
      write(2, "new"),
      answer(1, 2, { state: "delivered" }),
      answer(2, 2, { state: "rejected", code: "no_match", retry: "later" }),
    ]
    const books = booksOf(entries)
    expect(books.fields(noon("2026-01-01")).get(PATH)?.value).toBe("old")
    expect(books.unanswered("applied").map(({ by }) => by.sequence)).toEqual([1])
    books.apply(answer(3, 2, { state: "accepted" }))
    expect(books.fields(noon("2026-01-01")).get(PATH)?.value).toBe("new")
  })

  test("[RL19] name what is still to be answered", () => {
    const books = booksOf([write(1, "a"), write(2, "b", { from: "2026-12-15" })])
    const open = (state: "delivered" | "accepted" | "applied") =>
      books.unanswered(state).map(({ by }) => by.sequence)
    expect([open("delivered"), open("accepted"), open("applied")]).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ])
    books.apply(answer(1, 1, { state: "delivered" }))
    books.apply(answer(2, 1, { state: "accepted" }))
    books.apply(answer(3, 2, { state: "accepted" }))
    expect([open("delivered"), open("accepted"), open("applied")]).toEqual([[2], [], [1, 2]])
    expect(books.due(noon("2026-12-01")).map(({ by }) => by.sequence)).toEqual([1])
    expect(books.due(noon("2026-12-15")).map(({ by }) => by.sequence)).toEqual([1, 2])
    books.apply(answer(4, 1, { state: "applied" }))
    expect(open("applied")).toEqual([2])
  })

  test("[RL12] are the same whatever order the entries arrive in, and however often", () => {
    const entries = [
      write(1, "a"),
      write(2, "b", { from: "2026-12-15" }),
      write(3, "c"),
      answer(1, 1, { state: "delivered" }),
      answer(2, 3, { state: "rejected", code: "other" }),
      answer(3, 3, { state: "accepted" }),
      answer(4, 2, { state: "accepted" }),
      answer(5, 1, { state: "rejected", code: "no_match" }),
    ]
    const view = (books: Books) => [
      books.state,
      [...books.fields(noon("2026-12-01"))],
      [...books.fields(noon("2026-12-20"))],
      books.personEntries().map(({ by, states }) => [by.sequence, [...states].sort()]),
    ]
    fc.assert(
      fc.property(
        fc.shuffledSubarray(entries, { minLength: entries.length }),
        fc.subarray(entries),
        (shuffled, again) => {
          expect(view(booksOf([...shuffled, ...again]))).toEqual(view(booksOf(entries)))
        },
      ),
    )
  })

  describe("of a field with several registers", () => {
    const FIELD = "card/emails"
    /** Counter and value of each register, and its day. */
    type Cells = Readonly<Record<string, readonly [number, JsonValue | undefined, string?]>>
    const tell = (
      sequence: number,
      cells: Cells,
      more: { readonly writer?: number; readonly move?: { readonly from: string } } = {},
    ): BookEntry => {
      const { writer = 1, move } = more
      const items: PersonItem[] = Object.entries(cells).map(([name, [counter, value, from]]) => ({
        kind: "put",
        value: { path: `${FIELD}/${name}`, counter, value, day: from ? { from } : undefined },
      }))
      const id = new Uint8Array(16).fill(sequence)
      if (move) items.push({ kind: "move", value: { id, before: [], ...move } })
      return { lane: "person", by: at(writer, sequence), items }
    }
    const booksOf = (...entries: BookEntry[]) => {
      const books = new Books([FIELD])
      for (const entry of entries) books.apply(entry)
      return books
    }
    const today = noon("2026-12-01")
    const first: Cells = { "home/address": [1, "a@x.org"], "work/address": [1, "b@x.org"] }
    const home = (address: string) => ({ home: { address }, work: { address: "b@x.org" } })

    test("[RL17] put it together, and tell it whole", () => {
      const books = booksOf(tell(1, first))
      expect(books.changesOf(at(1, 1).chain, today)).toEqual([
        { path: FIELD, value: home("a@x.org"), previous: undefined, effective: undefined },
      ])
      books.apply(tell(2, { ...first, "home/address": [2, "c@x.org"] }))
      expect(books.fields(today).get(FIELD)).toMatchObject({ value: home("c@x.org"), held: true })
      expect(books.changesOf(at(1, 2).chain, today)).toEqual([
        { path: FIELD, value: home("c@x.org"), previous: home("a@x.org"), effective: undefined },
      ])
      books.apply(tell(3, { "home/address": [3, undefined], "work/address": [2, undefined] }))
      expect(books.fields(today).get(FIELD)).toMatchObject({ value: undefined, held: true })
    })

    test("[RL21] have nothing to tell of what two devices said alike, or what is older", () => {
      const books = booksOf(tell(1, first), tell(2, first, { writer: 3 }))
      expect(books.changesOf(at(3, 2).chain, today)).toEqual([])
      books.apply(tell(3, { ...first, "home/address": [3, "c@x.org"] }))
      books.apply(tell(4, { ...first, "home/address": [2, "old@x.org"] }, { writer: 3 }))
      expect(books.changesOf(at(3, 4).chain, today)).toEqual([])
    })

    test("[RL17] have all of it by a later entry, though the one between was rejected", () => {
      const books = booksOf(
        tell(1, first),
        tell(2, { ...first, "home/address": [2, "c@x.org"] }),
        answer(1, 2, { state: "rejected", code: "crm_unavailable", retry: "later" }),
      )
      expect(books.fields(today).get(FIELD)?.value).toEqual(home("a@x.org"))
      books.apply(tell(3, { "home/address": [2, "c@x.org"], "work/address": [2, "d@x.org"] }))
      const both = { home: { address: "c@x.org" }, work: { address: "d@x.org" } }
      expect(books.changesOf(at(1, 3).chain, today)).toMatchObject([
        { value: both, previous: home("a@x.org") },
      ])
    })

    test("[RL18] hold what has no day at once, and keep a day that is said again", () => {
      const moved: Cells = { ...first, "home/address": [2, "new@x.org", "2026-12-15"] }
      const move = { from: "2026-12-15" }
      const books = booksOf(tell(1, first), tell(2, moved, { move }))
      const field = (ms: number) => books.fields(ms).get(FIELD)
      expect(field(today)).toMatchObject({
        value: home("a@x.org"),
        pending: [{ value: home("new@x.org"), from: "2026-12-15" }],
      })
      books.apply(tell(3, { ...moved, "work/address": [2, "d@x.org"] }))
      const between = { home: { address: "a@x.org" }, work: { address: "d@x.org" } }
      expect(field(today)?.value).toEqual(between)
      expect(books.changesOf(at(1, 3).chain, today)).toMatchObject([{ value: between }])
      const after = { home: { address: "new@x.org" }, work: { address: "d@x.org" } }
      expect(field(today)?.pending).toMatchObject([{ value: after }])
      const onTheDay = noon("2026-12-15")
      expect(field(onTheDay)).toMatchObject({ value: after, pending: [] })
      expect(books.changesOf(at(1, 2).chain, onTheDay)).toMatchObject([
        { value: after, previous: between, effective: "2026-12-15" },
      ])
    })

    test("[RL18] [RL21] tell what a day brings once, after what was told before", () => {
      const move = { from: "2026-12-15" }
      const books = booksOf(
        tell(1, first),
        tell(2, { "home/address": [2, "c@x.org", "2026-12-15"] }, { move }),
        tell(3, { "home/address": [3, "d@x.org", "2026-12-15"] }, { move }),
        tell(4, { "work/address": [2, "e@x.org", "2026-12-15"] }, { move }),
      )
      const day = noon("2026-12-16")
      const untold = new Set([2, 3, 4].map((sequence) => bytesToHex(at(1, sequence).chain)))
      const told = (sequence: number) => {
        const { chain } = at(1, sequence)
        const changes = books.changesOf(chain, day, (entry) => untold.has(entry))
        if (changes.length > 0) untold.delete(bytesToHex(chain))
        return changes
      }
      const work = { home: { address: "d@x.org" }, work: { address: "e@x.org" } }
      // Something newer has overtaken it.
      expect(told(2)).toEqual([])
      expect(told(3)).toMatchObject([{ value: home("d@x.org"), previous: home("a@x.org") }])
      expect(told(4)).toMatchObject([{ value: work, previous: home("d@x.org") }])
    })

    test("[RL18] do not tell of a day before it, though what has it is said again", () => {
      const books = booksOf(tell(1, first))
      const again: Cells = {
        "home/address": [2, "new@x.org", "2026-12-15"],
        "work/address": [2, "d@x.org"],
      }
      books.apply(tell(2, again))
      const value = { home: { address: "a@x.org" }, work: { address: "d@x.org" } }
      expect(books.changesOf(at(1, 2).chain, today)).toMatchObject([{ value }])
      expect(books.fields(today).get(FIELD)?.value).toEqual(value)
    })

    test("[RL18] have two moves of one field each on its day", () => {
      const books = booksOf(
        tell(1, first),
        tell(2, { "home/address": [2, "c@x.org", "2026-12-15"] }, { move: { from: "2026-12-15" } }),
        tell(
          3,
          {
            "home/address": [2, "c@x.org", "2026-12-15"],
            "work/address": [2, "d@x.org", "2026-12-20"],
          },
          { move: { from: "2026-12-20" } },
        ),
      )
      const both = { home: { address: "c@x.org" }, work: { address: "d@x.org" } }
      const at15 = noon("2026-12-16")
      expect(books.fields(today).get(FIELD)).toMatchObject({
        value: home("a@x.org"),
        pending: [{ value: home("c@x.org") }, { value: both }],
      })
      expect(books.fields(at15).get(FIELD)?.value).toEqual(home("c@x.org"))
      expect(books.changesOf(at(1, 2).chain, at15)).toMatchObject([
        { value: home("c@x.org"), previous: home("a@x.org") },
      ])
      expect(books.changesOf(at(1, 3).chain, noon("2026-12-20"))).toMatchObject([
        { value: both, previous: home("c@x.org") },
      ])
    })
  })

  test("[RL20] say agreed or refused as the vendor's lane does", () => {
    const signature = new Uint8Array(64)
    const agreed: BookEntry = {
      lane: "vendor",
      by: at(2, 1),
      items: [{ kind: "agreed", value: { signature } }],
    }
    const refused: BookEntry = {
      lane: "vendor",
      by: at(2, 1),
      items: [{ kind: "refused", value: { code: "terms_not_accepted", reason: "" } }],
    }
    expect(new Books([PATH]).state).toBe("proffered")
    expect(booksOf([agreed]).state).toBe("agreed")
    expect(booksOf([refused]).state).toBe("refused")
    expect(booksOf([agreed]).apply(agreed)).toBe(false)
  })
})

describe("judging an entry", () => {
  const agreement = {
    v: 1,
    agreement: "",
    person: "",
    vendor: "",
    request: "",
    from: "2026-01-01",
    until: "2026-12-31",
    nonce: "",
    fields: [
      { path: PATH, purpose: "p", retention: "r", until: "2026-06-30", follow: true },
      { path: "card/name", purpose: "p", retention: "r", until: "2026-12-31", follow: true },
    ],
  } as const
  const judge = (path: string, today: string) => {
    const items: PersonItem[] = [{ kind: "put", value: { path, value: 1, counter: 1 } }]
    const judgement = judgeEntry({ agreement, items, today })
    return judgement.outcome === "accepted" ? "accepted" : judgement.code
  }

  test("[RL11] accepts agreed fields while they last", () => {
    expect(judge(PATH, "2026-06-30")).toBe("accepted")
    expect(judge(PATH, "2026-07-01")).toBe("terms_expired")
    expect(judge("card/name", "2026-07-01")).toBe("accepted")
    expect(judge("card/name", "2027-01-01")).toBe("terms_expired")
    expect(judge("card/phones/1", "2026-01-01")).toBe("field_not_agreed")
    expect(judge(`${PATH}/street`, "2026-06-30")).toBe("accepted")
    expect(judge(`${PATH}-2`, "2026-01-01")).toBe("field_not_agreed")
    expect(judge("card/addresses", "2026-01-01")).toBe("field_not_agreed")
  })
})

describe("a webhook event", () => {
  const cause = {
    type: "share.changed",
    relationship: new Uint8Array(16).fill(1),
    writer: new Uint8Array(32).fill(2),
    sequence: 7,
    agreement: "https://w3id.org/dpv/standards/ieee/7012#SD-BASE",
    timestampMs: Date.parse("2026-12-01T09:30:00Z"),
    changes: [
      {
        path: PATH,
        value: { full: "New 1" },
        previous: { full: "Old 1" },
        effective: "2026-12-15",
      },
      { path: "card/phones/1", value: undefined, previous: undefined, effective: undefined },
    ],
    move: new Uint8Array(16).fill(3),
  } as const

  test("[RL21] is the JSON that other systems rely on", () => {
    expect(JSON.parse(webhookEvent(cause).body)).toEqual({
      type: "share.changed",
      timestamp: "2026-12-01T09:30:00.000Z",
      data: {
        relationship: "01".repeat(16),
        agreement: "https://w3id.org/dpv/standards/ieee/7012#SD-BASE",
        changes: [
          {
            path: PATH,
            value: { full: "New 1" },
            previous: { full: "Old 1" },
            effective: "2026-12-15",
          },
          { path: "card/phones/1", value: null },
        ],
        move: "03".repeat(16),
      },
    })
  })

  test("[RL21] has one id for one entry, whenever it is sent", () => {
    const { id } = webhookEvent(cause)
    expect(id).toMatch(/^[\w-]{43}$/)
    expect(webhookEvent({ ...cause, timestampMs: 0, changes: [] }).id).toBe(id)
    expect(webhookId({ ...cause, sequence: 8 })).not.toBe(id)
    expect(webhookId({ ...cause, writer: new Uint8Array(32) })).not.toBe(id)
    expect(webhookId({ ...cause, relationship: new Uint8Array(16) })).not.toBe(id)
  })
})
