/** What a fellow device may write that runs a program of its own; what such changes cost is timed apart. */
import { hexToBytes } from "@fulcrum/codec/bytes"
import { documentId } from "@fulcrum/record/documents"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { beforeAll, describe, expect, test } from "vitest"
import { decodeChange, encodeChange } from "./hostile/change-bytes.ts"
import { changeBody, fellowDevices } from "./hostile/fellow-devices.ts"
import { loadDocuments } from "./person-world.ts"

beforeAll(loadDocuments)

const card = documentId("card")

describe("a fellow device that writes what it likes", () => {
  test("[P35] cannot write under another device's actor, and so not take its numbers", async () => {
    await using devices = await fellowDevices()
    const { home, honest, hostile } = devices
    await using workshop = await openInLineDocuments()
    const edit = async (number: string) => {
      const edits = [{ op: "set" as const, path: ["phones", "1", "number"], value: number }]
      const made = await workshop.edit({ document: card, edits, actor: honest.actor })
      if (made === undefined) throw new TypeError("nothing changed")
      return made.change
    }
    const first = await edit("1")
    await home.ledger.admit(await honest.say([changeBody(card, first)]))
    const second = await edit("2")
    // The number that the honest device's next change has, and arrives before it.
    const writes = [{ op: "set" as const, path: ["phones", "1", "number"], value: "666" }]
    await workshop.forget(card)
    await workshop.apply({ document: card, changes: [first] })
    const stolen = await workshop.edit({ document: card, edits: writes, actor: honest.actor })
    if (stolen === undefined) throw new TypeError("nothing changed")
    await home.ledger.admit(await hostile.say([changeBody(card, stolen.change)]))
    await home.ledger.admit(await honest.say([changeBody(card, second)]))
    expect([...(await home.quarantine()).values()]).toEqual(["CHANGE_ACTOR_FOREIGN"])
    expect(await home.ledger.documents.read(card)).toMatchObject({ phones: { 1: { number: "2" } } })
    // Nor under one that nobody announced.
    const nobodys = encodeChange({ ...decodeChange(first), actor: hexToBytes("ab".repeat(16)) })
    await home.ledger.admit(await hostile.say([changeBody(card, nobodys)]))
    expect(home.ledger.quarantine.count).toBe(2)
  })
})
