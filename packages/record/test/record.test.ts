import { expect, test } from "vitest"
import { documentId } from "../src/documents.ts"
import { openInLineDocuments } from "../src/in-line.ts"
import { getPath, setPath, undoEntry, unsetPath } from "../src/record.ts"

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
