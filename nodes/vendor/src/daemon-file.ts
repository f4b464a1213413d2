/**
 * `daemon.json`: where a running `up` is, and the token of this start. Mode 0600, written anew at
 * each start, removed at its end: `{"pid":…,"url":"http://127.0.0.1:…","token":"hex"}`.
 *
 * @module
 */
import { rm } from "node:fs/promises"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { parseJson } from "@fulcrum/codec/json"
import type { Home } from "./home.ts"
import { readPrivateFile, writePrivateFile } from "./private-file.ts"
import { codeOf } from "./program-error.ts"

export interface DaemonFile {
  readonly pid: number
  readonly url: string
  readonly token: string
}

const FILE_LIMITS = { bytesMax: 4096, depthMax: 2, itemsMax: 16 }

/** @returns `undefined` if there is none, it cannot be read, or its process has ended. */
export async function findDaemon({ daemonFile }: Home): Promise<DaemonFile | undefined> {
  const bytes = await readPrivateFile(daemonFile)
  const daemon = bytes && decode(bytes)
  return daemon !== undefined && isAlive(daemon.pid) ? daemon : undefined
}

export async function writeDaemonFile({ daemonFile }: Home, daemon: DaemonFile): Promise<void> {
  await writePrivateFile(daemonFile, utf8ToBytes(`${JSON.stringify(daemon)}\n`))
}

export async function removeDaemonFile({ daemonFile }: Home): Promise<void> {
  await rm(daemonFile, { force: true })
}

function decode(bytes: Uint8Array): DaemonFile | undefined {
  try {
    const value = parseJson(bytes, FILE_LIMITS)
    if (typeof value !== "object" || value === null || !("pid" in value)) return undefined
    const { pid, url, token } = value
    if (typeof pid !== "number" || typeof url !== "string" || typeof token !== "string") {
      return undefined
    }
    return Number.isInteger(pid) && pid > 0 ? { pid, url, token } : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // There, and somebody else's.
    return codeOf(error) === "EPERM"
  }
}
