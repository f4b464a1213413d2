/**
 * The data folder of a vendor.
 *
 * | name          | what                                                                      |
 * | ------------- | ------------------------------------------------------------------------- |
 * | `vault.key`   | the key of all the rest; see `vault-key.ts`. Back it up                   |
 * | `store/`      | the books: sealed tables                                                  |
 * | `relay/`      | the relay that `up` runs: sealed tables of its own                        |
 * | `ports.json`  | ports that were drawn, so that addresses survive a restart                |
 * | `daemon.json` | while `up` runs: where, and this start's token                            |
 *
 * @module
 */
import { chmod, readdir } from "node:fs/promises"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { type JsonValue, parseJson } from "@fulcrum/codec/json"
import { lookAtFolder, makeFolder } from "@fulcrum/store/data-folder"
import { readPrivateFile, writePrivateFile } from "./private-file.ts"
import { codeOf, failureOf, ProgramError } from "./program-error.ts"

export interface Home {
  readonly folder: string
  readonly storeFolder: string
  readonly relayFolder: string
  readonly keyFile: string
  readonly portsFile: string
  readonly daemonFile: string
}

export interface Surroundings {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
  readonly userFolder: string
}

const OWNER_ONLY = 0o700
const NAMES = { key: "vault.key", others: ["store", "relay", "ports.json", "daemon.json"] }
const FILE_LIMITS = { bytesMax: 16 * 1024, depthMax: 2, itemsMax: 256 }

/** @param chosen - What `--home` says. Nothing is made yet. */
export function findHome(chosen: string | undefined, here: Surroundings = thisMachine()): Home {
  const folder = resolve(chosen ?? (here.env.FULCRUM_HOME || platformFolder(here)))
  return {
    folder,
    storeFolder: join(folder, "store"),
    relayFolder: join(folder, "relay"),
    keyFile: join(folder, "vault.key"),
    portsFile: join(folder, "ports.json"),
    daemonFile: join(folder, "daemon.json"),
  }
}

/**
 * Makes the folder, for its owner alone. One that was there keeps its mode and is not touched
 * unless it is empty or a vendor's.
 *
 * @throws {ProgramError} `FILE_IO`: it is a file, or cannot be made; `HOME_FOREIGN`: others keep something in it.
 */
export async function makeHome({ folder }: Home): Promise<void> {
  const state = await lookAtFolder(folder, NAMES).catch((error) => notMade(error, folder))
  if (state === "file") {
    throw new ProgramError(
      "FILE_IO",
      `that is a file, not a folder (${folder})`,
      "choose a folder with --home",
    )
  }
  if (state === "foreign") {
    throw new ProgramError(
      "HOME_FOREIGN",
      `the folder is not empty, and no vendor's books are in it (${folder})`,
      "choose a new or an empty folder with --home",
    )
  }
  await makeFolder(folder).catch((error) => notMade(error, folder))
  // One that was there already keeps its mode otherwise.
  await chmod(folder, OWNER_ONLY)
}

/** Of a place where it makes everything itself, as `/proc`, the system says that it is not there. */
function notMade(error: unknown, folder: string): never {
  const { code, message } = failureOf(error)
  if (code !== "FILE_IO") throw error
  const why = codeOf(error) === "ENOENT" ? `nothing can be put there (${folder})` : message
  throw new ProgramError(
    "FILE_IO",
    `the data folder cannot be made: ${why}`,
    "choose another folder with --home",
    { cause: error },
  )
}

/** Whether there are books, whatever became of their key. */
export async function hasStore({ storeFolder }: Home): Promise<boolean> {
  try {
    return (await readdir(storeFolder)).length > 0
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false
    throw error
  }
}

/** Ports by the address that was asked for; empty if the file is not there or not readable. */
export async function readPorts({ portsFile }: Home): Promise<Record<string, number>> {
  const bytes = await readPrivateFile(portsFile)
  const ports: Record<string, number> = {}
  for (const [address, port] of Object.entries(bytes === undefined ? {} : fieldsOf(bytes))) {
    if (typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65_536) {
      ports[address] = port
    }
  }
  return ports
}

export async function writePorts(
  { portsFile }: Home,
  ports: Readonly<Record<string, number>>,
): Promise<void> {
  await writePrivateFile(portsFile, utf8ToBytes(`${JSON.stringify(ports)}\n`))
}

/** What is not JSON was not written by us: ports are then drawn again. */
function fieldsOf(bytes: Uint8Array): Readonly<Record<string, JsonValue>> {
  try {
    const value = parseJson(bytes, FILE_LIMITS)
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value))
      : {}
  } catch {
    return {}
  }
}

function platformFolder({ platform, env, userFolder }: Surroundings): string {
  if (platform === "win32") {
    return join(env.LOCALAPPDATA || join(userFolder, "AppData", "Local"), "fulcrum-vendor")
  }
  if (platform === "darwin") {
    return join(userFolder, "Library", "Application Support", "fulcrum-vendor")
  }
  return join(env.XDG_DATA_HOME || join(userFolder, ".local", "share"), "fulcrum-vendor")
}

function thisMachine(): Surroundings {
  return { platform: process.platform, env: process.env, userFolder: homedir() }
}
