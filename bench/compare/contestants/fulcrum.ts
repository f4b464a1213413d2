/**
 * Fulcrum: whole engines as the programs open them, on LevelDB, everything signed, encrypted and
 * flushed. Pairing, which the others do not have, is done before the two meet.
 *
 * @module
 */
import { join } from "node:path"
import { bytesToUtf8, utf8ToBytes } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { systemRandom } from "@fulcrum/crypto/random"
import { joinPerson } from "@fulcrum/engine/join-person"
import { createPerson, openPerson } from "@fulcrum/engine/open-person"
import type { Person } from "@fulcrum/engine/person"
import type { Host, Network } from "@fulcrum/net/contract"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import type { DocumentId } from "@fulcrum/record/documents"
import { fields, text } from "../../json-fields.ts"
import { type SeededEdit, type SeededValues, seededEdits } from "../../seeded-record.ts"
import { CODE_PROTOCOL, typedPath, wholeEngine } from "../../whole-engine.ts"
import type { Contestant, Newcomer, PrepareOptions, ServeOptions, Server } from "../contestant.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"
/** Answered with what the record's log adds up to. */
const VECTOR_PROTOCOL = "/fulcrum/bench/vector/1"
/** Edits that are under way at a time: the engine writes them together, each as an entry. */
const TOGETHER = 64
const DEADLINE_MS = 120_000

export const fulcrum: Contestant = {
  name: "Fulcrum",
  packages: ["fulcrum"],
  leavesOut: [],
  serve,
  prepare,
}

async function serve({ shape, folder }: ServeOptions): Promise<Server> {
  const vaultKey = systemRandom().bytes(32)
  const options = async () => ({ ...(await wholeEngine(join(folder, "first"))), vaultKey })
  const { person: writing } = await createPerson({
    ...(await options()),
    name: "first device",
    relays: [],
  })
  const edits = [...seededEdits(shape)]
  for (let from = 0; from < edits.length; from += TOGETHER) {
    const some = edits.slice(from, from + TOGETHER)
    await Promise.all(some.map((edit) => writing.set(typedPath(edit), edit.value)))
  }
  // Merges what is due as it closes.
  await writing.close()
  const person = await openPerson(await options())
  const [address = ""] = await person.start({ listen: [LOOPBACK] })
  const stop = new AbortController()
  const host = await serveCodes(person, stop.signal)
  const [codeAddress = ""] = await host.listen([LOOPBACK])
  return {
    port: portOf(address),
    invitation: { address, codeAddress },
    async edit(edit: SeededEdit) {
      await person.set(typedPath(edit), edit.value)
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await host.close()
      await person.close()
    },
  }
}

/** Pairs with whoever asks for a code, and tells how far the record goes. */
async function serveCodes(person: Person, signal: AbortSignal): Promise<Host> {
  const host = await libp2pNetwork().host()
  host.handle(CODE_PROTOCOL, async (channel) => {
    const code = ({ code }: { readonly code: string }) => {
      channel.send(utf8ToBytes(code)).catch((error: Error) => channel.abort(error))
    }
    await person.pair({ code, approve: async () => true }, signal).catch(() => undefined)
    await channel.close()
  })
  host.handle(VECTOR_PROTOCOL, async (channel) => {
    await channel.send(utf8ToBytes((await person.status()).vector))
    await channel.close()
  })
  return host
}

async function prepare({ shape, folder, port, invitation }: PrepareOptions): Promise<Newcomer> {
  const told = fields(invitation)
  const codeAddress = text(told, "codeAddress")
  const options = await wholeEngine(join(folder, "second"))
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const host = await libp2pNetwork().host()
  const codes = await host.dial(codeAddress, CODE_PROTOCOL, { signal })
  const person = await joinPerson({
    ...options,
    network: throughPort(port),
    name: "second device",
    code: await firstText(codes.messages()),
    at: text(told, "address"),
    confirm: async () => true,
    signal,
  })
  const asking = await host.dial(codeAddress, VECTOR_PROTOCOL, { signal })
  const vector = await firstText(asking.messages())
  const [first] = seededEdits(shape)
  return {
    async clone(expected, readable) {
      const isWhole = untilTrue(person, signal, async () => {
        return (await person.status()).vector === vector
      })
      const reads = () => readsOne(person, expected)
      // Of one document it shows when it is all there; of many, once the log is.
      const isRead = expected.size > 1 ? isWhole : untilTrue(person, signal, reads)
      await person.start({ listen: [] })
      await isRead
      if (!(await reads())) throw new Error("the log is whole, and its documents are not")
      readable()
      await isWhole
    },
    read: (expected) => readAll(person, expected),
    async watch(seen) {
      if (first === undefined) return
      const path = typedPath(first)
      let before = await person.get(path)
      const look = async () => {
        const value = await person.get(path)
        if (value === before || typeof value !== "string") return
        before = value
        seen(value)
      }
      person.onChange((event) => {
        if (event === "record") void look()
      })
    },
    async [Symbol.asyncDispose]() {
      await person.close()
      await host.close()
    },
  }
}

/** Whether some document reads right. */
async function readsOne(person: Person, expected: SeededValues): Promise<boolean> {
  for (const [document, value] of expected) {
    const read = await person.get(document)
    return read !== undefined && canonicalJson(read) === canonicalJson(value)
  }
  return true
}

/** Looks whenever something changed. */
function untilTrue(
  person: Person,
  signal: AbortSignal,
  isTrue: () => Promise<boolean>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = person.onChange(() => {
      look().catch(reject)
    })
    const look = async () => {
      if (!(await isTrue())) return
      stop()
      resolve()
    }
    signal.addEventListener("abort", () => reject(new Error("not in time")), { once: true })
    look().catch(reject)
  })
}

async function readAll(person: Person, expected: SeededValues): Promise<SeededValues> {
  const values = new Map<DocumentId, JsonValue>()
  for (const document of expected.keys()) {
    const value = await person.get(document)
    if (value !== undefined) values.set(document, value)
  }
  return values
}

/** The product's network, but every address is at this port: a slow line may stand there. */
function throughPort(port: number): Network {
  const network = libp2pNetwork()
  return {
    async host(options) {
      const host = await network.host(options)
      return {
        id: host.id,
        publicKey: host.publicKey,
        listen: (addresses) => host.listen(addresses),
        handle: (protocol, handler) => host.handle(protocol, handler),
        dial: (address, protocol, how) =>
          host.dial(address.replace(/\/tcp\/\d+/, `/tcp/${port}`), protocol, how),
        close: () => host.close(),
        [Symbol.asyncDispose]: () => host.close(),
      }
    },
  }
}

async function firstText(messages: AsyncIterable<Uint8Array>): Promise<string> {
  for await (const message of messages) return bytesToUtf8(message)
  throw new Error("nothing came")
}

function portOf(address: string): number {
  return Number(/\/tcp\/(\d+)/.exec(address)?.[1])
}
