/**
 * A device that has an attachment and waits to be asked for it; beside it a bare libp2p stream that
 * sends as many bytes, which is the limit that a transfer is held against.
 *
 * Argument: JSON `{"folder","bytes"}`. Prints a line `{"at","raw","sealMs"}`, then a pairing code for
 * each line that it is given.
 *
 * @module
 */
import { createReadStream } from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { createPerson } from "@fulcrum/engine/open-person"
import { blobFolder } from "@fulcrum/store/blob-folder"
import { fieldsOf, number, text } from "../json-fields.ts"
import { serveRaw } from "../raw-stream.ts"
import { wholeEngine } from "../whole-engine.ts"
import { ATTACHMENT_NAME } from "./task.ts"

const BLOCK_BYTES: number = 8 * 1024 * 1024

const task = fieldsOf(process.argv[2] ?? "")
const [folder, bytes] = [text(task, "folder"), number(task, "bytes")]
const file = join(folder, ATTACHMENT_NAME)
await writeNoise(file, bytes)
const { person } = await createPerson({
  ...(await wholeEngine(join(folder, "holder"))),
  blobs: blobFolder(join(folder, "held")),
  name: "holder",
  relays: [],
})
await using raw = await serveRaw()
const [at = ""] = await person.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
const begun = performance.now()
await person.attachments.add({
  ...{ name: ATTACHMENT_NAME, mediaType: "application/octet-stream", bytes },
  content: createReadStream(file, { highWaterMark: 1024 * 1024 }),
  signal: new AbortController().signal,
})
console.log(JSON.stringify({ at, raw: raw.address, sealMs: performance.now() - begun }))

const signal = new AbortController().signal
for await (const _ of createInterface({ input: process.stdin })) {
  const code = ({ code: shown }: { readonly code: string }): void =>
    console.log(JSON.stringify({ code: shown }))
  await person.pair({ code, approve: async () => true }, signal)
}
await person.close()

/** Content that nothing packs. */
async function writeNoise(path: string, length: number): Promise<void> {
  const out = await open(path, "w")
  const block = new Uint8Array(BLOCK_BYTES)
  for (let at = 0; at < BLOCK_BYTES; at += 65_536) {
    crypto.getRandomValues(block.subarray(at, at + 65_536))
  }
  for (let left = length; left > 0; left -= BLOCK_BYTES) {
    await out.write(left < BLOCK_BYTES ? block.subarray(0, left) : block)
  }
  await out.close()
}
