/**
 * Webhooks: the queue by itself, on a virtual clock.
 *
 * @module
 */
import { seededRandom } from "@fulcrum/crypto/random"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { LINE_EVENTS_MAX } from "../src/vendor-side/hook-lines.ts"
import { GIVE_UP_MS, RETRY_SECONDS, VendorHooks } from "../src/vendor-side/vendor-hooks.ts"
import { type TestClock, testClock } from "./vendor-clock.ts"

const URL_A = "https://a.example/in"
const URL_B = "https://b.example/in"
const ANNA = new Uint8Array(16).fill(1)
const BERTA = new Uint8Array(16).fill(2)
const HOUR_MS = 3_600_000

interface Posted {
  readonly url: string
  readonly id: string
  readonly body: string
  readonly atMs: number
  readonly timestamp: number
}

let clock: TestClock
let disk: MemoryDisk
let vault: Vault
let hooks: VendorHooks
let posts: Posted[]
let delivered: string[]
let answer: (post: Posted) => number | Promise<number>
let stop: AbortController
let running: Promise<void>
let faults: unknown[]

async function open(): Promise<void> {
  const random = seededRandom("hooks")
  vault = await openVault({
    store: await openMemoryStore({ disk }),
    key: new Uint8Array(32).fill(7),
    random,
  })
  hooks = await VendorHooks.open({
    vault,
    clock,
    random,
    changed: () => {},
    onFault: (fault) => faults.push(fault),
    post: {
      async post({ url, id, body, timestamp }) {
        const posted = { url, id, body, timestamp, atMs: clock.now() }
        posts.push(posted)
        return { status: await answer(posted) }
      },
    },
  })
  stop = new AbortController()
  running = hooks.run(stop.signal, async ({ ops, about, isLast }) => {
    await vault.write(ops)
    if (about !== undefined) delivered.push(`${about[0]}${isLast ? " last" : ""}`)
  })
}

async function close(): Promise<void> {
  stop.abort(new Error("closing"))
  await clock.during(running)
  await vault.close()
}

/** Queues an event about an entry whose chain hash is all of this byte. */
async function queue(customer: Uint8Array, entry: number): Promise<void> {
  const event = { id: `event-${customer[0]}-${entry}`, body: `{"n":${entry}}` }
  const staged = hooks.stage(customer, event, new Uint8Array(32).fill(entry))
  await vault.write([...(staged?.ops ?? [])])
  staged?.commit()
}

beforeEach(async () => {
  clock = testClock()
  disk = new MemoryDisk()
  posts = []
  delivered = []
  faults = []
  answer = () => 204
  await open()
})

afterEach(async () => {
  await close()
  expect(faults).toEqual([])
})

describe("the queue", () => {
  test("[W1] what fails is tried again after the stated waits, each within a fifth", async () => {
    await hooks.add(URL_A)
    answer = () => 503
    await queue(ANNA, 1)
    await clock.until("nine tries", () => posts.length === 9, 24 * HOUR_MS)
    const waits = posts.slice(1).map(({ atMs }, i) => (atMs - (posts[i]?.atMs ?? 0)) / 1000)
    for (const [i, wait] of waits.entries()) {
      const stated = RETRY_SECONDS[Math.min(i, RETRY_SECONDS.length - 1)] ?? 0
      expect(wait).toBeGreaterThanOrEqual(stated * 0.8)
      expect(wait).toBeLessThanOrEqual(stated * 1.2 + 0.001)
    }
    expect(hooks.queued).toMatchObject([{ attempts: 9, lastCode: "HTTP_503" }])
  })

  test("[W2] [E14] down for a day: everything comes, in order, under the same ids", async () => {
    await hooks.add(URL_A)
    answer = () => {
      throw Object.assign(new Error("down"), { code: "ECONNREFUSED" })
    }
    for (let n = 1; n <= 5; n++) {
      await queue(ANNA, n)
      await queue(BERTA, n)
    }
    await clock.advance(24 * HOUR_MS)
    const before = posts.length
    answer = () => 200
    await clock.until("an empty queue", () => hooks.queued.length === 0, 2 * HOUR_MS)
    const after = posts.slice(before).map(({ id }) => id)
    expect(after.filter((id) => id.startsWith("event-1"))).toEqual(
      [1, 2, 3, 4, 5].map((n) => `event-1-${n}`),
    )
    expect(after.filter((id) => id.startsWith("event-2"))).toHaveLength(5)
    expect(new Set(posts.map(({ id }) => id)).size).toBe(10)
    expect(posts.at(-1)?.timestamp).toBe(Math.floor((posts.at(-1)?.atMs ?? 0) / 1000))
  })

  test("[W3] a restart loses nothing: same id, same body, same order", async () => {
    await hooks.add(URL_A)
    answer = () => 500
    await queue(ANNA, 1)
    await queue(ANNA, 2)
    await clock.until("a try", () => posts.length > 0)
    await close()
    await open()
    answer = () => 200
    await clock.until("an empty queue", () => hooks.queued.length === 0)
    expect(posts.slice(-2).map(({ id, body }) => [id, body])).toEqual([
      ["event-1-1", '{"n":1}'],
      ["event-1-2", '{"n":2}'],
    ])
    expect(delivered).toEqual(["1 last", "2 last"])
  })

  test("[W4] an entry is done with only once every hook has taken it", async () => {
    await hooks.add(URL_A)
    await hooks.add(URL_B)
    answer = ({ url }) => (url === URL_A ? 200 : 500)
    await queue(ANNA, 1)
    await clock.advance(5000)
    expect(delivered).toEqual(["1"])
    expect(hooks.isPending(ANNA, new Uint8Array(32).fill(1))).toBe(true)
    answer = () => 200
    await clock.until("an empty queue", () => hooks.queued.length === 0, HOUR_MS)
    expect(delivered).toEqual(["1", "1 last"])
  })

  test("[W5] one customer's failing event holds up no other customer's", async () => {
    await hooks.add(URL_A)
    answer = ({ id }) => (id.startsWith("event-1") ? 400 : 200)
    await queue(ANNA, 1)
    for (let n = 1; n <= 20; n++) await queue(BERTA, n)
    await clock.advance(500)
    expect(posts.filter(({ id }) => id.startsWith("event-2"))).toHaveLength(20)
    expect(hooks.queued.map(({ id }) => id)).toEqual(["event-1-1"])
  })

  test("[W6] 410 disables the hook; adding it again and replaying delivers", async () => {
    const { secret } = await hooks.add(URL_A)
    answer = () => 410
    await queue(ANNA, 1)
    await queue(ANNA, 2)
    await queue(BERTA, 1)
    await clock.until("a disabled hook", () => hooks.all[0]?.isDisabled === true)
    await clock.until("dead letters", () => hooks.dead.length === 3)
    expect(hooks.queued).toEqual([])
    expect(posts.length).toBeLessThanOrEqual(2)
    await expect(hooks.replay(undefined)).rejects.toMatchObject({ code: "HOOK_DISABLED" })
    expect(await hooks.add(URL_A)).toMatchObject({ secret, hook: { isDisabled: false } })
    answer = () => 200
    const before = posts.length
    expect(await hooks.replay(undefined)).toBe(3)
    await clock.until("an empty queue", () => hooks.queued.length === 0)
    expect(
      posts
        .slice(before)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(["event-1-1", "event-1-2", "event-2-1"])
    expect(hooks.dead).toEqual([])
  })

  test("[W7] after a week it is a dead letter, the next one goes on, and a replay works", async () => {
    await hooks.add(URL_A)
    answer = ({ id }) => (id === "event-1-1" ? 500 : 200)
    await queue(ANNA, 1)
    await queue(ANNA, 2)
    await clock.advance(GIVE_UP_MS + 2 * HOUR_MS)
    expect(hooks.dead).toMatchObject([{ id: "event-1-1", lastCode: "HTTP_500" }])
    expect(delivered).toEqual(["2 last"])
    await close()
    await open()
    expect(hooks.dead).toMatchObject([{ id: "event-1-1" }])
    answer = () => 200
    await expect(hooks.replay("event-9-9")).rejects.toMatchObject({ code: "EVENT_UNKNOWN" })
    expect(await hooks.replay("event-1-1")).toBe(1)
    await clock.until("a delivery", () => delivered.length === 2)
    expect(delivered).toEqual(["2 last", "1 last"])
  })

  test("[W7] a clock that is years off neither ends an event nor makes it wait for years", async () => {
    await hooks.add(URL_A)
    answer = () => 503
    await queue(ANNA, 1)
    clock.offsetMs = 4000 * 24 * HOUR_MS
    await clock.until("a second try", () => posts.length === 2, HOUR_MS)
    expect(hooks.dead).toEqual([])
    clock.offsetMs = 0
    answer = () => 200
    await clock.until("a delivery", () => delivered.length === 1, HOUR_MS)
  })

  test("[W8] an endpoint that never answers is given up in time, and tried again", async () => {
    await hooks.add(URL_A)
    answer = () => new Promise(() => {})
    await queue(ANNA, 1)
    await clock.until("a late answer", () => hooks.queued[0]?.lastCode === "HOOK_TIMEOUT")
    await clock.until("another try", () => posts.length === 2)
  })

  test("[W9] a line takes so many events and no more", async () => {
    await hooks.add(URL_A)
    answer = () => 500
    for (let n = 0; n < LINE_EVENTS_MAX; n++) await queue(ANNA, n % 256)
    expect([hooks.hasRoom(ANNA), hooks.hasRoom(BERTA)]).toEqual([false, true])
  })

  test("a disk that fails keeps the event", async () => {
    await hooks.add(URL_A)
    await queue(ANNA, 1)
    let failures = 3
    disk.fault = () => (failures-- > 0 ? { type: "fail-before" } : undefined)
    await clock.until("an empty queue", () => hooks.queued.length === 0)
    expect(delivered).toEqual(["1 last"])
  })
})

describe("a hook's address", () => {
  test.for([
    ["https://crm.example/in", true],
    ["http://127.0.0.1:8080/in", true],
    ["http://[::1]/in", true],
    ["http://localhost:1/", true],
    ["http://crm.example/in", false],
    ["http://127.0.0.1.example/", false],
    ["http://10.0.0.1/", false],
    ["https://user:secret@crm.example/", false],
    ["ftp://crm.example/", false],
    ["file:///etc/passwd", false],
    ["javascript:alert(1)", false],
    ["crm.example", false],
    ["", false],
  ] as const)("%s is taken: %s", async ([url, isTaken]) => {
    const added = hooks.add(url).then(
      () => true,
      (error: { code?: string }) => error.code !== "HOOK_URL_INVALID",
    )
    expect(await added).toBe(isTaken)
  })

  test("the secret is what Standard Webhooks asks for, another for each hook", async () => {
    const first = await hooks.add(URL_A)
    const second = await hooks.add(URL_B)
    expect(first.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(first.secret).not.toBe(second.secret)
    expect(await hooks.add(URL_A)).toEqual(first)
    expect(hooks.all).toHaveLength(2)
  })
})
