import { execFileSync, spawnSync } from "node:child_process"
import { join } from "node:path"
import { expect, test } from "vitest"
import { Findings, FOUND_MAX } from "../src/discovery.ts"
import { memoryDiscovery } from "../src/memory-discovery.ts"
import { publicKeyToPeerId } from "../src/peer-id.ts"

const ID = publicKeyToPeerId(new Uint8Array(32).fill(4))
const ADDRESSES = [1, 2, 3].map((port) => `/ip4/127.0.0.1/tcp/${port}/p2p/${ID}`)

test("[N42] what is announced before and after is found, each once, under its tag only", async () => {
  const discovery = memoryDiscovery()
  const [first = "", second = "", third = ""] = ADDRESSES
  await using _other = discovery.announce("two", [third])
  await using _own = discovery.announce("one", [first])
  const found: string[] = []
  for await (const address of discovery.find("one", { signal: new AbortController().signal })) {
    found.push(address)
    if (found.length === 1) discovery.announce("one", [first, second])
    if (found.length === 2) break
  }
  expect(found).toEqual([first, second])
})

test("[N42] what was withdrawn is not found, and a search ends with its signal", async () => {
  const discovery = memoryDiscovery()
  await discovery.announce("one", ADDRESSES)[Symbol.asyncDispose]()
  const search = new AbortController()
  const found: string[] = []
  const looking = (async () => {
    for await (const address of discovery.find("one", search)) found.push(address)
  })()
  search.abort()
  await looking
  expect(found).toEqual([])
})

test.for(["", "A", "a.b", "a".repeat(51)])("[N42] %j is no tag", (tag) => {
  expect(() => memoryDiscovery().announce(tag, [])).toThrow(RangeError)
})

test("[N42] a flood of answers stops mattering", async () => {
  const findings = new Findings()
  for (let at = 0; at < 10 * FOUND_MAX; at++) findings.add(`${at}`)
  const search = new AbortController()
  let count = 0
  for await (const address of findings.read(search.signal)) {
    if (Number(address) === FOUND_MAX - 1) search.abort()
    count++
  }
  expect(count).toBe(FOUND_MAX)
})

test("[N42] multicast DNS finds the same, in a network namespace of its own", (ctx) => {
  const enter = (script: string): string[] => ["--map-root-user", "--net", "sh", "-c", script]
  const up = "ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo"
  if (spawnSync("unshare", enter(up)).status !== 0) {
    ctx.skip("network namespaces are not to be had here")
  }
  const program = join(import.meta.dirname, "mdns-namespace.ts")
  const run = `${up} && exec "$0" "$1" "$2"`
  const argv = [...enter(run), process.execPath, program, JSON.stringify(ADDRESSES)]
  const output = execFileSync("unshare", argv, { encoding: "utf8", timeout: 10_000 })
  const found: string[] = JSON.parse(output)
  expect(found.sort()).toEqual(ADDRESSES)
})
