/**
 * The layers as data: who may import whom, who owns which outside library, and which files touch
 * the world. A change here is a change of design: say why in `docs/decisions/`.
 *
 * @module
 */

/** What code outside an adapter may not reach for by itself. */
export type Power =
  /** `node:` modules and Node's own globals: such code does not run in a browser. */
  "node" | "clock" | "random" | "timer" | "network" | "console"

export interface WorkspaceRule {
  readonly mayImport: readonly string[]
  /** Outside libraries; `@scope/*` is the whole scope. */
  readonly owns: readonly string[]
}

export interface AdapterRule {
  /** Start of the file's path from the root; `…/level` also covers `…/level-lock.ts`. */
  readonly path: string
  readonly powers: readonly Power[]
  readonly why: string
}

const ALL_POWERS: readonly Power[] = ["node", "clock", "random", "timer", "network", "console"]

const ENGINE_IMPORTS = [
  "access",
  "attachments",
  "codec",
  "crypto",
  "log",
  "net",
  "record",
  "relations",
  "relay",
  "store",
  "sync",
]

const PROGRAM_IMPORTS = [...ENGINE_IMPORTS, "engine"]
const PROGRAM_LIBRARIES = ["commander", "hono", "@hono/node-server", "uqr"]

/** The table of the layers, by the workspace's folder name; programs are `nodes/NAME`. */
export const WORKSPACE_RULES: Readonly<Record<string, WorkspaceRule>> = {
  codec: { mayImport: [], owns: ["cborg"] },
  crypto: { mayImport: ["codec"], owns: ["@noble/*", "hpke"] },
  store: {
    mayImport: ["codec", "crypto"],
    // `browser-level` needs `events`, which Node has built in.
    owns: ["level", "memory-level", "browser-level", "events", "pg"],
  },
  net: {
    mayImport: ["codec", "crypto"],
    owns: ["libp2p", "@libp2p/*", "@chainsafe/*", "@multiformats/*", "uint8arraylist"],
  },
  log: { mayImport: ["codec", "crypto"], owns: [] },
  sync: { mayImport: ["codec", "crypto", "log"], owns: [] },
  attachments: { mayImport: ["codec", "crypto", "log", "store"], owns: [] },
  access: { mayImport: ["codec", "crypto", "log"], owns: ["@scure/bip39"] },
  relay: { mayImport: ["codec", "crypto", "log", "store", "sync"], owns: [] },
  record: { mayImport: ["codec", "crypto"], owns: ["@automerge/automerge"] },
  relations: { mayImport: ["access", "codec", "crypto", "log", "record"], owns: [] },
  engine: { mayImport: ENGINE_IMPORTS, owns: ["age-encryption", "modern-tar", "@scure/base"] },
  sim: { mayImport: PROGRAM_IMPORTS, owns: [] },
  "nodes/device": {
    mayImport: PROGRAM_IMPORTS,
    // Its tests read QR codes off the screen.
    owns: [...PROGRAM_LIBRARIES, "@napi-rs/keyring", "jsqr"],
  },
  "nodes/vendor": { mayImport: PROGRAM_IMPORTS, owns: [...PROGRAM_LIBRARIES, "standardwebhooks"] },
  "nodes/relay": { mayImport: PROGRAM_IMPORTS, owns: PROGRAM_LIBRARIES },
}

/**
 * Folders of a package's `src`, lowest first: a file imports from its own and from those before it, types
 * among it, and lies in one of them.
 */
export const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  engine: [
    "failures",
    "waiting",
    "items",
    "membership",
    "documents",
    "ledger",
    "person",
    "mailboxes",
    "relationships",
    "devices",
    "attachments",
    "actions",
    "recovery",
    "opening",
    "vendor-side",
  ],
}

/** Public subpaths that only programs and `sim` may choose; all others see the contract. */
export const ADAPTER_SUBPATHS: Readonly<Record<string, readonly string[]>> = {
  crypto: ["remembering"],
  store: [
    "blob-folder",
    "browser",
    "data-folder",
    "level",
    "level-rebuilding",
    "memory",
    "memory-blobs",
    "postgres",
  ],
  net: ["libp2p", "mdns", "memory", "memory-discovery"],
  record: ["in-line", "web-worker", "worker-threads"],
}

/** A library that stays within its owner's adapter. */
export const CONFINED_LIBRARIES: Readonly<Record<string, string>> = {
  level: "packages/store/src/level",
  "browser-level": "packages/store/src/browser",
  pg: "packages/store/src/postgres",
  libp2p: "packages/net/src/libp2p",
}

/** The only files that touch the world. */
export const ADAPTERS: readonly AdapterRule[] = [
  { path: "nodes/", powers: ALL_POWERS, why: "programs read the machine and print" },
  { path: "packages/sim/src/main.ts", powers: ALL_POWERS, why: "the simulator's program" },
  { path: "packages/sim/src/campaign/", powers: ALL_POWERS, why: "its processes" },
  {
    path: "packages/store/src/level",
    powers: ["node", "timer", "random"],
    why: "a folder on disk; its reserve is noise, which no file system packs",
  },
  { path: "packages/store/src/blob-folder", powers: ["node"], why: "files in a folder" },
  { path: "packages/store/src/postgres", powers: ["node", "timer"], why: "a database server" },
  {
    path: "packages/net/src/libp2p",
    powers: ["node", "clock", "timer", "network"],
    why: "sockets",
  },
  {
    path: "packages/net/src/mdns",
    powers: ["node", "clock", "timer", "network"],
    why: "multicast",
  },
  {
    path: "packages/record/src/worker-",
    powers: ["node", "clock", "timer"],
    why: "a worker and its thread; what is done here is timed, to let others have their turn",
  },
  { path: "packages/record/src/web-worker", powers: ["timer"], why: "a worker" },
  { path: "packages/crypto/src/random.ts", powers: ["random"], why: "the system's randomness" },
  { path: "packages/crypto/src/clock.ts", powers: ["clock", "timer"], why: "the system's clock" },
  { path: "packages/log/src/deflate.ts", powers: ["node"], why: "the platform's zlib, if there" },
  { path: "packages/crypto/src/native", powers: ["node"], why: "the platform's ciphers, if there" },
]
