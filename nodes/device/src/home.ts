/**
 * The data folder of one device.
 *
 * | name              | what                                                            |
 * | ----------------- | --------------------------------------------------------------- |
 * | `device.key`      | the key of all the rest, sealed; see `device-key.ts`             |
 * | `store/`          | the record: sealed tables                                       |
 * | `settings.sealed` | this device's own settings; see `device-settings.ts`            |
 * | `daemon.json`     | while `fulcrum up` runs: where, and this start's token          |
 *
 * @module
 */
import { chmod } from "node:fs/promises"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { makeFolder } from "@fulcrum/store/data-folder"

export interface Home {
  readonly folder: string
  readonly storeFolder: string
  readonly keyFile: string
  readonly settingsFile: string
  readonly daemonFile: string
}

/** What the machine says; passed in, so that tests can say otherwise. */
export interface Surroundings {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
  readonly userFolder: string
}

const OWNER_ONLY = 0o700

/** @param chosen - What `--home` says. Nothing is made yet. */
export function findHome(chosen: string | undefined, here: Surroundings = thisMachine()): Home {
  const folder = resolve(chosen || here.env.FULCRUM_HOME || platformFolder(here))
  return {
    folder,
    storeFolder: join(folder, "store"),
    keyFile: join(folder, "device.key"),
    settingsFile: join(folder, "settings.sealed"),
    daemonFile: join(folder, "daemon.json"),
  }
}

/** Makes the folder, for its owner alone. */
export async function makeHome(home: Home): Promise<void> {
  await makeFolder(home.folder)
  // One that was there already keeps its mode otherwise.
  await chmod(home.folder, OWNER_ONLY)
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
