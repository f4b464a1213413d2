/**
 * Who has a store's folder, from before its files are looked at until after they were noted.
 *
 * LevelDB's own lock begins only when it opens, and ends before it is known how it was left: in
 * between another process could take a folder that somebody writes to for a damaged one. Node has no
 * locks on files; a name that one process at a time can listen at ends with its process, however
 * that ends, and takes no room on the disk: an abstract socket on Linux, a pipe on Windows. Elsewhere,
 * and between containers that share a folder, LevelDB's lock is all there is.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { realpath, stat } from "node:fs/promises"
import { createServer, type Server } from "node:net"
import { basename, dirname, join, resolve } from "node:path"
import { StoreError } from "./contract.ts"

/** @throws {StoreError} `STORE_LOCKED` */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const name = await lockName(folder)
  return name === undefined ? UNLOCKED : await lockAt(name)
}

const UNLOCKED: AsyncDisposable = { [Symbol.asyncDispose]: async () => undefined }

async function lockAt(name: string): Promise<AsyncDisposable> {
  const server = createServer((socket) => socket.destroy())
  await listen(server, name)
  // Who only has a folder open is not kept running by that.
  server.unref()
  return { [Symbol.asyncDispose]: () => close(server) }
}

/**
 * The name that a folder has, or will have: while a store is made anew there is none for a moment, and
 * nobody is to make an empty one then.
 *
 * @throws {StoreError} `STORE_LOCKED`
 */
export async function lockPlace(folder: string): Promise<AsyncDisposable> {
  const path = resolve(folder)
  const parent = await realpath(dirname(path)).catch(() => dirname(path))
  const name = abstractName(`fulcrum store place ${join(parent, basename(path))}`)
  return name === undefined ? UNLOCKED : await lockAt(name)
}

/** The same for every path to the folder. */
async function lockName(folder: string): Promise<string | undefined> {
  const { dev, ino } = await stat(folder)
  return abstractName(`fulcrum store ${await realpath(folder)} ${dev} ${ino}`)
}

function abstractName(what: string): string | undefined {
  const hash = createHash("sha256").update(what).digest("hex")
  if (process.platform === "linux") return `\0fulcrum-store-${hash.slice(0, 32)}`
  if (process.platform === "win32") return `\\\\.\\pipe\\fulcrum-store-${hash.slice(0, 32)}`
  return undefined
}

function listen(server: Server, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const isTaken = "code" in error && error.code === "EADDRINUSE"
      reject(
        isTaken ? new StoreError("STORE_LOCKED", "this folder is in use", { cause: error }) : error,
      )
    })
    server.listen({ path: name, exclusive: true }, resolve)
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}
