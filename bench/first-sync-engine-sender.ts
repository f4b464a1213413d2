/**
 * The first device as a whole engine, in a process of its own: makes a record of seeded edits,
 * then pairs with whoever asks, until its standard input ends.
 *
 * Argument: a JSON object of `edits`, `documents` and `folder`. Prints one line, a JSON object of
 * `address` (the device's) and `codeAddress` (where a pairing code is to be had).
 *
 * @module
 */
import { once } from "node:events"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { createPerson } from "@fulcrum/engine/open-person"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { readShape } from "./first-sync-process.ts"
import { seededEdits } from "./seeded-record.ts"
import { CODE_PROTOCOL, typedPath, wholeEngine } from "./whole-engine.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"

const { shape, folder } = readShape(process.argv[2])
const { person } = await createPerson({
  ...(await wholeEngine(folder)),
  name: "first device",
  relays: [],
})
for (const edit of seededEdits(shape)) await person.set(typedPath(edit), edit.value)
const [address = ""] = await person.start({ listen: [LOOPBACK] })

const stop = new AbortController()
const host = await libp2pNetwork().host()
host.handle(CODE_PROTOCOL, async (channel) => {
  const prompts = {
    code: ({ code }: { readonly code: string }) => {
      channel.send(utf8ToBytes(code)).catch((error: Error) => channel.abort(error))
    },
    approve: async () => true,
  }
  await person.pair(prompts, stop.signal)
  await channel.close()
})
const [codeAddress = ""] = await host.listen([LOOPBACK])
console.log(JSON.stringify({ address, codeAddress }))

process.stdin.resume()
await once(process.stdin, "end")
stop.abort()
await host.close()
await person.close()
