/**
 * cojson, the engine of Jazz, over its WebSocket transport and with its native cryptography, in
 * memory and on SQLite: encrypted from end to end, with one signature over all that one write sends.
 *
 * A document is one flat CoMap, with `thing/field` as key where it has things: this is faster than a
 * CoMap for each thing. An edit is a transaction of its own. The newcomer is a new device of the same
 * account, which reads whatever the group of that account has.
 *
 * @module
 */
import { once } from "node:events"
import { join } from "node:path"
import type { JsonValue } from "@fulcrum/codec/json"
import type { DocumentId } from "@fulcrum/record/documents"
import { type CoID, CryptoProvider, isRawCoID, LocalNode, type RawCoMap } from "cojson"
import { createWebSocketPeer } from "cojson-transport-ws"
import WebSocket from "isomorphic-ws"
import { type Fields, fields, text } from "../../json-fields.ts"
import { type SeededEdit, seededEdits } from "../../seeded-record.ts"
import type {
  Contestant,
  LeftOut,
  Newcomer,
  PrepareOptions,
  ServeOptions,
  Server,
} from "../contestant.ts"
import { listenOnSockets, type SocketServer, socketAddress } from "../socket-server.ts"
import { untilReads } from "../until-reads.ts"
import { type CojsonStorage, openCojsonStorage } from "./cojson-storage.ts"

type FlatMap = RawCoMap<{ [key: string]: string }>
type FlatMaps = Map<DocumentId, FlatMap>
type Credentials = Pick<
  Parameters<typeof LocalNode.withLoadedAccount>[0],
  "accountID" | "accountSecret"
>

/** Not known to the compiler, since it leads to types that do not hold: `cojson-core-wasm` has some. */
const NATIVE_CRYPTO: string = "cojson/crypto/NapiCrypto"

interface Variant {
  readonly name: string
  readonly leavesOut: readonly LeftOut[]
  readonly open?: (folder: string) => CojsonStorage
}

export const cojsonInMemory: Contestant = contestantOf({
  name: "cojson (Jazz), in memory",
  leavesOut: ["disk"],
})

export const cojsonOnDisk: Contestant = contestantOf({
  name: "cojson (Jazz), on disk",
  leavesOut: [],
  open: (folder) => openCojsonStorage(join(folder, "cojson.sqlite")),
})

function contestantOf({ open, ...about }: Variant): Contestant {
  return {
    ...about,
    packages: ["cojson", "cojson-transport-ws", "cojson-core-napi"],
    serve: (options) => serve(options, open?.(options.folder)),
    prepare: async (options) => newcomerOf(options, open?.(options.folder)),
  }
}

async function serve({ shape }: ServeOptions, storage: CojsonStorage | undefined): Promise<Server> {
  const { node, accountID, accountSecret } = await LocalNode.withNewlyCreatedAccount({
    creationProps: { name: "bench" },
    crypto: await nativeCrypto(),
    ...storage?.option,
  })
  const group = node.createGroup()
  const maps: FlatMaps = new Map()
  for (const edit of seededEdits(shape)) {
    const map = maps.get(edit.document) ?? group.createMap<FlatMap>()
    maps.set(edit.document, map)
    make(map, edit)
  }
  storage?.flush()
  const listening = await listenOnSockets()
  takeClients(node, listening)
  return {
    port: listening.port,
    invitation: { accountID, accountSecret, documents: idsOf(maps) },
    edit: async (edit) => make(mapOf(maps, edit.document), edit),
    async [Symbol.asyncDispose]() {
      await node.gracefulShutdown()
      await listening[Symbol.asyncDispose]()
      storage?.close()
    },
  }
}

function takeClients(node: LocalNode, { sockets }: SocketServer): void {
  let clients = 0
  sockets.on("connection", (websocket) => {
    clients++
    node.syncManager.addPeer(
      createWebSocketPeer({
        id: `client-${clients}`,
        role: "client",
        websocket,
        expectPings: false,
        deletePeerStateOnClose: true,
      }),
    )
  })
}

function newcomerOf(
  { port, invitation }: PrepareOptions,
  storage: CojsonStorage | undefined,
): Newcomer {
  const told = fields(invitation)
  const ids = fields(told.get("documents"))
  const maps: FlatMaps = new Map()
  let node: LocalNode | undefined
  let socket: WebSocket | undefined
  return {
    async clone(expected) {
      socket = new WebSocket(socketAddress(port))
      const loaded = await loadNode(credentialsOf(told), socket, storage)
      node = loaded
      const cloned = [...expected].map(async ([id, value]) => {
        const map = await loadMap(loaded, text(ids, id))
        maps.set(id, map)
        await untilReads(awaited(map), value)
      })
      await Promise.all(cloned)
      storage?.flush()
    },
    read: async (expected) =>
      new Map([...expected.keys()].map((id) => [id, readMap(mapOf(maps, id))])),
    async watch(seen) {
      for (const map of maps.values()) watchMap(map, seen)
    },
    async [Symbol.asyncDispose]() {
      const closed = socket && socket.readyState !== WebSocket.CLOSED && once(socket, "close")
      await node?.gracefulShutdown()
      await closed
      storage?.close()
    },
  }
}

async function loadNode(
  credentials: Credentials,
  websocket: WebSocket,
  storage: CojsonStorage | undefined,
): Promise<LocalNode> {
  const peer = createWebSocketPeer({
    id: "server",
    role: "server",
    websocket,
    expectPings: false,
    deletePeerStateOnClose: true,
  })
  return LocalNode.withLoadedAccount({
    ...credentials,
    sessionID: undefined,
    peers: [peer],
    crypto: await nativeCrypto(),
    ...storage?.option,
  })
}

async function loadMap(node: LocalNode, id: string): Promise<FlatMap> {
  if (!isMapId(id)) throw new TypeError("not the id of a CoMap")
  const map = await node.load(id)
  if (map === "unavailable") throw new Error("a CoMap is not there")
  await map.core.waitForFullStreaming()
  return map
}

async function nativeCrypto(): Promise<CryptoProvider> {
  const { NapiCrypto } = await import(NATIVE_CRYPTO)
  const crypto: unknown = await NapiCrypto.create()
  if (!(crypto instanceof CryptoProvider)) throw new Error("cojson has no native cryptography")
  return crypto
}

function make(map: FlatMap, { path, value }: SeededEdit): void {
  map.set(path.join("/"), value)
}

function awaited(map: FlatMap) {
  return {
    read: () => readMap(map),
    onChange: (look: () => void) => map.core.subscribe(look, false),
  }
}

function watchMap(map: FlatMap, seen: (value: string) => void): void {
  let before = map.asObject()
  map.core.subscribe(() => {
    const now = map.asObject()
    for (const [key, value] of Object.entries(now)) if (value !== before[key]) seen(value)
    before = now
  }, false)
}

/** With the things that its keys name as objects of their own. */
function readMap(map: FlatMap): JsonValue {
  const whole: { [name: string]: string | { [name: string]: string } } = {}
  for (const [key, value] of Object.entries(map.asObject())) {
    const [first = "", second] = key.split("/")
    const thing = whole[first] ?? {}
    if (second === undefined || typeof thing === "string") whole[first] = value
    else whole[first] = Object.assign(thing, { [second]: value })
  }
  return whole
}

function idsOf(maps: FlatMaps): JsonValue {
  return Object.fromEntries([...maps].map(([document, { id }]) => [document, id]))
}

/** @throws {TypeError} */
function credentialsOf(told: Fields): Credentials {
  const accountID = text(told, "accountID")
  const accountSecret = text(told, "accountSecret")
  if (!isAccountId(accountID) || !isSecret(accountSecret)) throw new TypeError("not an account")
  return { accountID, accountSecret }
}

function isAccountId(id: string): id is Credentials["accountID"] {
  return isRawCoID(id)
}

function isSecret(secret: string): secret is Credentials["accountSecret"] {
  return /^sealerSecret_z\w+\/signerSecret_z\w+$/.test(secret)
}

function isMapId(id: string): id is CoID<FlatMap> {
  return isRawCoID(id)
}

function mapOf(maps: FlatMaps, id: DocumentId): FlatMap {
  const map = maps.get(id)
  if (map === undefined) throw new Error(`there is no ${id}`)
  return map
}
