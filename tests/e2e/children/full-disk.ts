/**
 * Whole programs on small file systems that fill up and are freed again: a device by single commands
 * and by its daemon, then its relay. Prints one JSON document: what held.
 *
 * `node full-disk.ts` mounts what it needs, so it must run in a mount namespace of its own.
 *
 * @module
 */
import { execFileSync } from "node:child_process"
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import type { Status } from "../../harness/answers.ts"
import { codeIn, type Finished, Stage } from "../../harness/programs.ts"
import { until } from "../../harness/until.ts"
import { World } from "../world.ts"

const PATH = "card/nicknames/1/name"
/** A store's reserve is 16 MiB, and LevelDB needs some. */
const DISK = "size=32m"
const FILL_CHUNK_BYTES = 4096
/** More writes than any rest of a block takes. */
const WRITES_MAX = 12

const held: Record<string, unknown> = {}
await using stage = await Stage.create()
await using world = new World(stage)
await using disks = new AsyncDisposableStack()
for (const home of ["relay", "laptop"]) {
  mkdirSync(stage.home(home))
  execFileSync("mount", ["-t", "tmpfs", "-o", DISK, "none", stage.home(home)])
  // Whoever still runs keeps it until it is ended.
  disks.defer(() => void execFileSync("umount", ["-l", stage.home(home)]))
}
await world.relay.up()
const laptop = world.device("laptop")
await laptop.init()
let acknowledged = ""

held.commands = await fillAndFree("by a command")
await laptop.daemon.up()
held.daemon = await fillAndFree("by the daemon")
held.daemonLives = laptop.daemon.running !== undefined

// The relay's disk: what it does not take waits here, and goes by itself.
fill("relay")
for (let write = 0; write < WRITES_MAX && (await relayRow())?.pending === 0; write++) {
  await set(`while the relay's disk is full, ${write} ${"x".repeat(3000)}`)
}
held.waits = (await relayRow())?.pending !== 0
held.relayLives = world.relay.running !== undefined
held.readWhileRelayFull = (await laptop.get(PATH)) === acknowledged
free("relay")
await until(async () => (await relayRow())?.pending === 0, {
  what: "the relay has everything",
  timeoutMs: 90_000,
})
await world.relay.down()
await world.relay.up()
await laptop.daemon.down()
held.relayKept = (await laptop.run(["sync", "--json"])).status === 0
held.keptAll = (await laptop.get(PATH)) === acknowledged
held.doctor = (await laptop.json<{ readonly ok: boolean }>("doctor")).ok
writeSync(1, `${JSON.stringify(held)}\n`)

/** @returns What a full disk said, and whether all was there before, meanwhile and after. */
async function fillAndFree(how: string): Promise<unknown> {
  await set(`before, ${how}`)
  let refused: Finished | undefined
  for (let write = 0; refused === undefined && write < WRITES_MAX; write++) {
    // Opening may have given up the reserve, which is room again.
    fill("laptop")
    refused = await set(`${how}, ${write} ${"x".repeat(3000)}`)
  }
  fill("laptop")
  const readWhileFull = (await laptop.get(PATH)) === acknowledged
  free("laptop")
  const again = await set(`after, ${how}`)
  const lines = refused?.stderr.trimEnd().split("\n").length
  return {
    refused: refused === undefined ? undefined : codeIn(refused.stderr),
    status: refused?.status,
    lines,
    readWhileFull,
    refusedAfterwards: again?.stderr,
    readAfterwards: (await laptop.get(PATH)) === acknowledged,
  }
}

/** @returns `undefined` if it was acknowledged. */
async function set(value: string): Promise<Finished | undefined> {
  const finished = await laptop.run(["set", PATH, value, "--wait", "1"])
  if (finished.status !== 0) return finished
  acknowledged = value
  return undefined
}

async function relayRow(): Promise<Status["relays"][number] | undefined> {
  return (await laptop.json<Status>("status")).relays[0]
}

/** Takes what room there is. */
function fill(home: string): void {
  const file = openSync(join(stage.home(home), "filler"), "a")
  const chunk = new Uint8Array(FILL_CHUNK_BYTES)
  try {
    for (;;) writeSync(file, chunk)
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error
  } finally {
    fsyncSync(file)
    closeSync(file)
  }
}

function free(home: string): void {
  rmSync(join(stage.home(home), "filler"))
}
