import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { seededRandom } from "@fulcrum/crypto/random"
import { expect, test } from "vitest"
import { portsOf, settingsKeeper, withKnownPorts } from "../src/device-settings.ts"

test("[R19] settings are read back, and are ciphertext on disk", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-settings-"))
  const file = join(folder, "settings.sealed")
  const random = seededRandom("settings")
  const keeper = settingsKeeper({ file, key: random.bytes(32), random })
  expect((await keeper.read()).ports.size).toBe(0)
  const ports = new Map([["/ip4/127.0.0.1/tcp/0", 4711]])
  await keeper.write({ version: 1, ports })
  expect((await keeper.read()).ports).toEqual(ports)
  expect((await readFile(file)).includes("127.0.0.1")).toBe(false)
  await writeFile(file, "not sealed")
  expect((await keeper.read()).ports.size).toBe(0)
  await rm(folder, { recursive: true })
})

test("a port that was drawn is asked for again, each address its own", () => {
  const asked = ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/tcp/0/ws", "/ip4/127.0.0.1/tcp/9"]
  const ports = portsOf(asked, [
    "/ip4/10.0.0.2/tcp/4000/p2p/12D3",
    "/ip4/127.0.0.1/tcp/4000/p2p/12D3",
    "/ip4/10.0.0.2/tcp/4001/ws/p2p/12D3",
    "/ip4/127.0.0.1/tcp/9/p2p/12D3",
  ])
  expect(ports).toEqual(
    new Map([
      ["/ip4/0.0.0.0/tcp/0", 4000],
      ["/ip4/0.0.0.0/tcp/0/ws", 4001],
    ]),
  )
  expect(withKnownPorts(asked, { version: 1, ports })).toEqual([
    "/ip4/0.0.0.0/tcp/4000",
    "/ip4/0.0.0.0/tcp/4001/ws",
    "/ip4/127.0.0.1/tcp/9",
  ])
})
