/** A batch of changes onto a document right after it was loaded, in a worker of bounded memory. */
import { expect, test } from "vitest"
import { documentId } from "../src/documents.ts"
import { openInLineDocuments } from "../src/in-line.ts"
import { openWorkerDocuments } from "../src/worker-threads.ts"

const document = documentId("things")
const VALUE_CHARS = 16_000
const KEYS = 500
const SAVED = 400
const LATER = 100
/** Thirty times what the document's values take; a batch at once would take it all. */
const memoryBytesMax: number = 192 << 20

/** Values that take the room that they seem to, each edit its own. */
async function write(count: number): Promise<readonly Uint8Array[]> {
  await using writing = await openInLineDocuments()
  const actor = new Uint8Array(16).fill(1)
  const changes: Uint8Array[] = []
  for (let at = 0; at < count; at++) {
    const value = `${at} `.padEnd(VALUE_CHARS, `${at * 7919} `)
    const edits = [{ op: "set", path: [`key-${(at * 7919) % KEYS}`], value }] as const
    const result = await writing.edit({ document, edits, actor })
    if (result === undefined) throw new Error("nothing changed")
    changes.push(result.change)
  }
  return changes
}

test("a document of many large values takes a batch after it was loaded, in bounded memory", async () => {
  const changes = await write(SAVED + LATER)
  await using earlier = openWorkerDocuments({ reload: async () => [] })
  await earlier.apply({ document, changes: changes.slice(0, SAVED) })
  const saved = await earlier.save(document)
  const later = changes.slice(SAVED)
  const { heads } = await earlier.apply({ document, changes: later })
  for (const kept of [[saved], [saved, ...later]]) {
    await using documents = openWorkerDocuments({ memoryBytesMax, reload: async () => kept })
    expect(await documents.apply({ document, changes: later })).toEqual({ heads })
  }
})
