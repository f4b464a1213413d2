import { expect, test } from "vitest"
import { documentId } from "../src/documents.ts"
import { openInLineDocuments } from "../src/in-line.ts"
import { getPath, importCard, setPath, undoEntry, unsetPath } from "../src/record.ts"

const actor = new Uint8Array(16).fill(1)

test("set, get, unset and undo by typed path", async () => {
  await using documents = await openInLineDocuments()
  const set = (path: string, typed: string) => setPath(documents, { path, value: { typed }, actor })
  await set(
    "card/addresses/home",
    '{"components":[{"kind":"name","value":"Tor"}],"countryCode":"DE"}',
  )
  await set("card/addresses/home/contexts/private", "true")
  const moved = await set("card/addresses/home", "Tor 2")
  expect(await getPath(documents, "card/addresses/home")).toEqual({
    contexts: { private: true },
    full: "Tor 2",
  })
  expect(moved?.document).toBe("card")
  await set("preferences/language", "de")
  expect(await getPath(documents, undefined)).toMatchObject({ preferences: { language: "de" } })
  expect(await set("preferences/language", "de")).toBeUndefined()

  const [undone] = await undoEntry(documents, { entry: moved ? [moved] : [], actor })
  const before = {
    components: [{ kind: "name", value: "Tor" }],
    countryCode: "DE",
    contexts: { private: true },
  }
  expect(await getPath(documents, "card/addresses/home")).toEqual(before)
  await undoEntry(documents, { entry: undone ? [undone] : [], actor })
  expect(await getPath(documents, "card/addresses/home/full")).toBe("Tor 2")

  await unsetPath(documents, { path: "card/addresses/home", actor })
  expect(await documents.read(documentId("card"))).toBeUndefined()
  const late = undoEntry(documents, { entry: moved ? [moved] : [], actor })
  await expect(late).rejects.toMatchObject({ code: "UNDO_CHANGED", path: "card/addresses/home" })
})

test("[C8] a card of a file is chosen and imported, once", async () => {
  await using documents = await openInLineDocuments()
  const bytes = new TextEncoder().encode(
    "BEGIN:VCARD\nFN:A\nEND:VCARD\nBEGIN:VCARD\nFN:B\nTEL;HOME:1\nEND:VCARD\n",
  )
  const done = await importCard(documents, { bytes, index: 1, actor })
  expect(done).toMatchObject({ names: ["A", "B"], warnings: [], change: { document: "card" } })
  expect(await getPath(documents, "card/phones/home/number")).toBe("1")
  expect((await importCard(documents, { bytes, index: 1, actor })).change).toBeUndefined()
  await expect(importCard(documents, { bytes, index: 2, actor })).rejects.toMatchObject({
    code: "VCARD_INVALID",
  })
})
