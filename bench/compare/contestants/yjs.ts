/**
 * Yjs with its own sync protocol over one WebSocket: no server product, so nothing but Yjs counts.
 *
 * Each document is a `Y.Doc`, and their messages share the socket under the documents' names, as
 * Hocuspocus does it, with all that is said at one moment in one frame, which is faster still.
 *
 * A frame is a row of
 *
 * | field   | type                                                 |
 * | ------- | ---------------------------------------------------- |
 * | name    | text of lib0: which document                         |
 * | message | of y-protocols: sync step 1, sync step 2 or an update |
 *
 * @module
 */
import { once } from "node:events"
import type { JsonValue } from "@fulcrum/codec/json"
import { type DocumentId, documentId } from "@fulcrum/record/documents"
import WebSocket from "isomorphic-ws"
import * as decoding from "lib0/decoding"
import * as encoding from "lib0/encoding"
import {
  messageYjsSyncStep1,
  messageYjsSyncStep2,
  readSyncMessage,
  writeSyncStep1,
  writeUpdate,
} from "y-protocols/sync"
import { Doc, Map as YMap, YMapEvent } from "yjs"
import { type SeededEdit, seededEdits } from "../../seeded-record.ts"
import type { Contestant, Newcomer, PrepareOptions, ServeOptions, Server } from "../contestant.ts"
import { listenOnSockets, socketAddress } from "../socket-server.ts"
import { untilReads } from "../until-reads.ts"

type Docs = Map<DocumentId, Doc>
type Fields = YMap<unknown>

interface Answer {
  readonly frame: Uint8Array
  /** What the other has told all that it had of. */
  readonly whole: readonly DocumentId[]
}

export const yjs: Contestant = {
  name: "Yjs",
  packages: ["yjs", "y-protocols", "lib0", "ws"],
  leavesOut: ["encryption", "signatures", "disk", "history"],
  serve,
  prepare: async (options) => newcomerOf(options),
}

async function serve({ shape }: ServeOptions): Promise<Server> {
  const docs: Docs = new Map()
  for (const edit of seededEdits(shape)) {
    const doc = docs.get(edit.document) ?? new Doc()
    docs.set(edit.document, doc)
    make(doc, edit)
  }
  const listening = await listenOnSockets()
  const { sockets, port } = listening
  for (const [id, doc] of docs) {
    doc.on("update", (update: Uint8Array, origin: unknown) => {
      const frame = frameOf([id], (messages) => writeUpdate(messages, update))
      for (const socket of sockets.clients) if (socket !== origin) socket.send(frame)
    })
  }
  sockets.on("connection", (socket) => {
    socket.on("message", (frame: Buffer) => {
      say(socket, answer(docs, { frame, origin: socket, asksBack: true }).frame)
    })
  })
  return {
    port,
    invitation: [...docs.keys()],
    edit: async (edit) => make(docOf(docs, edit.document), edit),
    async [Symbol.asyncDispose]() {
      await listening[Symbol.asyncDispose]()
      for (const doc of docs.values()) doc.destroy()
    },
  }
}

function newcomerOf({ port, invitation }: PrepareOptions): Newcomer {
  const docs: Docs = new Map(documentsOf(invitation).map((id) => [id, new Doc()]))
  let socket: WebSocket | undefined
  return {
    async clone(expected) {
      socket = new WebSocket(socketAddress(port))
      await once(socket, "open")
      await sync(docs, socket)
      const read = [...expected].map(([id, value]) => untilReads(awaited(docOf(docs, id)), value))
      await Promise.all(read)
    },
    read: async (expected) =>
      new Map([...expected.keys()].map((id) => [id, readDoc(docOf(docs, id))])),
    async watch(seen) {
      for (const doc of docs.values()) watchDoc(doc, seen)
    },
    async [Symbol.asyncDispose]() {
      for (const doc of docs.values()) doc.destroy()
      if (socket === undefined || socket.readyState === WebSocket.CLOSED) return
      const closed = once(socket, "close")
      socket.close()
      await closed
    },
  }
}

/** Asks for every document, and listens from then on; resolves once all were answered. */
function sync(docs: Docs, socket: WebSocket): Promise<void> {
  const missing = new Set(docs.keys())
  return new Promise((resolve) => {
    socket.on("message", (frame: Buffer) => {
      const answered = answer(docs, { frame, origin: socket, asksBack: false })
      say(socket, answered.frame)
      for (const id of answered.whole) missing.delete(id)
      if (missing.size === 0) resolve()
    })
    say(
      socket,
      frameOf(docs.keys(), (messages, id) => writeSyncStep1(messages, docOf(docs, id))),
    )
  })
}

interface Heard {
  readonly frame: Uint8Array
  /** Who is not told of these updates again. */
  readonly origin: WebSocket
  /** The protocol's server asks back who asks it. */
  readonly asksBack: boolean
}

function answer(docs: Docs, { frame, origin, asksBack }: Heard): Answer {
  const from = decoding.createDecoder(frame)
  const to = encoding.createEncoder()
  const whole: DocumentId[] = []
  while (decoding.hasContent(from)) {
    const id = documentId(decoding.readVarString(from))
    const doc = docOf(docs, id)
    const reply = encoding.createEncoder()
    const kind = readSyncMessage(from, reply, doc, origin)
    if (kind === messageYjsSyncStep2) whole.push(id)
    if (kind !== messageYjsSyncStep1) continue
    encoding.writeVarString(to, id)
    encoding.writeUint8Array(to, encoding.toUint8Array(reply))
    if (!asksBack) continue
    encoding.writeVarString(to, id)
    writeSyncStep1(to, doc)
  }
  return { frame: encoding.toUint8Array(to), whole }
}

function frameOf(
  ids: Iterable<DocumentId>,
  write: (messages: encoding.Encoder, id: DocumentId) => void,
): Uint8Array {
  const to = encoding.createEncoder()
  for (const id of ids) {
    encoding.writeVarString(to, id)
    write(to, id)
  }
  return encoding.toUint8Array(to)
}

function say(socket: WebSocket, frame: Uint8Array): void {
  if (frame.length > 0) socket.send(frame)
}

function make(doc: Doc, { path, value }: SeededEdit): void {
  doc.transact(() => {
    let within = rootOf(doc)
    for (const name of path.slice(0, -1)) {
      const inner = within.get(name)
      if (inner instanceof YMap) within = inner
      else within = within.set(name, new YMap())
    }
    within.set(path.at(-1) ?? "", value)
  })
}

function awaited(doc: Doc) {
  return {
    read: () => readDoc(doc),
    onChange(look: () => void) {
      doc.on("update", look)
      return () => doc.off("update", look)
    },
  }
}

function watchDoc(doc: Doc, seen: (value: string) => void): void {
  rootOf(doc).observeDeep((events) => {
    for (const event of events) {
      if (!(event instanceof YMapEvent)) continue
      for (const name of event.keysChanged) {
        const value = event.target.get(name)
        if (typeof value === "string") seen(value)
      }
    }
  })
}

/** @throws {TypeError} */
function documentsOf(invitation: JsonValue): readonly DocumentId[] {
  if (!Array.isArray(invitation)) throw new TypeError("not a list of documents")
  return invitation.map((id) => documentId(String(id)))
}

function docOf(docs: Docs, id: DocumentId): Doc {
  const doc = docs.get(id)
  if (doc === undefined) throw new Error(`there is no ${id}`)
  return doc
}

function rootOf(doc: Doc): Fields {
  return doc.getMap("things")
}

function readDoc(doc: Doc): JsonValue {
  return rootOf(doc).toJSON()
}
