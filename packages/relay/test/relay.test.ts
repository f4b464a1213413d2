import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import { mailboxName, signCapability } from "@fulcrum/log/mailbox"
import { spanHash } from "@fulcrum/log/span"
import { afterEach, describe, expect, it } from "vitest"
import type { RelayClient } from "../src/client.ts"
import type { RelayLimits } from "../src/limits.ts"
import type { OpenMailbox } from "../src/open-mailbox.ts"
import type { RelayError } from "../src/relay-error.ts"
import { type Maker, newMaker, newSpan, openRig, type Rig } from "./rig.ts"

let rig: Rig
const DAY_MS = 86_400_000

async function start(limits: Partial<RelayLimits> = {}): Promise<Rig> {
  rig = await openRig(limits)
  return rig
}

afterEach(async () => {
  expect(rig.relay.faults).toEqual([])
  await rig.close()
})

const newKey = (): SigningKey => generateSigningKey(rig.random)
const code = (code: string) => expect.objectContaining({ code })

interface Both {
  readonly client: RelayClient
  readonly maker: Maker
  readonly append: OpenMailbox
  readonly read: OpenMailbox
  readonly holder: SigningKey
}

async function openBoth(kind: "archive" | "drop", readers: SigningKey[] = []): Promise<Both> {
  const client = await rig.connect()
  const maker = newMaker(rig, kind)
  const holder = readers[0] ?? newKey()
  await client.create({ key: maker.key, kind, readers: readers.map((one) => one.publicKey) })
  const append = await maker.open(client, "append", holder)
  const read = await maker.open(client, "read", holder)
  return { client, maker, append, read, holder }
}

describe("storing and reading", () => {
  it("[L1] stores spans, hands them to another device, and every receipt holds", async () => {
    await start()
    const { maker, append } = await openBoth("archive")
    const spans = [newSpan(rig.random), newSpan(rig.random), newSpan(rig.random)]
    const receipts = await Promise.all(spans.map((span) => append.append(span)))
    expect(receipts.map((one) => one.position)).toEqual([1, 2, 3])

    const other = await maker.open(await rig.connect(), "read", newKey())
    const page = await other.read({ from: 1 })
    expect(page.items.map((item) => item.bytes)).toEqual(spans)
    expect(page.items.map((item) => item.receipt.bytes)).toEqual(receipts.map((one) => one.bytes))
    expect(page).toMatchObject({ next: 4, end: 4, missing: [] })
    expect(await other.read({ from: 4 })).toMatchObject({ items: [], next: 4, end: 4 })
  })

  it("[L2] answers a repeated span with the same receipt, also within one batch and when it is gone", async () => {
    await start()
    const reader = newKey()
    const { append, read } = await openBoth("drop", [reader])
    const span = newSpan(rig.random)
    const [a, b] = await Promise.all([append.append(span), append.append(span)])
    expect(b?.bytes).toEqual(a?.bytes)
    await read.acknowledge(1)
    expect((await append.append(span)).bytes).toEqual(a?.bytes)
    expect(rig.relay.mailboxes.get(append.name)).toMatchObject({ items: 0, bytes: 0, next: 2 })
  })

  it("[L3] gives pages within the bytes asked for, one item at least", async () => {
    await start()
    const { append, read } = await openBoth("archive")
    const spans = Array.from({ length: 5 }, () => newSpan(rig.random, { bytes: 3000 }))
    for (const span of spans) await append.append(span)
    const seen: Uint8Array[] = []
    let from = 1
    let pages = 0
    for (;;) {
      const page = await read.read({ from, bytesMax: 8000 })
      seen.push(...page.items.map((item) => item.bytes))
      expect(page.items.length).toBeLessThanOrEqual(2)
      pages++
      from = page.next
      if (page.next === page.end) break
    }
    expect(seen).toEqual(spans)
    expect(pages).toBe(3)
    expect((await read.read({ from: 1, bytesMax: 0 })).items).toHaveLength(1)
  })

  it("[L4] pushes to whoever watches, on other connections too", async () => {
    await start()
    const { append, maker } = await openBoth("archive")
    const other = await maker.open(await rig.connect(), "read", newKey())
    const heard = Promise.withResolvers<number>()
    await other.watch(heard.resolve)
    await append.append(newSpan(rig.random))
    expect(await heard.promise).toBe(2)
  })

  it("[L5] keeps all across a restart, and after a crash all that it acknowledged", async () => {
    await start()
    const { append, maker } = await openBoth("archive")
    const first = await append.append(newSpan(rig.random))
    await rig.restart()
    const again = await maker.open(await rig.connect(), "append", newKey())
    expect(again.sequenceId).toEqual(append.sequenceId)
    const second = await again.append(newSpan(rig.random))
    await rig.restart("crashed")
    const read = await maker.open(await rig.connect(), "read", newKey())
    const page = await read.read({ from: 1 })
    expect(page.items.map((item) => item.receipt.bytes)).toEqual([first.bytes, second.bytes])
    expect(rig.relay.metrics.value("items")).toBe(2)
  })

  it("[L6] tells that it lost its disk, and is filled again under another sequence", async () => {
    await start()
    const { append, maker } = await openBoth("archive")
    const span = newSpan(rig.random)
    const before = await append.append(span)
    const { MemoryDisk } = await import("@fulcrum/store/memory")
    await rig.restart("closed", new MemoryDisk())
    const client = await rig.connect()
    const holder = newKey()
    await expect(maker.open(client, "append", holder)).rejects.toEqual(
      code("RELAY_UNKNOWN_MAILBOX"),
    )
    await client.create({ key: maker.key, kind: "archive" })
    const capability = maker.capability("append", holder)
    const mailbox = maker.key.publicKey
    const refilled = await client.open({ capability, mailbox, holder, known: before.bytes })
    expect(refilled.sequenceId).not.toEqual(append.sequenceId)
    expect((await refilled.append(span)).position).toBe(1)
  })

  it("[L7] shows a relay that went back to an old disk, with both receipts", async () => {
    await start()
    const { append, maker } = await openBoth("archive")
    const old = await append.append(newSpan(rig.random))
    const copy = rig.disk.copy()
    const newer = await append.append(newSpan(rig.random))
    await rig.restart("closed", copy)
    const holder = newKey()
    const input = { capability: maker.capability("read", holder), mailbox: maker.key.publicKey }
    await expect(
      (await rig.connect()).open({ ...input, holder, known: newer.bytes }),
    ).rejects.toMatchObject({ code: "RELAY_EQUIVOCATION", proofs: [newer.bytes, old.bytes] })
    // What it then stores in the place of what it lost contradicts its own signature.
    const again = await maker.open(await rig.connect(), "append", holder)
    const forked = await again.append(newSpan(rig.random))
    await expect(
      (await rig.connect()).open({ ...input, holder, known: newer.bytes }),
    ).rejects.toMatchObject({ code: "RELAY_EQUIVOCATION", proofs: [forked.bytes, newer.bytes] })
  })

  it("[L89] is held against what it signed for somebody else", async () => {
    await start()
    const { append, read, maker } = await openBoth("archive")
    const first = await append.append(newSpan(rig.random))
    const copy = rig.disk.copy()
    const ahead = await append.append(newSpan(rig.random))
    for (const { bytes } of [first, ahead]) {
      expect(await read.hold(bytes)).toEqual({ kind: "fits" })
      const later = await maker.open(await rig.connect(), "read", newKey())
      expect(await later.hold(bytes)).toEqual({ kind: "fits" })
    }
    const { append: elsewhere } = await openBoth("archive")
    const foreign = await elsewhere.append(newSpan(rig.random))
    for (const bytes of [foreign.bytes, ahead.bytes.slice(1), rig.random.bytes(300)])
      expect(await read.hold(bytes)).toEqual({ kind: "strange" })

    await rig.restart("closed", copy)
    const client = await rig.connect()
    const [again, less] = [
      await maker.open(client, "append", newKey()),
      await maker.open(client, "read", newKey()),
    ]
    expect(await less.hold(first.bytes)).toEqual({ kind: "fits" })
    // What it signed for another is not there: kept back, or lost.
    const behind = { kind: "contradicts", proofs: [ahead.bytes, first.bytes] }
    expect(await less.hold(ahead.bytes)).toEqual(behind)
    // Something else is there.
    const other = await again.append(newSpan(rig.random))
    const forked = { kind: "contradicts", proofs: [ahead.bytes, other.bytes] }
    expect(await less.hold(ahead.bytes)).toEqual(forked)
    const fresh = await maker.open(await rig.connect(), "read", newKey())
    expect(await fresh.hold(ahead.bytes)).toEqual(forked)
    const next = await again.append(newSpan(rig.random))
    const later = await maker.open(await rig.connect(), "read", newKey())
    expect(await later.hold(ahead.bytes)).toEqual(forked)
    // The reader itself is shown one line, and goes on with it.
    expect((await less.read({ from: 1 })).items.length).toBe(3)
    expect(await less.hold(next.bytes)).toEqual({ kind: "fits" })
  })

  it("[L8] acknowledges nothing that a failing disk did not take, and goes on when it works", async () => {
    await start()
    const { append, read } = await openBoth("archive")
    await append.append(newSpan(rig.random))
    const span = newSpan(rig.random)
    for (const type of ["fail-before", "fail-after"] as const) {
      rig.disk.fault = () => ({ type })
      await expect(append.append(span)).rejects.toEqual(code("RELAY_STORE"))
      rig.disk.fault = undefined
    }
    const receipt = await append.append(span)
    const page = await read.read({ from: 1 })
    expect(page.items.map((item) => item.bytes)).toContainEqual(span)
    expect(page.missing).toEqual([])
    expect(receipt.position).toBe(page.items.length)
    rig.disk.capacityBytes = rig.disk.usedBytes
    await expect(append.append(newSpan(rig.random))).rejects.toEqual(code("RELAY_FULL"))
    rig.disk.capacityBytes = Number.POSITIVE_INFINITY
    await append.append(newSpan(rig.random))
    const { bytes, items } = rig.relay.mailboxes.get(append.name)
    expect(rig.relay.metrics.value("bytes")).toBe(bytes)
    expect(rig.relay.metrics.value("items")).toBe(items)
  })
})

describe("rights", () => {
  it("[L10] takes a capability only from its holder, for this relay, in its time", async () => {
    await start()
    const client = await rig.connect()
    const maker = newMaker(rig, "archive")
    await client.create({ key: maker.key, kind: "archive" })
    const [holder, thief] = [newKey(), newKey()]
    const mailbox = maker.key.publicKey
    const capability = maker.capability("read", holder)
    await expect(client.open({ capability, mailbox, holder: thief })).rejects.toEqual(
      code("RELAY_FORBIDDEN"),
    )
    const foreign = signCapability({
      mailboxKey: { ...thief, publicKey: maker.key.publicKey },
      right: "read",
      holder: holder.publicKey,
      notAfter: 2 ** 40,
      serial: rig.random.bytes(16),
    })
    await expect(client.open({ capability: foreign, mailbox, holder })).rejects.toEqual(
      code("RELAY_FORBIDDEN"),
    )
    const past = maker.capability("read", holder, Math.floor(rig.clock.now() / 1000) - 1)
    await expect(client.open({ capability: past, mailbox, holder })).rejects.toEqual(
      code("RELAY_CAPABILITY_EXPIRED"),
    )
    await expect(
      client.open({ capability: rig.random.bytes(80), mailbox, holder }),
    ).rejects.toEqual(code("RELAY_MALFORMED"))
    const soon = maker.capability("read", holder, Math.floor(rig.clock.now() / 1000) + 60)
    const box = await client.open({ capability: soon, mailbox, holder })
    await box.read({ from: 1 })
    await rig.clock.advance(61_001)
    await expect(box.read({ from: 1 })).rejects.toEqual(code("RELAY_CAPABILITY_EXPIRED"))
  })

  it("[L11] lets each right do its own and nothing else", async () => {
    await start()
    const client = await rig.connect()
    const maker = newMaker(rig, "door")
    const holder = newKey()
    await client.create({ key: maker.key, kind: "door", readers: [holder.publicKey] })
    const archive = newMaker(rig, "archive")
    await client.create({ key: archive.key, kind: "archive" })
    const acts: Record<string, (box: OpenMailbox) => Promise<unknown>> = {
      append: (box) => box.append(newSpan(rig.random)),
      replace: (box) => box.replace({ merged: 1, covered: [] }),
      read: (box) => box.read({ from: 1 }),
      watch: (box) => box.watch(() => undefined),
      acknowledge: (box) => box.acknowledge(0),
      pin: (box) => box.pin(new Uint8Array(3)),
      tokens: (box) => box.registerTokens([rig.random.bytes(32)]),
    }
    const allowed = {
      append: ["append", "replace"],
      read: ["read", "watch", "acknowledge"],
      manage: ["pin", "tokens"],
    }
    for (const right of ["append", "read", "manage"] as const) {
      const box = await maker.open(client, right, holder)
      for (const [act, run] of Object.entries(acts)) {
        // A door takes no spans and is not merged, whoever asks.
        const isAllowed = allowed[right].includes(act) && right !== "append"
        const done = await run(box).then(
          () => "ok",
          (error: RelayError) => error.code,
        )
        expect([right, act, done]).toEqual([right, act, isAllowed ? "ok" : "RELAY_FORBIDDEN"])
      }
    }
    await (await archive.open(client, "append", holder)).append(newSpan(rig.random))
  })

  it("[L12] takes only spans whose writer signed them", async () => {
    await start()
    const { append } = await openBoth("archive")
    const span = newSpan(rig.random)
    const changed = span.slice()
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    await expect(append.append(changed)).rejects.toEqual(code("RELAY_FORBIDDEN"))
    await expect(append.append(rig.random.bytes(400))).rejects.toEqual(code("RELAY_MALFORMED"))
    await expect(append.append(new Uint8Array(0))).rejects.toEqual(code("RELAY_MALFORMED"))
    expect(rig.relay.metrics.value("items")).toBe(0)
  })

  it("[L13] creates and removes a mailbox only for the holder of its key", async () => {
    await start()
    const client = await rig.connect()
    const maker = newMaker(rig, "archive")
    const forged = { ...newKey(), publicKey: maker.key.publicKey }
    await expect(client.create({ key: forged, kind: "archive" })).rejects.toEqual(
      code("RELAY_FORBIDDEN"),
    )
    const { sequenceId } = await client.create({ key: maker.key, kind: "archive" })
    expect(await client.create({ key: maker.key, kind: "archive" })).toEqual({
      sequenceId,
      next: 1,
    })
    await expect(client.create({ key: maker.key, kind: "drop" })).rejects.toEqual(
      code("RELAY_FORBIDDEN"),
    )
    await expect(client.remove(forged)).rejects.toEqual(code("RELAY_FORBIDDEN"))
    const append = await maker.open(client, "append", newKey())
    for (let i = 0; i < 5; i++) await append.append(newSpan(rig.random))
    await client.remove(maker.key)
    await expect(append.append(newSpan(rig.random))).rejects.toEqual(code("RELAY_GONE"))
    await expect(maker.open(client, "read", newKey())).rejects.toEqual(code("RELAY_GONE"))
    expect(rig.relay.metrics.value("bytes")).toBe(0)
    const again = await client.create({ key: maker.key, kind: "archive" })
    expect(again.sequenceId).not.toEqual(sequenceId)
    expect(again.next).toBe(1)
  })
})

describe("drops", () => {
  it("[L20] removes an item once every declared reader has acknowledged it, and not before", async () => {
    await start()
    const [person, vendor] = [newKey(), newKey()]
    const { append, read, maker, client } = await openBoth("drop", [person, vendor])
    for (let i = 0; i < 4; i++) await append.append(newSpan(rig.random))
    const theirs = await maker.open(client, "read", vendor)
    await read.acknowledge(3)
    expect((await read.read({ from: 1 })).items).toHaveLength(4)
    await theirs.acknowledge(2)
    const page = await theirs.read({ from: 1 })
    expect(page.items.map((item) => item.position)).toEqual([3, 4])
    expect(page.missing).toEqual([])
    const stranger = await maker.open(client, "read", newKey())
    await expect(stranger.acknowledge(4)).rejects.toEqual(code("RELAY_FORBIDDEN"))
    await theirs.acknowledge(100)
    expect((await read.read({ from: 1 })).items.map((item) => item.position)).toEqual([4])
    await append.append(newSpan(rig.random))
    await read.acknowledge(5)
    // To acknowledge more than there was is not to acknowledge what comes later.
    expect((await read.read({ from: 1 })).items.map((item) => item.position)).toEqual([5])
  })

  it("[L21] keeps an archive's items whatever is acknowledged and however long", async () => {
    await start()
    const reader = newKey()
    const { append, read } = await openBoth("archive", [reader])
    await append.append(newSpan(rig.random))
    await read.acknowledge(1)
    await rig.clock.jump(500 * DAY_MS)
    await rig.relay.mailboxes.sweep()
    expect(rig.relay.mailboxes.get(append.name).items).toBe(1)
  })

  it("[L22] drops what nobody fetched when its retention is over, and forgets it later", async () => {
    await start({ retainDays: 10 })
    const { append } = await openBoth("drop", [newKey()])
    await append.append(newSpan(rig.random))
    await rig.clock.jump(6 * DAY_MS)
    await rig.relay.mailboxes.sweep()
    const kept = newSpan(rig.random)
    await append.append(kept)
    await rig.clock.jump(5 * DAY_MS)
    await rig.relay.mailboxes.sweep()
    expect(rig.relay.mailboxes.get(append.name)).toMatchObject({ items: 1, gone: 1, floor: 1 })
    expect(rig.relay.metrics.value("items_expired_total")).toBe(1)
    await rig.clock.jump(30 * DAY_MS)
    await rig.relay.mailboxes.sweep()
    expect(rig.relay.mailboxes.get(append.name)).toMatchObject({ items: 0, bytes: 0, gone: 1 })
    await rig.clock.jump(11 * DAY_MS)
    await rig.relay.mailboxes.sweep()
    expect(rig.relay.mailboxes.get(append.name)).toMatchObject({ items: 0, bytes: 0, gone: 0 })
    const receipts = rig.relay.vault.table("relay.receipts").groups()
    for await (const _ of receipts) throw new Error("a receipt outlived its item's memory")
    await rig.clock.jump(400 * DAY_MS)
    await rig.relay.mailboxes.sweep()
    expect(rig.relay.mailboxes.has(append.name)).toBe(false)
    expect(rig.relay.metrics.value("mailboxes")).toBe(0)
  })

  it("[L88] says what it dropped before all had it, and stores it anew if it is brought again", async () => {
    await start({ retainDays: 10 })
    const reader = newKey()
    const { append, read } = await openBoth("drop", [reader])
    const [fetched, missed] = [newSpan(rig.random), newSpan(rig.random)]
    const first = await append.append(fetched)
    await append.append(missed)
    expect(await read.read({ from: 1 })).toMatchObject({ expired: 0 })
    await rig.clock.jump(5 * DAY_MS)
    await read.acknowledge(1)
    await rig.clock.jump(6 * DAY_MS)
    await rig.relay.mailboxes.sweep()
    const page = await read.read({ from: 1 })
    expect(page).toMatchObject({ expired: 2, items: [], next: 3, missing: [] })
    expect(page.gone).toEqual([spanHash(fetched), spanHash(missed)])
    // To acknowledge what one cannot read any more does not make it read.
    await read.acknowledge(2)
    expect((await append.append(fetched)).bytes).toEqual(first.bytes)
    const again = await append.append(missed)
    expect(again.position).toBe(3)
    expect((await append.append(missed)).bytes).toEqual(again.bytes)
    await rig.clock.jump(3 * DAY_MS)
    expect((await read.read({ from: 1 })).items).toMatchObject([{ position: 3, bytes: missed }])
    await read.acknowledge(3)
    await rig.clock.jump(7.5 * DAY_MS)
    await rig.relay.mailboxes.sweep()
    // What is remembered of the first time is forgotten; of the second time it is not.
    expect((await read.read({ from: 2 })).missing).toEqual([{ from: 2, to: 3 }])
    expect((await append.append(missed)).bytes).toEqual(again.bytes)
    expect(rig.relay.mailboxes.get(append.name)).toMatchObject({ items: 0, bytes: 0 })
  })
})

describe("merging", () => {
  it("[L25] replaces covered spans only by one line with the same boundaries, confirmed", async () => {
    await start()
    const signer = newKey()
    const { append, client, maker } = await openBoth("archive")
    for (const start of [1, 2, 3]) await append.append(newSpan(rig.random, { start, signer }))
    await append.append(newSpan(rig.random, { signer, start: 1, end: 3, before: 0, after: 3 }))
    await append.append(newSpan(rig.random, { signer, start: 1, end: 3, before: 0, after: 9 }))
    const covered = [1, 2, 3]
    await expect(append.replace({ merged: 4, covered })).rejects.toEqual(code("RELAY_FORBIDDEN"))
    const other = await maker.open(client, "append", newKey())
    await expect(other.replace({ merged: 5, covered })).rejects.toEqual(code("RELAY_FORBIDDEN"))
    await expect(other.replace({ merged: 4, covered: [1, 3] })).rejects.toEqual(
      code("RELAY_FORBIDDEN"),
    )
    await other.replace({ merged: 4, covered: [3, 1, 2] })
    const read = await maker.open(client, "read", newKey())
    const page = await read.read({ from: 1 })
    expect(page.items.map((item) => item.position)).toEqual([4, 5])
    expect(page.missing).toEqual([])
    expect(rig.relay.mailboxes.get(append.name)).toMatchObject({ items: 2, gone: 3 })
    await other.replace({ merged: 4, covered: [3, 1, 2] })
    expect(rig.relay.mailboxes.get(append.name)).toMatchObject({ items: 2, gone: 3 })
  })

  it("[L25] replaces earlier merges together with what they cover, and no fork of it", async () => {
    await start()
    const signer = newKey()
    const { append, client, maker } = await openBoth("archive")
    for (const start of [1, 2, 3, 4]) await append.append(newSpan(rig.random, { start, signer }))
    await append.append(newSpan(rig.random, { signer, start: 1, end: 2, before: 0, after: 2 }))
    // Another second entry, and one that goes past the merged span.
    await append.append(newSpan(rig.random, { signer, start: 2, end: 2, before: 1, after: 9 }))
    await append.append(newSpan(rig.random, { signer, start: 1, end: 4, before: 0, after: 4 }))
    await append.append(newSpan(rig.random, { signer, start: 4, end: 5, before: 3, after: 5 }))
    const other = await maker.open(client, "append", newKey())
    // The same boundaries, by somebody else.
    await append.append(newSpan(rig.random, { start: 1, end: 4, before: 0, after: 4 }))
    await expect(other.replace({ merged: 9, covered: [1, 2, 3, 4] })).rejects.toEqual(
      code("RELAY_FORBIDDEN"),
    )
    for (const covered of [
      [1, 2, 3, 4, 5, 6],
      [1, 2, 3, 4, 8],
      [5, 3],
      [3, 4],
    ]) {
      await expect(other.replace({ merged: 7, covered })).rejects.toEqual(code("RELAY_FORBIDDEN"))
    }
    await other.replace({ merged: 7, covered: [1, 2, 3, 4, 5] })
    const read = await maker.open(client, "read", newKey())
    expect((await read.read({ from: 1 })).items.map((item) => item.position)).toEqual([6, 7, 8, 9])
  })

  it("[L26] lets a space of one confirm its own merge after a day", async () => {
    await start()
    const signer = newKey()
    const { append } = await openBoth("archive")
    for (const start of [1, 2]) await append.append(newSpan(rig.random, { start, signer }))
    await append.append(newSpan(rig.random, { signer, start: 1, end: 2, before: 0, after: 2 }))
    await rig.clock.jump(DAY_MS)
    await append.replace({ merged: 3, covered: [1, 2] })
    expect(rig.relay.mailboxes.get(append.name).items).toBe(1)
  })
})

describe("front doors", () => {
  async function openDoor(workBits?: number) {
    const client = await rig.connect()
    const maker = newMaker(rig, "door")
    const vendor = newKey()
    const readers = [vendor.publicKey]
    const work = workBits === undefined ? {} : { workBits }
    await client.create({ key: maker.key, kind: "door", readers, ...work })
    const manage = await maker.open(client, "manage", vendor)
    const read = await maker.open(client, "read", vendor)
    return { client, maker, manage, read, door: manage.name }
  }

  it("[L30] takes one message for a token, the same one again, and no other", async () => {
    await start()
    const { manage, read, door } = await openDoor()
    const token = rig.random.bytes(32)
    await manage.registerTokens([token])
    const stranger = await rig.connect()
    const message = rig.random.bytes(2000)
    await expect(stranger.knock({ door, message, token: rig.random.bytes(32) })).rejects.toEqual(
      code("RELAY_TOKEN_UNKNOWN"),
    )
    const receipt = await stranger.knock({ door, message, token })
    await rig.restart()
    const again = await (await rig.connect()).knock({ door, message, token })
    expect(again.bytes).toEqual(receipt.bytes)
    await expect(
      (await rig.connect()).knock({ door, message: rig.random.bytes(10), token }),
    ).rejects.toEqual(code("RELAY_TOKEN_SPENT"))
    await expect((await rig.connect()).knock({ door, message })).rejects.toEqual(code("RELAY_WORK"))
    await expect(read.read({ from: 1 })).rejects.toEqual(code("RELAY_CLOSED"))
  })

  it("[L31] of two messages for one token at once takes one", async () => {
    await start()
    const { manage, door } = await openDoor()
    const token = rig.random.bytes(32)
    await manage.registerTokens([token, token])
    const clients = [await rig.connect(), await rig.connect(), await rig.connect()]
    const outcomes = await Promise.allSettled(
      clients.map((client) => client.knock({ door, message: rig.random.bytes(50), token })),
    )
    expect(outcomes.filter((one) => one.status === "fulfilled")).toHaveLength(1)
    expect(rig.relay.mailboxes.get(door)).toMatchObject({ items: 1, tokens: 1 })
  })

  it("[L32] takes a stranger's message for its proof of work, bound to door and message", async () => {
    await start()
    const { door, read } = await openDoor(8)
    const stranger = await rig.connect()
    const message = rig.random.bytes(100)
    await stranger.knock({ door, message })
    expect((await read.read({ from: 1 })).items.map((item) => item.bytes)).toEqual([message])
    const { doWork, checkWork } = await import("../src/work.ts")
    const item = rig.random.bytes(32)
    const nonce = await doWork({ door, item, bits: 10, clock: rig.clock })
    expect(checkWork(door, item, nonce, 10)).toBe(true)
    expect(checkWork(door, rig.random.bytes(32), nonce, 10)).toBe(false)
    await read.acknowledge(1)
    expect((await read.read({ from: 1 })).items).toEqual([])
  })

  it("[L33] refuses a message above 64 KiB, spans, and messages to what is no door", async () => {
    await start()
    const { door, maker, client } = await openDoor(1)
    const { append } = await openBoth("drop")
    await expect(client.knock({ door: append.name, message: new Uint8Array(1) })).rejects.toEqual(
      code("RELAY_WORK"),
    )
    const token = rig.random.bytes(32)
    await expect(
      client.knock({ door: append.name, message: new Uint8Array(1), token }),
    ).rejects.toEqual(code("RELAY_FORBIDDEN"))
    const box = await maker.open(client, "append", newKey())
    await expect(box.append(newSpan(rig.random))).rejects.toEqual(code("RELAY_FORBIDDEN"))
    await client.knock({ door, message: new Uint8Array(65_536) })
    await expect(client.knock({ door, message: new Uint8Array(65_537) })).rejects.toThrow()
  })

  it("[L34] shows its pinned object to whoever knows its name", async () => {
    await start()
    const { manage, door } = await openDoor()
    const stranger = await rig.connect()
    expect(await stranger.pinned(door)).toEqual({ object: undefined, workBits: undefined })
    await manage.pin(new Uint8Array(16_384).fill(1))
    await manage.pin(new Uint8Array(16_384).fill(2))
    expect((await stranger.pinned(door)).object).toEqual(new Uint8Array(16_384).fill(2))
    await expect(manage.pin(new Uint8Array(16_385))).rejects.toThrow()
    await expect(stranger.pinned(mailboxName(rig.random.bytes(32)))).rejects.toEqual(
      code("RELAY_UNKNOWN_MAILBOX"),
    )
  })

  it("[L35] admits one mailbox for a token, on the account of the door's owner", async () => {
    await start({ freeMailboxesMax: 1, sponsoredBytesMax: 1500, sponsoredMailboxesMax: 1 })
    const { manage, door } = await openDoor()
    const [token, second] = [rig.random.bytes(32), rig.random.bytes(32)]
    await manage.registerTokens([token, second])
    const person = await rig.connect()
    const maker = newMaker(rig, "drop")
    await expect(person.create({ key: maker.key, kind: "drop" })).rejects.toEqual(
      code("RELAY_FULL"),
    )
    const admission = { door, token }
    await person.create({ key: maker.key, kind: "drop", admission })
    await person.create({ key: maker.key, kind: "drop", admission })
    await expect(person.create({ key: newKey(), kind: "drop", admission })).rejects.toEqual(
      code("RELAY_TOKEN_SPENT"),
    )
    await expect(
      person.create({ key: newKey(), kind: "drop", admission: { door, token: second } }),
    ).rejects.toEqual(code("RELAY_QUOTA"))
    await person.knock({ door, message: rig.random.bytes(100), token })
    const append = await maker.open(person, "append", newKey())
    await append.append(newSpan(rig.random))
    await append.append(newSpan(rig.random))
    await expect(append.append(newSpan(rig.random))).rejects.toEqual(code("RELAY_QUOTA"))
    await rig.restart()
    const later = await maker.open(await rig.connect(), "append", newKey())
    await expect(later.append(newSpan(rig.random))).rejects.toEqual(code("RELAY_QUOTA"))
  })
})

describe("quotas", () => {
  it("[L40] holds a mailbox to its bytes exactly, whatever comes at once, and leaves others alone", async () => {
    await start()
    const spans = Array.from({ length: 12 }, () => newSpan(rig.random, { bytes: 100 }))
    const size = spans[0]?.length ?? 0
    await rig.close()
    await start({ mailboxBytesMax: 5 * size, mailboxItemsMax: 100 })
    const reader = newKey()
    const { append, read } = await openBoth("drop", [reader])
    const neighbour = await openBoth("archive")
    const outcomes = await Promise.allSettled(spans.map((span) => append.append(span)))
    expect(outcomes.filter((one) => one.status === "fulfilled")).toHaveLength(5)
    for (const one of outcomes) {
      if (one.status === "rejected") expect(one.reason).toEqual(code("RELAY_QUOTA"))
    }
    expect(rig.relay.mailboxes.get(append.name)).toMatchObject({ items: 5, bytes: 5 * size })
    await neighbour.append.append(newSpan(rig.random))
    const refused = spans.find((_, i) => outcomes[i]?.status === "rejected") ?? new Uint8Array(0)
    await read.acknowledge(1)
    await append.append(refused)
    await expect(append.append(newSpan(rig.random))).rejects.toEqual(code("RELAY_QUOTA"))
    expect((await read.read({ from: 1 })).items).toHaveLength(5)
  })

  it("[L41] bounds items, the whole relay, and mailboxes on one connection", async () => {
    await start({ mailboxItemsMax: 2, relayBytesMax: 2500, mailboxesPerConnectionMax: 3 })
    const { append, client } = await openBoth("archive")
    await append.append(newSpan(rig.random))
    await append.append(newSpan(rig.random))
    await expect(append.append(newSpan(rig.random))).rejects.toEqual(code("RELAY_QUOTA"))
    const other = await openBoth("archive")
    await expect(other.append.append(newSpan(rig.random, { bytes: 2000 }))).rejects.toEqual(
      code("RELAY_FULL"),
    )
    await client.create({ key: newKey(), kind: "drop" })
    await client.create({ key: newKey(), kind: "drop" })
    await expect(client.create({ key: newKey(), kind: "drop" })).rejects.toEqual(code("RELAY_RATE"))
  })

  it("[L42] has no more connections than it may, and says so", async () => {
    await start({ connectionsMax: 2 })
    await rig.connect()
    const second = await rig.connect()
    await expect(rig.connect()).rejects.toEqual(code("RELAY_FULL"))
    await second.close()
    await rig.clock.advance(0)
    await rig.connect()
  })

  it("[L43] slows a flood down and refuses none of it", async () => {
    await start({ requestsPerSecond: 10 })
    const { append, read } = await openBoth("archive")
    const begun = rig.clock.now()
    const all = Promise.all(Array.from({ length: 60 }, () => append.append(newSpan(rig.random))))
    for (let i = 0; i < 10; i++) await rig.clock.advance(1000)
    await all
    expect(rig.clock.now() - begun).toBeGreaterThanOrEqual(4000)
    expect((await read.read({ from: 1 })).end).toBe(61)
  })
})

describe("meetings", () => {
  it("[L50] lets two meet at a nameplate and pass messages both ways", async () => {
    await start()
    const host = await (await rig.connect()).meet()
    const guest = await (await rig.connect()).join({
      kind: "nameplate",
      value: host.nameplate ?? 0,
    })
    await host.joined
    await guest.joined
    await guest.send(new Uint8Array([1]))
    await guest.send(new Uint8Array([2]))
    await host.send(new Uint8Array([3]))
    expect([await host.receive(), await host.receive(), await guest.receive()]).toEqual([
      new Uint8Array([1]),
      new Uint8Array([2]),
      new Uint8Array([3]),
    ])
    await host.leave()
    await expect(guest.receive()).rejects.toEqual(code("RELAY_PEER_ABSENT"))
    await expect(guest.send(new Uint8Array(1))).rejects.toEqual(code("RELAY_PEER_ABSENT"))
  })

  it("[L51] tells an unknown, a used, an expired and an abandoned nameplate apart", async () => {
    await start()
    const client = await rig.connect()
    const place = (value = 0) => ({ kind: "nameplate", value }) as const
    const used = await (await rig.connect()).meet()
    const expired = await (await rig.connect()).meet()
    const left = await (await rig.connect()).meet()
    const gone = await rig.connect()
    const dropped = await gone.meet()
    const taken = [used, expired, left, dropped].map((one) => one.nameplate)
    const unknown = [0, 1, 2, 3, 4].find((value) => !taken.includes(value))
    await expect(client.join(place(unknown))).rejects.toEqual(code("RELAY_PEER_ABSENT"))
    await (await rig.connect()).join(place(used.nameplate))
    await expect(client.join(place(used.nameplate))).rejects.toEqual(code("RELAY_MEET_USED"))
    await left.leave()
    await expect(client.join(place(left.nameplate))).rejects.toEqual(code("RELAY_PEER_ABSENT"))
    await gone.close()
    await rig.clock.advance(0)
    await expect(client.join(place(dropped.nameplate))).rejects.toEqual(code("RELAY_PEER_ABSENT"))
    await rig.clock.advance(120_000)
    await expect(client.join(place(expired.nameplate))).rejects.toEqual(code("RELAY_MEET_EXPIRED"))
    await expect(client.join(place(used.nameplate))).rejects.toEqual(code("RELAY_MEET_USED"))
  })

  it("[L52] lets two who know a name meet there, and meet there again", async () => {
    await start()
    const name = rig.random.bytes(32)
    const first = await rig.connect()
    await first.meet(name)
    await expect((await rig.connect()).meet(name)).rejects.toEqual(code("RELAY_MEET_USED"))
    await first.close()
    await rig.clock.advance(0)
    const host = await (await rig.connect()).meet(name)
    expect(host.nameplate).toBeUndefined()
    const guest = await (await rig.connect()).join({ kind: "name", value: name })
    await guest.send(new Uint8Array([9]))
    expect(await host.receive()).toEqual(new Uint8Array([9]))
  })

  it("[L53] says RELAY_FULL when all nameplates are in use", async () => {
    await start({ nameplatesMax: 2 })
    const clients = [await rig.connect(), await rig.connect(), await rig.connect()]
    await clients[0]?.meet()
    await clients[1]?.meet()
    await expect(clients[2]?.meet()).rejects.toEqual(code("RELAY_FULL"))
  })
})

describe("the disk", () => {
  it("[L60] shows no mailbox's name, key or content", async () => {
    await start()
    const { append, maker } = await openBoth("archive")
    const span = newSpan(rig.random)
    await append.append(span)
    const planted = [append.name, maker.key.publicKey, span.subarray(40, 72), span.slice(-32)]
    const { openMemoryStore } = await import("@fulcrum/store/memory")
    const store = await openMemoryStore({ disk: rig.disk.copy() })
    const all: Buffer[] = []
    for await (const [key, value] of store.list({
      gte: new Uint8Array(1),
      lt: new Uint8Array(64).fill(255),
    })) {
      all.push(Buffer.from(key), Buffer.from(value))
    }
    expect(all.length).toBeGreaterThan(6)
    for (const needle of planted) {
      expect(all.some((one) => one.includes(Buffer.from(needle)))).toBe(false)
    }
    await store.close()
  })
})
