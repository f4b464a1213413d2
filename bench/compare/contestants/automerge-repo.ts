/**
 * Automerge Repo over its WebSocket adapter, in memory and with its storage in files: a document of
 * its own for each seeded one, a change for each edit.
 *
 * Values are `ImmutableString`: scalars, as this engine has them too. The server announces nothing,
 * as Automerge's own sync server does: the newcomer asks for what it was invited to, all at once.
 *
 * @module
 */
import { ImmutableString } from "@automerge/automerge"
import {
  type AutomergeUrl,
  type DocHandle,
  isValidAutomergeUrl,
  Repo,
} from "@automerge/automerge-repo"
import {
  WebSocketClientAdapter,
  WebSocketServerAdapter,
} from "@automerge/automerge-repo-network-websocket"
import type { JsonValue } from "@fulcrum/codec/json"
import type { DocumentId } from "@fulcrum/record/documents"
import { fields, text } from "../../json-fields.ts"
import { type SeededEdit, type SeededValues, seededEdits } from "../../seeded-record.ts"
import type {
  Contestant,
  LeftOut,
  Newcomer,
  PrepareOptions,
  ServeOptions,
  Server,
} from "../contestant.ts"
import { listenOnSockets, socketAddress } from "../socket-server.ts"
import { untilReads } from "../until-reads.ts"
import { FileStorage } from "./automerge-file-storage.ts"

interface Content {
  [name: string]: ImmutableString | Content
}

type Handle = DocHandle<Content>
type Handles = Map<DocumentId, Handle>

interface Variant {
  readonly name: string
  readonly packages: readonly string[]
  readonly leavesOut: readonly LeftOut[]
  readonly storage?: (folder: string) => FileStorage
}

const PACKAGES = [
  "@automerge/automerge-repo",
  "@automerge/automerge",
  "@automerge/automerge-repo-network-websocket",
] as const

/** The adapter's own 5 s end the connection of a newcomer that is busy with many documents. */
const KEEP_ALIVE_MS = 60_000

export const automergeRepoInMemory: Contestant = contestantOf({
  name: "Automerge Repo, in memory",
  packages: PACKAGES,
  leavesOut: ["encryption", "signatures", "disk"],
})

export const automergeRepoOnDisk: Contestant = contestantOf({
  name: "Automerge Repo, on disk",
  packages: [...PACKAGES, "@automerge/automerge-repo-storage-nodefs"],
  leavesOut: ["encryption", "signatures"],
  storage: (folder) => new FileStorage(folder),
})

function contestantOf({ storage, ...about }: Variant): Contestant {
  return {
    ...about,
    serve: (options) => serve(options, storage?.(options.folder)),
    prepare: async (options) => newcomerOf(options, storage?.(options.folder)),
  }
}

async function serve({ shape }: ServeOptions, storage: FileStorage | undefined): Promise<Server> {
  const listening = await listenOnSockets()
  const repo = new Repo({
    network: [new WebSocketServerAdapter(listening.sockets, KEEP_ALIVE_MS)],
    sharePolicy: async () => false,
    ...(storage && { storage }),
  })
  const handles: Handles = new Map()
  for (const edit of seededEdits(shape)) {
    const handle = handles.get(edit.document) ?? repo.create<Content>()
    handles.set(edit.document, handle)
    make(handle, edit)
  }
  await repo.flush()
  return {
    port: listening.port,
    invitation: Object.fromEntries([...handles].map(([id, { url }]) => [id, url])),
    edit: async (edit) => make(handleOf(handles, edit.document), edit),
    async [Symbol.asyncDispose]() {
      await listening[Symbol.asyncDispose]()
      await repo.shutdown()
      await storage?.close()
    },
  }
}

function newcomerOf(
  { port, invitation }: PrepareOptions,
  storage: FileStorage | undefined,
): Newcomer {
  const urls = fields(invitation)
  const handles: Handles = new Map()
  const repo = new Repo(storage && { storage })
  return {
    async clone(expected) {
      await connect(repo, port)
      const cloned = [...expected].map(async ([id, value]) => {
        const handle = await repo.find<Content>(urlOf(text(urls, id)))
        handles.set(id, handle)
        await untilReads(awaited(handle), value)
      })
      await Promise.all(cloned)
      await repo.flush()
    },
    read: async (expected) => readAll(handles, expected),
    async watch(seen) {
      for (const handle of handles.values()) watchHandle(handle, seen)
    },
    async [Symbol.asyncDispose]() {
      await repo.shutdown()
      await storage?.close()
    },
  }
}

/** Resolves once the server is known: a document asked for earlier may count as unavailable. */
async function connect({ networkSubsystem }: Repo, port: number): Promise<void> {
  const met = new Promise((resolve) => networkSubsystem.once("peer", resolve))
  networkSubsystem.addNetworkAdapter(new WebSocketClientAdapter(socketAddress(port)))
  await met
}

function make(handle: Handle, { path, value }: SeededEdit): void {
  handle.change((content) => {
    let within: Content = content
    for (const name of path.slice(0, -1)) {
      within[name] ??= {}
      within = contentOf(within[name])
    }
    within[path.at(-1) ?? ""] = new ImmutableString(value)
  })
}

function readAll(handles: Handles, expected: SeededValues): SeededValues {
  return new Map([...expected.keys()].map((id) => [id, plain(handleOf(handles, id).doc())]))
}

function awaited(handle: Handle) {
  return {
    read: () => plain(handle.doc()),
    onChange(look: () => void) {
      handle.on("change", look)
      return () => handle.off("change", look)
    },
  }
}

function watchHandle(handle: Handle, seen: (value: string) => void): void {
  handle.on("change", ({ doc, patches }) => {
    for (const { action, path } of patches) {
      const value = action === "put" ? valueAt(doc, path) : undefined
      if (value instanceof ImmutableString) seen(value.val)
    }
  })
}

function valueAt(content: Content, path: readonly (string | number)[]) {
  let value: ImmutableString | Content | undefined = content
  for (const name of path) value = contentOf(value)[name]
  return value
}

function plain(content: Content): { readonly [name: string]: JsonValue } {
  return Object.fromEntries(
    Object.entries(content).map(([name, value]) => [
      name,
      value instanceof ImmutableString ? value.val : plain(value),
    ]),
  )
}

function contentOf(value: ImmutableString | Content | undefined): Content {
  if (value === undefined || value instanceof ImmutableString) throw new Error("it has no fields")
  return value
}

function handleOf(handles: Handles, id: DocumentId): Handle {
  const handle = handles.get(id)
  if (handle === undefined) throw new Error(`there is no ${id}`)
  return handle
}

function urlOf(url: string): AutomergeUrl {
  if (!isValidAutomergeUrl(url)) throw new TypeError("not an Automerge URL")
  return url
}
