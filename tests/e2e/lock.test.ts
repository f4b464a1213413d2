/**
 * `fulcrum lock` and `unlock`: what a running `fulcrum up` has of a record while it is locked, which is
 * nothing; and that nothing acknowledged is lost by it.
 *
 * @module
 */
import { rename, writeFile } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { join } from "node:path"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { systemRandom } from "@fulcrum/crypto/random"
import { afterEach, beforeEach, expect, test } from "vitest"
import { readDeviceKey } from "../../nodes/device/src/device-key.ts"
import { foundInMemory } from "../harness/process-memory.ts"
import { codeIn, type Finished, Stage } from "../harness/programs.ts"
import { until } from "../harness/until.ts"

const PASSPHRASE = "four quiet herons on a jetty"
const NAME = "Zebulon Quagmire-Smith"

let stage: Stage
let env: Readonly<Record<string, string>>

beforeEach(async () => {
  stage = await Stage.create()
  const file = join(stage.folder, "passphrase")
  await writeFile(file, PASSPHRASE, { mode: 0o600 })
  env = { FULCRUM_PASSPHRASE_FILE: file }
  expect((await run(["init", "--name", "laptop", "--yes", "--wait", "0"])).status).toBe(0)
  await fulcrum("set", "card/name", NAME, "--wait", "0")
})
afterEach(() => stage[Symbol.asyncDispose]())

const run = (args: readonly string[], given = env): Promise<Finished> =>
  stage.run("fulcrum", "laptop", [...args, "--no-mdns"], { env: given })

async function fulcrum(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await run(args)
  expect(stderr).toBe("")
  expect(status).toBe(0)
  return stdout
}

async function failure(...args: readonly string[]): Promise<string | undefined> {
  const { status, stderr } = await run(args)
  expect(status).toBe(1)
  return codeIn(stderr)
}

const listen = ["--listen", "/ip4/127.0.0.1/tcp/0", "--no-mdns", "--json"]
const start = (args: readonly string[], given: Readonly<Record<string, string>> = env) =>
  stage.start("fulcrum", "laptop", args, { env: given })

const key = async (): Promise<Uint8Array> => {
  const found = await readDeviceKey(join(stage.home("laptop"), "device.key"), {
    random: systemRandom(),
    note: () => undefined,
    keychain: {
      keep: async () => false,
      find: async () => undefined,
      forget: async () => false,
    },
    passphrase: { isFile: true, read: async () => PASSPHRASE },
  })
  if (found === undefined) throw new TypeError("no key")
  return found
}

test.skipIf(process.platform !== "linux")(
  "[P111] a locked daemon has nothing of the record in memory, and gets it back by the passphrase alone",
  async () => {
    const sought = new Map([
      ["value", utf8ToBytes(NAME)],
      ["passphrase", utf8ToBytes(PASSPHRASE)],
      ["key", await key()],
    ])
    const daemon = await start(["up", ...listen])
    const [address = ""] = (await daemon.ready()).addresses
    expect(await fulcrum("get", "card/name")).toContain(NAME)
    expect([...(await foundInMemory(daemon.pid, sought))]).toEqual(
      expect.arrayContaining(["value", "key"]),
    )
    const watched = await start(["status", "--watch", "--json", "--no-mdns"])
    await until(async () => watched.lines.length > 0, { what: "the watch shows something" })

    expect(await fulcrum("lock")).toMatch(/^Locked: .*\nOnly the passphrase opens it\.\n$/)
    expect(codeIn((await watched.finished).stderr)).toBe("RECORD_LOCKED")
    expect(daemon.ended).toBe(false)
    expect([...(await foundInMemory(daemon.pid, sought))]).toEqual([])
    expect(JSON.parse(daemon.lines.at(-1) ?? "")).toMatchObject({ ready: true, locked: true })
    expect(await failure("get")).toBe("RECORD_LOCKED")
    await expect(reached(address)).rejects.toMatchObject({ code: "ECONNREFUSED" })

    // Only whoever has the passphrase.
    const other = join(stage.folder, "other passphrase")
    await writeFile(other, "four quiet herons on a pier", { mode: 0o600 })
    const wrong = await run(["unlock"], { FULCRUM_PASSPHRASE_FILE: other })
    expect(codeIn(wrong.stderr)).toBe("KEY_WRONG")
    expect(codeIn((await run(["unlock"], {})).stderr)).toBe("PASSPHRASE_NEEDED")

    expect(await fulcrum("unlock")).toMatch(/^Unlocked/)
    expect(await fulcrum("get", "card/name")).toContain(NAME)
    await reached(address)
    await daemon.stop()
    expect(await fulcrum("lock")).toMatch(/^There is nothing to lock/)
    expect(await failure("unlock")).toBe("DAEMON_ABSENT")
  },
)

test("[P111] what was acknowledged while it was locked is there; a locked one that is killed leaves nothing in the way", async () => {
  const daemon = await start(["up", ...listen])
  await daemon.ready()
  const paths = Array.from({ length: 6 }, (_, i) => `card/phones/p${i}`)
  const edits = paths.map(async (path, i) => {
    const { status, stderr } = await run(["set", path, `+4144${i}`])
    if (status !== 0) expect(codeIn(stderr)).toMatch(/^(RECORD_LOCKED|DAEMON_ENDED)$/)
    return status === 0 ? path : undefined
  })
  await Promise.race(edits)
  await fulcrum("lock")
  const done = (await Promise.all(edits)).filter((path) => path !== undefined)
  expect(done.length).toBeGreaterThan(0)
  daemon.kill("SIGKILL")
  await daemon.finished
  // Without a daemon each command asks by itself.
  const there = await fulcrum("get", "card/phones")
  for (const path of done) expect(there).toContain(path)
  await using taken = await takePort()
  const elsewhere = ["up", "--locked", "--listen", taken.address, "--no-mdns", "--json"]
  const begun = await start(elsewhere, {})
  expect(await begun.ready()).toMatchObject({ ready: true, locked: true })
  expect(await failure("get")).toBe("RECORD_LOCKED")
  expect(codeIn((await run(["up", "--locked"])).stderr)).toMatch(/^(DAEMON_RUNNING|STORE_LOCKED)$/)

  // It does not open: what it was given for that goes out of memory at once.
  expect(await failure("unlock")).toBe("NET_ADDRESS_IN_USE")
  await fulcrum("lock")
  if (process.platform === "linux") {
    const sought = new Map([["key", await key()]])
    expect([...(await foundInMemory(begun.pid, sought))]).toEqual([])
  }
  await taken[Symbol.asyncDispose]()
  // Locking needs no key.
  const file = join(stage.home("laptop"), "device.key")
  await fulcrum("unlock")
  await rename(file, `${file}.away`)
  expect(await fulcrum("lock")).toMatch(/^Locked: .*\nIts device\.key cannot be read/)
  await rename(`${file}.away`, file)
  await fulcrum("unlock")
  expect(await fulcrum("get", "card/phones")).toBe(there)
  await begun.stop()
})

test("[P111] another passphrase unlocks, and the one before no more", async () => {
  const daemon = await start(["up", ...listen])
  await daemon.ready()
  const other = join(stage.folder, "other passphrase")
  await writeFile(other, "nine loud magpies", { mode: 0o600 })
  expect(await failure("passphrase")).toBe("PASSPHRASE_NEEDED")
  const changed = await run(["passphrase"], { ...env, FULCRUM_NEW_PASSPHRASE_FILE: other })
  expect(changed.stdout).toMatch(/^This device has another passphrase now\./)
  await fulcrum("lock")
  expect(await failure("unlock")).toBe("KEY_WRONG")
  env = { FULCRUM_PASSPHRASE_FILE: other }
  await fulcrum("unlock")
  await daemon.stop()
  expect(await fulcrum("get", "card/name")).toContain(NAME)
})

interface TakenPort extends AsyncDisposable {
  readonly address: string
}

/** A port that another program listens at. */
async function takePort(): Promise<TakenPort> {
  const server = createServer()
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })
  return {
    address: `/ip4/127.0.0.1/tcp/${port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Resolves once somebody takes a connection at this multiaddr. */
function reached(address: string): Promise<void> {
  const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1])
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port }, () => {
      socket.destroy()
      resolve()
    })
    socket.on("error", reject)
  })
}
