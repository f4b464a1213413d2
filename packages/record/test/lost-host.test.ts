/** The host is lost while it makes room: whoever made room does not go on with one that has nothing. */
import { createHash } from "node:crypto"
import { expect, test } from "vitest"
import { startAutomerge } from "../src/automerge-wasm.ts"
import { parseChange } from "../src/change-format.ts"
import { openDocumentHost } from "../src/document-host.ts"
import { type DocumentId, documentId } from "../src/documents.ts"
import type { HostLink } from "../src/host-link.ts"
import { portableWasm } from "../src/portable-wasm.ts"
import { RecordError } from "../src/record-error.ts"
import { SerialDocuments } from "../src/serial-documents.ts"

const actor = new Uint8Array(16).fill(1)
const [one, other] = [documentId("relationships/1"), documentId("relationships/2")]

/** Room for one of two documents, and the next call that makes room loses the host. */
async function aboutToLose() {
  const start = () =>
    openDocumentHost({
      automerge: () => startAutomerge(portableWasm, 2 ** 31),
      sha256: (bytes) => createHash("sha256").update(bytes).digest(),
    })
  let host = start()
  let generation = 1
  let loses = false
  const link: HostLink = {
    get generation() {
      return generation
    },
    call: async (name, input) => {
      if (name !== "forget" || !loses) return host[name](input)
      loses = false
      host = start()
      generation++
      throw new RecordError("RECORD_WORKER", "lost")
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
  const durable = new Map<DocumentId, readonly Uint8Array[]>()
  const reload = async (document: DocumentId) => durable.get(document) ?? []
  const documents = new SerialDocuments({ link, reload, max: { documents: 1, bytes: 1 << 20 } })
  const write = async (document: DocumentId, value: string) => {
    const edits = [{ op: "set", path: ["name"], value }] as const
    const result = await documents.edit({ document, edits, actor })
    if (result === undefined) throw new Error("nothing changed")
    return result.change
  }
  // Neither is durable yet, so that both stay.
  durable.set(other, [await write(other, "B")])
  durable.set(one, [await write(one, "A")])
  documents.kept([one, other])
  loses = true
  return { documents, write }
}

test("[D8] an edit goes on where the document stood", async () => {
  const { write } = await aboutToLose()
  expect(parseChange(await write(one, "A again"))).toMatchObject({
    seq: 2,
    deps: [expect.any(String)],
  })
})

test("[D8] it reads as it did", async () => {
  const { documents } = await aboutToLose()
  expect(await documents.read(one)).toEqual({ name: "A" })
})
