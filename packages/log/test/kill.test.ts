import { spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { openLevelStore } from "@fulcrum/store/level"
import { expect, test } from "vitest"
import { idKey } from "../src/ids.ts"
import { readSpanHeader } from "../src/span.ts"
import { carry, entriesOf, openDevice, spansOf, textsOf } from "./device.ts"
import { spaceSecrets } from "./fixture.ts"

const ROUNDS = 4

/** What a child acknowledged until it was killed, `delayMs` after its first entry. */
async function appendUntilKilled(folder: string, name: string, delayMs: number): Promise<string[]> {
  const script = join(import.meta.dirname, "appender.ts")
  const child = spawn(process.execPath, [script, folder, name], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  let output = ""
  const gone = new Promise((resolve) => child.once("close", resolve))
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk) => {
      output += chunk
      resolve()
    })
    child.once("close", () => resolve())
  })
  await sleep(delayMs)
  child.kill("SIGKILL")
  await gone
  // The last line may have been cut short with the process.
  return output.split("\n").slice(0, -1)
}

test("[R12] [L18] [E1] killed at any moment of appending and merging, nothing acknowledged is lost and no incarnation goes on", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-log-"))
  try {
    const acknowledged: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const said = await appendUntilKilled(folder, `round${round}`, 7 + 23 * round)
      expect(said.length).toBeGreaterThan(0)
      acknowledged.push(...said)
    }
    const space = spaceSecrets("kill")
    const store = await openLevelStore({ folder })
    const device = await openDevice(space, "after", { store })
    const texts = await textsOf(device.replica)
    const has = new Set(texts)
    expect(acknowledged.filter((text) => !has.has(text))).toEqual([])
    expect(has.size).toBe(texts.length)
    expect(device.replica.tree.size).toBe(ROUNDS)
    expect(device.replica.vector).toHaveLength(1)
    expect(device.replica.tree.branchings()).toEqual([])
    const begins = (await entriesOf(device.replica)).filter(({ kind }) => kind === "begin")
    expect(new Set(begins.map(({ begin }) => begin?.actor.join())).size).toBe(ROUNDS)
    expectEachOnce(await spansOf(device.replica))
    const peer = await openDevice(space, "peer")
    await carry(device.replica, peer.replica)
    expect(peer.replica.digest).toEqual(device.replica.digest)
    await device.vault.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

/** Each entry lies in one span, and there are fewer spans than entries: merges were made. */
function expectEachOnce(spans: readonly Uint8Array[]): void {
  const places = spans.flatMap((span) => {
    const { incarnation, start, end } = readSpanHeader(span)
    return Array.from({ length: end - start + 1 }, (_, at) => `${idKey(incarnation)} ${start + at}`)
  })
  expect(new Set(places).size).toBe(places.length)
  expect(spans.length).toBeLessThan(places.length)
}
