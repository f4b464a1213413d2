/**
 * Hypercore over TCP, on disk: each edit is a block of one signed log, and what a reader makes of
 * the blocks is its own affair, so it has no documents.
 *
 * The line is encrypted by Noise, and the blocks by a key that the newcomer is told. What was
 * written is in RocksDB, whose log outlives the process; it is not flushed for each block.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { connect, createServer, type Server as Listener, type Socket } from "node:net"
import { join } from "node:path"
import type { DocumentId } from "@fulcrum/record/documents"
import Hypercore from "hypercore"
import { type Fields, fields, text } from "../../json-fields.ts"
import { seededEdits } from "../../seeded-record.ts"
import type { Contestant, Newcomer, PrepareOptions, ServeOptions, Server } from "../contestant.ts"
import { untilReads } from "../until-reads.ts"
import { BlockReader, blockOf } from "./hypercore-blocks.ts"

const KEY_BYTES = 32

export const hypercore: Contestant = {
  name: "Hypercore",
  packages: ["hypercore", "hypercore-storage"],
  leavesOut: ["documents"],
  serve,
  prepare,
}

async function serve({ shape, folder }: ServeOptions): Promise<Server> {
  const secret = randomBytes(KEY_BYTES)
  const core = new Hypercore(join(folder, "core"), { encryption: { key: secret } })
  await core.ready()
  await core.append([...seededEdits(shape)].map(blockOf))
  const sockets = new Set<Socket>()
  const listener = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    replicate(core, socket, { isInitiator: false })
  })
  listener.listen(0, "127.0.0.1")
  await once(listener, "listening")
  return {
    port: portOf(listener),
    invitation: { key: core.key.toString("hex"), secret: secret.toString("hex") },
    async edit(edit) {
      await core.append(blockOf(edit))
    },
    async [Symbol.asyncDispose]() {
      const closed = once(listener, "close")
      listener.close()
      for (const socket of sockets) socket.destroy()
      await closed
      await core.close()
    },
  }
}

async function prepare({ port, folder, invitation }: PrepareOptions): Promise<Newcomer> {
  const told = fields(invitation)
  const core = new Hypercore(join(folder, "core"), bytesOf(told, "key"), {
    encryption: { key: bytesOf(told, "secret") },
  })
  await core.ready()
  const reader = new BlockReader(core)
  let socket: Socket | undefined
  return {
    async clone(expected) {
      socket = connect({ port, host: "127.0.0.1", noDelay: true })
      core.once("peer-add", core.findingPeers())
      replicate(core, socket, { isInitiator: true })
      await core.update({ wait: true })
      await core.download({ start: 0, end: core.length }).done()
      await reader.follow()
      const read = [...expected].map(([id, value]) => untilReads(awaited(reader, id), value))
      await Promise.all(read)
    },
    read: async (expected) =>
      new Map([...expected.keys()].map((id) => [id, reader.read(id) ?? null])),
    async watch(seen) {
      reader.onEdit(({ value }) => seen(value))
    },
    async [Symbol.asyncDispose]() {
      const closed = socket && !socket.closed && once(socket, "close")
      socket?.destroy()
      await closed
      await core.close()
    },
  }
}

function replicate(core: Hypercore, socket: Socket, { isInitiator }: { isInitiator: boolean }) {
  const stream = core.replicate(isInitiator)
  stream.once("error", () => socket.destroy())
  socket.once("error", () => socket.destroy())
  socket.once("close", () => stream.destroy())
  socket.pipe(stream).pipe(socket)
}

function awaited(reader: BlockReader, id: DocumentId) {
  return {
    read: () => reader.read(id),
    onChange: (look: () => void) => reader.onEdit(look),
  }
}

function bytesOf(told: Fields, name: string): Buffer {
  return Buffer.from(text(told, name), "hex")
}

function portOf(listener: Listener): number {
  const address = listener.address()
  if (address === null || typeof address === "string") throw new Error("it has no port")
  return address.port
}
