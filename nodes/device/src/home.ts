/**
 * The data folder of one device.
 *
 * | name              | what                                                            |
 * | ----------------- | --------------------------------------------------------------- |
 * | `device.key`      | the key of all the rest, sealed; see `device-key.ts`             |
 * | `store/`          | the record: sealed tables                                       |
 * | `attachments/`    | files that belong to the record, each sealed on its own         |
 * | `store.damaged-1` | a store as it was before it was made anew (`doctor --repair`)    |
 * | `spare.sealed`    | this device's keys again, should the store be damaged           |
 * | `settings.sealed` | this device's own settings; see `device-settings.ts`            |
 * | `daemon.json`     | while `fulcrum up` runs: where, and this start's token          |
 *
 * @module
 */
import { access, chmod, rmdir } from "node:fs/promises"
import { homedir } from "node:os"
import { dirname, join, resolve } from "node:path"
import {
  holdsRecords,
  isBeingRebuilt,
  lookAtFolder,
  makeFolder,
  removeStore,
} from "@fulcrum/store/data-folder"
import { codeOf, failureOf, ProgramError } from "./program-error.ts"

export interface Home {
  readonly folder: string
  readonly storeFolder: string
  readonly attachmentsFolder: string
  readonly keyFile: string
  readonly spareFile: string
  readonly settingsFile: string
  readonly daemonFile: string
}

/** What the machine says; passed in, so that tests can say otherwise. */
export interface Surroundings {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
  readonly userFolder: string
}

/** A folder in which nothing had been begun. */
export interface NewHome {
  /** The first of the folders that were made for it; `undefined`: it was there, and empty. */
  readonly made: string | undefined
}

const OWNER_ONLY = 0o700
const NAMES = {
  key: "device.key",
  others: ["store", "attachments", "spare.sealed", "settings.sealed", "daemon.json"],
}

/** What a command needs beside its name to work on this folder: nothing where it would anyway. */
export function homeOption({ folder }: Home, here: Surroundings = thisMachine()): string {
  return findHome(undefined, here).folder === folder ? "" : ` --home ${JSON.stringify(folder)}`
}

/** @param chosen - What `--home` says. Nothing is made yet. */
export function findHome(chosen: string | undefined, here: Surroundings = thisMachine()): Home {
  const folder = resolve(chosen ?? (here.env.FULCRUM_HOME || platformFolder(here)))
  return {
    folder,
    storeFolder: join(folder, "store"),
    attachmentsFolder: join(folder, "attachments"),
    keyFile: join(folder, "device.key"),
    spareFile: join(folder, "spare.sealed"),
    settingsFile: join(folder, "settings.sealed"),
    daemonFile: join(folder, "daemon.json"),
  }
}

/**
 * Makes the folder, for its owner alone. One that was there keeps its mode and is not touched
 * unless it is empty or a device's.
 *
 * @returns `undefined` if a device was begun in it before.
 * @throws {ProgramError} `FILE_IO`: it is a file, or cannot be made; `HOME_FOREIGN`: others keep something in it.
 */
export async function makeHome({ folder }: Home): Promise<NewHome | undefined> {
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
      `the folder is not empty, and no record is kept in it (${folder})`,
      "choose a new or an empty folder with --home",
    )
  }
  const made = await makeFolder(folder).catch((error) => notMade(error, folder))
  // One that was there already keeps its mode otherwise.
  await chmod(folder, OWNER_ONLY)
  return state === "ours" ? undefined : { made }
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

/** Takes away what came to nothing, with the folders that were made for it. */
export async function unmakeHome(home: Home, { made }: NewHome): Promise<void> {
  await removeStore(home.storeFolder, [home.keyFile, home.spareFile])
  if (made === undefined) return
  // What others have put there meanwhile stays: only empty ones go.
  for (let at = home.folder; at.length >= made.length; at = dirname(at)) await rmdir(at)
}

/**
 * A record without its key is told as that: a new key would not open it. One that is being begun
 * has its key before its first record.
 *
 * @throws {ProgramError} `KEY_MISSING`
 */
export async function requireKey({ storeFolder, keyFile, spareFile }: Home): Promise<void> {
  if (!(await holdsRecords(storeFolder)) && !(await isThere(spareFile))) return
  if (await isThere(keyFile)) return
  throw new ProgramError(
    "KEY_MISSING",
    "there is a record in this folder, but not its device.key",
    "put the key file back; without it, join from another device with --home NEW-FOLDER",
  )
}

/**
 * Spare keys without a store: there was a record here, and its files are gone. Nothing new may be begun
 * in their place.
 *
 * @throws {ProgramError} `STORE_LOST`
 */
export async function requireStore(home: Home): Promise<void> {
  if (!(await isStoreLost(home))) return
  throw new ProgramError(
    "STORE_LOST",
    "there was a record in this folder, and its store is gone; its spare keys are still here",
    "run `fulcrum doctor --repair`, then `fulcrum sync`; or choose another folder with --home",
  )
}

export async function isStoreLost({ storeFolder, spareFile }: Home): Promise<boolean> {
  if ((await holdsRecords(storeFolder)) || !(await isThere(spareFile))) return false
  // It is made anew, or will be put in its place by whoever opens it.
  return !(await isBeingRebuilt(storeFolder))
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    // That a part of the path is a file is told when the folder is to be made.
    if (codeOf(error) !== "ENOENT" && codeOf(error) !== "ENOTDIR") throw error
    return false
  }
}

function platformFolder({ platform, env, userFolder }: Surroundings): string {
  if (platform === "win32") {
    return join(env.APPDATA || join(userFolder, "AppData", "Roaming"), "fulcrum")
  }
  if (platform === "darwin") return join(userFolder, "Library", "Application Support", "fulcrum")
  return join(env.XDG_DATA_HOME || join(userFolder, ".local", "share"), "fulcrum")
}

function thisMachine(): Surroundings {
  return { platform: process.platform, env: process.env, userFolder: homedir() }
}
