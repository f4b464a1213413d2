import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { newMaker, newSpan, openRig, type Rig } from "./rig.ts"

describe("a relay's mailboxes", () => {
  let rig: Rig
  beforeEach(async () => {
    rig = await openRig()
  })
  afterEach(async () => {
    expect(rig.relay.faults).toEqual([])
    await rig.close()
  })

  it("[L1] stores a span, hands it to another device, and its receipt holds", async () => {
    const maker = newMaker(rig, "archive")
    const [ann, bob] = [generateSigningKey(rig.random), generateSigningKey(rig.random)]
    const writer = await rig.connect()
    await writer.create({ key: maker.key, kind: "archive" })
    const box = await maker.open(writer, "append", ann)
    const spans = [newSpan(rig.random), newSpan(rig.random), newSpan(rig.random)]
    const receipts = await Promise.all(spans.map((span) => box.append(span)))
    expect(receipts.map((one) => one.position)).toEqual([1, 2, 3])

    const reader = await rig.connect()
    const page = await (await maker.open(reader, "read", bob)).read({ from: 1 })
    expect(page.items.map((item) => item.bytes)).toEqual(spans)
    expect(page.items.map((item) => item.receipt.bytes)).toEqual(receipts.map((one) => one.bytes))
    expect(page).toMatchObject({ next: 4, end: 4, isUnbroken: true })
  })
})
