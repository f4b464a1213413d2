/**
 * What none can beat: the bytes of the same documents as Automerge saves them, over a plain TCP socket
 * and over a bare libp2p stream, and Automerge's own load of them, with no network. Of the first two
 * nothing is read until it is compared.
 *
 * @module
 */
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import * as Automerge from "@automerge/automerge"
import { base64urlToBytes, bytesToBase64url } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import { type DocumentId, documentId } from "@fulcrum/record/documents"
import { fields, number, text } from "../../json-fields.ts"
import { bareLibp2p, fetchRaw, serveRaw } from "../../raw-stream.ts"
import { type RecordShape, type SeededValues, seededEdits } from "../../seeded-record.ts"
import type { Contestant, Newcomer, PrepareOptions, ServeOptions, Server } from "../contestant.ts"
import { listenOnLoopback } from "../loopback.ts"

type Saved = ReadonlyMap<DocumentId, Uint8Array>

/** Bytes and nothing else; one edit is its value and a zero. */
export const tcpSocket: Contestant = {
  name: "TCP socket",
  packages: [],
  leavesOut: ["encryption", "signatures", "disk", "documents"],
  serve: serveTcp,
  prepare: async (options) => tcpNewcomer(options),
}

export const libp2pStream: Contestant = {
  name: "libp2p stream",
  packages: ["libp2p"],
  leavesOut: ["disk", "documents", "live edits"],
  serve: serveStream,
  prepare: prepareStream,
}

export const automergeLoad: Contestant = {
  name: "Automerge's load",
  packages: ["@automerge/automerge"],
  leavesOut: ["encryption", "signatures", "disk", "network", "live edits"],
  serve: async ({ shape }) => ({
    port: 0,
    invitation: { saved: writeSaved(savedOf(shape)) },
    edit: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }),
  prepare: async ({ invitation }) => {
    const saved = readSaved(text(fields(invitation), "saved"))
    const values = new Map<DocumentId, JsonValue>()
    return {
      clone: async () => {
        for (const [id, bytes] of saved) values.set(id, readingOf(bytes))
      },
      read: async () => values,
      watch: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }
  },
}

async function serveTcp({ shape }: ServeOptions): Promise<Server> {
  const saved = Buffer.from(writeSaved(savedOf(shape)))
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    socket.setNoDelay(true)
    open.add(socket)
    socket.on("error", () => socket.destroy())
    socket.on("close", () => open.delete(socket))
    socket.write(saved)
    socket.write("\0")
  })
  const listening = await listenOnLoopback(server)
  return {
    port: listening,
    invitation: null,
    edit: async ({ value }) => {
      for (const socket of open) socket.write(`${value}\0`)
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

function tcpNewcomer({ port }: PrepareOptions): Newcomer {
  let seen: (value: string) => void = () => undefined
  let first = Promise.withResolvers<string>()
  let socket: Socket | undefined
  return {
    async clone() {
      let parts: Buffer[] = []
      let hasFirst = false
      socket = connect({ port, host: "127.0.0.1", noDelay: true })
      socket.on("error", (error) => first.reject(error))
      socket.on("data", (data) => {
        for (let at = 0; at < data.length; ) {
          const end = data.indexOf(0, at)
          parts.push(data.subarray(at, end < 0 ? data.length : end))
          if (end < 0) return
          const whole = Buffer.concat(parts).toString()
          parts = []
          at = end + 1
          if (hasFirst) seen(whole)
          else first.resolve(whole)
          hasFirst = true
        }
      })
      await first.promise
    },
    read: async () => readingsOf(readSaved(await first.promise)),
    watch: async (heard) => {
      seen = heard
    },
    async [Symbol.asyncDispose]() {
      first = Promise.withResolvers()
      socket?.destroy()
    },
  }
}

async function serveStream({ shape }: ServeOptions): Promise<Server> {
  const saved = savedOf(shape)
  const server = await serveRaw()
  return {
    port: Number(/\/tcp\/(\d+)/.exec(server.address)?.[1]),
    invitation: { address: server.address, saved: writeSaved(saved), bytes: bytesOf(saved) },
    edit: async () => undefined,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** So many bytes of no meaning; the documents are read from the invitation. */
async function prepareStream({ port, invitation }: PrepareOptions): Promise<Newcomer> {
  const told = fields(invitation)
  const address = text(told, "address").replace(/\/tcp\/\d+/, `/tcp/${port}`)
  const node = await bareLibp2p([])
  return {
    async clone() {
      await fetchRaw(node, address, number(told, "bytes"))
    },
    read: async () => readingsOf(readSaved(text(told, "saved"))),
    watch: async () => undefined,
    [Symbol.asyncDispose]: async () => node.stop(),
  }
}

/** Each document's saved form, of one change for each edit. */
function savedOf(shape: RecordShape): Saved {
  const documents = new Map<DocumentId, Automerge.Doc<Record<string, unknown>>>()
  for (const { document, path, value } of seededEdits(shape)) {
    const before = documents.get(document) ?? Automerge.init<Record<string, unknown>>()
    const next = Automerge.change(before, (draft) => {
      draft[path.join("/")] = new Automerge.ImmutableString(value)
    })
    documents.set(document, next)
  }
  return new Map([...documents].map(([id, document]) => [id, Automerge.save(document)]))
}

function readingsOf(saved: Saved): SeededValues {
  return new Map([...saved].map(([id, bytes]) => [id, readingOf(bytes)]))
}

function readingOf(bytes: Uint8Array): JsonValue {
  const whole: { [key: string]: JsonValue } = {}
  for (const [key, value] of Object.entries(Automerge.load<Record<string, unknown>>(bytes))) {
    const [first = "", second] = key.split("/")
    const inner = whole[first]
    if (second === undefined) whole[first] = String(value)
    else if (isObject(inner)) whole[first] = { ...inner, [second]: String(value) }
    else whole[first] = { [second]: String(value) }
  }
  return whole
}

function isObject(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function bytesOf(saved: Saved): number {
  return [...saved.values()].reduce((sum, { length }) => sum + length, 0)
}

function writeSaved(saved: Saved): string {
  return [...saved].map(([id, bytes]) => `${id} ${bytesToBase64url(bytes)}`).join("\n")
}

function readSaved(lines: string): Saved {
  return new Map(
    lines.split("\n").map((line): [DocumentId, Uint8Array] => {
      const [id = "", bytes = ""] = line.split(" ")
      return [documentId(id), base64urlToBytes(bytes)]
    }),
  )
}
