/**
 * `daemon.json`: where a running `fulcrum up` is, and the token of this start. Mode 0600, written
 * anew at each start, removed at its end: `{"pid":…,"port":…,"token":"hex"}`. With `"isStarting":true` that
 * start has ended, and another takes its place at once; if that never came, this counts for some seconds.
 *
 * @module
 */
import { rm, stat } from "node:fs/promises"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { parseJson } from "@fulcrum/codec/json"
import { memberOf, textOf } from "./api.ts"
import type { Home } from "./home.ts"
import { readPrivateFile, writePrivateFile } from "./private-file.ts"

export interface DaemonFile {
  readonly pid: number
  readonly port: number
  readonly token: string
  readonly isStarting?: boolean
}

/** How long the next start may take. */
const STARTING_MS_MAX = 10_000
const FILE_LIMITS = { bytesMax: 4096, depthMax: 2, itemsMax: 16 }

/** @returns `undefined` if there is none, it cannot be read, or its process has ended. */
export async function findDaemon(home: Home): Promise<DaemonFile | undefined> {
  const daemon = await readDaemonFile(home)
  if (daemon === undefined || !isAlive(daemon.pid)) return undefined
  return daemon.isStarting && (await isOld(home.daemonFile)) ? undefined : daemon
}

async function readDaemonFile(home: Home): Promise<DaemonFile | undefined> {
  const bytes = await readPrivateFile(home.daemonFile)
  return bytes && decode(bytes)
}

async function isOld(path: string): Promise<boolean> {
  const written = await stat(path).catch(() => undefined)
  return written === undefined || Date.now() - written.mtimeMs > STARTING_MS_MAX
}

export async function writeDaemonFile(home: Home, daemon: DaemonFile): Promise<void> {
  await writePrivateFile(home.daemonFile, utf8ToBytes(JSON.stringify(daemon)))
}

/** @param token - Of the start that ends: another one's file stays. */
export async function removeDaemonFile(home: Home, token: string): Promise<void> {
  const there = await readDaemonFile(home)
  if (there === undefined || there.token === token) await rm(home.daemonFile, { force: true })
}

function decode(bytes: Uint8Array): DaemonFile | undefined {
  try {
    const value = parseJson(bytes, FILE_LIMITS)
    const pid = memberOf(value, "pid")
    const port = memberOf(value, "port")
    const token = textOf(value, "token")
    if (typeof pid !== "number" || typeof port !== "number" || token === undefined) return undefined
    if (!Number.isInteger(pid) || pid < 1 || port < 1 || port > 65_535) return undefined
    const isStarting = memberOf(value, "isStarting") === true
    return { pid, port, token, ...(isStarting && { isStarting }) }
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
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}
