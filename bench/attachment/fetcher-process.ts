/**
 * A device that fetches an attachment from another one, again and again, and as many bytes over a bare
 * libp2p stream in between.
 *
 * Argument: JSON `{"folder","at","raw","code","bytes"}`. Prints a line when it has paired, then for each
 * line that it is given: `raw` fetches the bytes, `sealed` the attachment, durable when it is told;
 * the answer is `{"ms","maxRssBytes"}`.
 *
 * @module
 */
import { join } from "node:path"
import { createInterface } from "node:readline"
import { joinPerson } from "@fulcrum/engine/join-person"
import type { Person } from "@fulcrum/engine/person"
import { blobFolder } from "@fulcrum/store/blob-folder"
import { fieldsOf, number, text } from "../json-fields.ts"
import { bareLibp2p, fetchRaw } from "../raw-stream.ts"
import { wholeEngine } from "../whole-engine.ts"
import { ATTACHMENT_NAME } from "./task.ts"

const task = fieldsOf(process.argv[2] ?? "")
const [folder, bytes] = [text(task, "folder"), number(task, "bytes")]
const blobs = blobFolder(join(folder, "fetched"))
const person = await joinPerson({
  ...(await wholeEngine(join(folder, "fetcher"))),
  blobs,
  name: "fetcher",
  code: text(task, "code"),
  at: text(task, "at"),
  confirm: async () => true,
  signal: new AbortController().signal,
})
await person.settle(10_000)
await person.start({ listen: [] })
const node = await bareLibp2p([])
const id = await idOf(person)
console.log("{}")

for await (const what of createInterface({ input: process.stdin })) {
  const begun = performance.now()
  if (what === "raw") await fetchRaw(node, text(task, "raw"), bytes)
  else await person.attachments.fetch(id, { reachMs: 10_000, signal: new AbortController().signal })
  const ms = performance.now() - begun
  if (what !== "raw") await forget()
  console.log(JSON.stringify({ ms, maxRssBytes: process.resourceUsage().maxRSS * 1024 }))
}
await node.stop()
await person.close()

async function idOf({ attachments }: Person): Promise<string> {
  return (await attachments.find(ATTACHMENT_NAME)).id
}

/** As if it had never been fetched. A wrong answer cannot be fast: it was checked before it was told. */
async function forget(): Promise<void> {
  const file = await blobs.open(id)
  if (file === undefined || (await file.size()) < bytes) throw new Error("it is not here")
  await file.close()
  await blobs.remove(id)
}
