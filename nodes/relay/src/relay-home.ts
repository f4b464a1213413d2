/**
 * A relay's data folder.
 *
 * | file         | what                                                                         |
 * | ------------ | ---------------------------------------------------------------------------- |
 * | `relay.key`  | 32 random bytes in base64url, mode 0600; its transport key, which is its      |
 * |              | address, and its store's key derive from it. Back it up.                      |
 * | `relay.json` | `{"version":1,"ports":{ADDR:PORT},"limits":{…}}`: ports that were drawn, so   |
 * |              | that its address survives a restart, and limits that differ from the default |
 * | `store/`     | the mailboxes, sealed                                                        |
 *
 * Both files are written beside their place, flushed and moved there.
 *
 * @module
 */
import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { base64urlToBytes, bytesToBase64url, bytesToUtf8 } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue, parseJson } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { hkdf } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import { RELAY_LIMITS, type RelayLimits } from "@fulcrum/relay/limits"
import { type DataFolderState, lookAtFolder, makeFolder } from "@fulcrum/store/data-folder"
import { ProgramError } from "./program-error.ts"

const NAMES = { key: "relay.key", others: ["relay.json", "store"] }
const KEY_BYTES = 32
const CONFIG_BYTES_MAX = 64 * 1024
const EMPTY = new Uint8Array(0)

export interface RelayKeys {
  /** Seed of the transport's Ed25519 key. */
  readonly transport: Uint8Array
  readonly vault: Uint8Array
}

export interface RelayConfig {
  /** The port drawn for each address that was given without one. */
  readonly ports: Readonly<Record<string, number>>
  readonly limits: Partial<RelayLimits>
}

/** Where a relay keeps its data if nobody says otherwise: the platform's own place. */
export function defaultHome(
  platform: string = process.platform,
  env: NodeJS.ProcessEnv = process.env,
): string {
  if (platform === "darwin") return join(homedir(), "Library/Application Support/fulcrum-relay")
  if (platform === "win32") {
    return join(env.LOCALAPPDATA ?? join(homedir(), "AppData/Local"), "fulcrum-relay")
  }
  return join(env.XDG_DATA_HOME || join(homedir(), ".local/share"), "fulcrum-relay")
}

/**
 * Makes the folder, for its owner alone, unless it is there: then only if it is empty or a relay's.
 *
 * @throws {ProgramError} `HOME_UNUSABLE`, `HOME_FOREIGN`: others keep something in it.
 */
export async function makeHome(home: string): Promise<void> {
  let state: DataFolderState
  try {
    state = await lookAtFolder(home, NAMES)
    if (state === "absent") await makeFolder(home)
  } catch (cause) {
    throw unusable(cause)
  }
  if (state === "file") {
    throw new ProgramError(
      "HOME_UNUSABLE",
      `that is a file, not a folder (${home})`,
      "choose a folder with --home",
    )
  }
  if (state === "foreign") {
    throw new ProgramError(
      "HOME_FOREIGN",
      `the folder is not empty, and no relay's (${home})`,
      "choose a new or an empty folder with --home",
    )
  }
}

/**
 * Reads the key file, or makes it if this folder has never been used.
 *
 * @throws {ProgramError} `KEY_MALFORMED`, `KEY_EXPOSED`, `KEY_MISSING`, `HOME_UNUSABLE`.
 */
export async function loadKeys(home: string, random: Random): Promise<RelayKeys> {
  const file = join(home, "relay.key")
  const text = await readIfThere(file)
  if (text === undefined) return createKeys(home, random)
  const { mode } = await stat(file)
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    throw new ProgramError(
      "KEY_EXPOSED",
      "others on this machine may read relay.key",
      `chmod 600 ${file}`,
    )
  }
  return deriveKeys(decodeKey(text))
}

async function createKeys(home: string, random: Random): Promise<RelayKeys> {
  const stored = await readdir(join(home, "store")).catch(ignoreMissing)
  if (stored !== undefined && stored.length > 0) {
    throw new ProgramError(
      "KEY_MISSING",
      "there is a store here, but not its relay.key",
      "put the key file back, or choose an empty folder with --home",
    )
  }
  const secret = random.bytes(KEY_BYTES)
  await writeWhole(home, "relay.key", `${bytesToBase64url(secret)}\n`)
  return deriveKeys(secret)
}

function deriveKeys(secret: Uint8Array): RelayKeys {
  return {
    transport: hkdf(contexts.nodeRelayTransport, secret, EMPTY, EMPTY, KEY_BYTES),
    vault: hkdf(contexts.nodeRelayVault, secret, EMPTY, EMPTY, KEY_BYTES),
  }
}

function decodeKey(text: Uint8Array): Uint8Array {
  try {
    const secret = base64urlToBytes(bytesToUtf8(text).trim())
    if (secret.length === KEY_BYTES) return secret
  } catch (cause) {
    throw malformedKey(cause)
  }
  throw malformedKey(undefined)
}

/** @throws {ProgramError} `CONFIG_MALFORMED`, `HOME_UNUSABLE`. */
export async function loadConfig(home: string): Promise<RelayConfig> {
  const text = await readIfThere(join(home, "relay.json"))
  if (text === undefined) return { ports: {}, limits: {} }
  let config: JsonValue
  try {
    config = parseJson(text, { bytesMax: CONFIG_BYTES_MAX, depthMax: 4, itemsMax: 1000 })
  } catch (cause) {
    throw malformedConfig("relay.json is not JSON", cause)
  }
  const { version, ports = {}, limits = {}, ...rest } = fieldsOf(config, "relay.json")
  const [unknown] = Object.keys(rest)
  if (version !== 1) throw malformedConfig("relay.json is of another version")
  if (unknown !== undefined) throw malformedConfig(`relay.json has an unknown field "${unknown}"`)
  return { ports: numbersOf(ports, "ports"), limits: limitsOf(numbersOf(limits, "limits")) }
}

export async function saveConfig(home: string, { ports, limits }: RelayConfig): Promise<void> {
  const config: JsonValue = { version: 1, ports, limits: { ...limits } }
  await writeWhole(home, "relay.json", `${canonicalJson(config)}\n`)
}

function limitsOf(numbers: Readonly<Record<string, number>>): Partial<RelayLimits> {
  for (const name of Object.keys(numbers)) {
    if (!Object.hasOwn(RELAY_LIMITS, name)) {
      throw malformedConfig(`relay.json sets an unknown limit "${name}"`)
    }
  }
  return numbers
}

function numbersOf(value: JsonValue, where: string): Readonly<Record<string, number>> {
  const numbers: Record<string, number> = {}
  for (const [name, one] of Object.entries(fieldsOf(value, where))) {
    if (typeof one !== "number" || !Number.isSafeInteger(one) || one < 1) {
      throw malformedConfig(`relay.json has no whole number above 0 at "${where}/${name}"`)
    }
    numbers[name] = one
  }
  return numbers
}

function fieldsOf(value: JsonValue, where: string): Readonly<Record<string, JsonValue>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformedConfig(`"${where}" is not an object`)
  }
  return Object.fromEntries(Object.entries(value))
}

async function readIfThere(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file).catch(ignoreMissing)
  } catch (cause) {
    throw unusable(cause)
  }
}

function ignoreMissing(cause: unknown): undefined {
  if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined
  throw cause
}

/** Writes a file whole or not at all, and durably. */
async function writeWhole(home: string, name: string, text: string): Promise<void> {
  const draft = join(home, `${name}.${process.pid}.new`)
  try {
    const file = await open(draft, "w", 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, join(home, name))
    if (process.platform === "win32") return
    const folder = await open(home, "r")
    await folder.sync().finally(() => folder.close())
  } catch (cause) {
    await rm(draft, { force: true })
    throw unusable(cause)
  }
}

function unusable(cause: unknown): ProgramError {
  return new ProgramError(
    "HOME_UNUSABLE",
    "the data folder cannot be read or written",
    "check its permissions and the disk, or choose another with --home",
    { cause },
  )
}

function malformedKey(cause: unknown): ProgramError {
  return new ProgramError("KEY_MALFORMED", "relay.key is not a key", "restore it from a backup", {
    cause,
  })
}

function malformedConfig(message: string, cause?: unknown): ProgramError {
  return new ProgramError("CONFIG_MALFORMED", message, "correct relay.json", { cause })
}
