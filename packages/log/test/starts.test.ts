import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import { MemoryDisk, type MemoryFault } from "@fulcrum/store/memory"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { encodeBegin, encodeEntry, nextChain, rootChain } from "../src/entry.ts"
import {
  actorIdSchema,
  type ChainHash,
  type IncarnationId,
  idKey,
  incarnationIdSchema,
} from "../src/ids.ts"
import { LogTables } from "../src/log-tables.ts"
import type { LineStanding } from "../src/space-keyring.ts"
import { readSpanHeader, SPAN_ENTRIES, sealSpan } from "../src/span.ts"
import { encodeSpanEntries } from "../src/span-entries.ts"
import type { VectorRow } from "../src/vector.ts"
import {
  append,
  carry,
  type Device,
  entriesOf,
  mergeAll,
  openDevice,
  spansOf,
  textsOf,
} from "./device.ts"
import { deflate, spaceSecrets } from "./fixture.ts"

const space = spaceSecrets("starts")

/** One person's device: every command is a start of its own. */
class Commands {
  readonly disk = new MemoryDisk()
  readonly signer = generateSigningKey(space.random)

  async run<T>(work: (device: Device) => Promise<T>): Promise<T> {
    const device = await openDevice(space, "commands", this)
    try {
      return await work(device)
    } finally {
      await device.vault.close()
    }
  }

  /** Writes each text with a start of its own. */
  async write(texts: readonly string[], isMerged: boolean): Promise<void> {
    for (const text of texts) {
      await this.run(async (device) => {
        await append(device, text)
        if (isMerged) await mergeAll(device.replica)
      })
    }
  }
}

function texts(count: number, from = 0): readonly string[] {
  return Array.from({ length: count }, (_, at) => `text ${from + at}`)
}

async function shapeOf({ replica }: Device): Promise<readonly string[]> {
  return (await entriesOf(replica)).map(
    ({ arrival, incarnation, sequence, chain, chainBefore, writer, kind, begin, body }) =>
      [
        arrival,
        idKey(incarnation),
        sequence,
        idKey(chain),
        idKey(chainBefore),
        idKey(writer),
        kind,
        begin?.parent?.sequence,
        idKey(body),
      ].join(" "),
  )
}

describe("[L23] a log that goes on over the starts of its device", () => {
  test("is merged as one, and changes neither entries, their numbers, nor the vector", async () => {
    const commands = new Commands()
    await commands.write(texts(300), false)
    const before = await commands.run(shapeOf)
    const digest = await commands.run(async ({ replica }) => replica.digest)
    await commands.run(async (device) => {
      await mergeAll(device.replica)
      expect(await shapeOf(device)).toEqual(before)
      expect(device.replica.digest).toEqual(digest)
      expect((await spansOf(device.replica)).length).toBeLessThanOrEqual(21)
    })
    await commands.run(async (device) => {
      expect(await shapeOf(device)).toEqual(before)
      expect(device.replica.digest).toEqual(digest)
      for (const after of [1, 77, 299, 598]) {
        const [first] = await entriesOf(device.replica, after)
        expect(first?.arrival).toBe(after + 1)
      }
    })
  })

  test("lies in few spans at every start, whoever has it", async () => {
    const commands = new Commands()
    const reader = await openDevice(space, "reader")
    let most = 0
    for (let at = 0; at < 200; at += 10) {
      await commands.write(texts(10, at), true)
      await commands.run(async ({ replica }) => {
        await carry(replica, reader.replica)
        most = Math.max(most, (await spansOf(replica)).length)
        const merges: Uint8Array[] = []
        for await (const { bytes } of replica.merging.mergesAfter(0)) merges.push(bytes)
        for (const result of await reader.replica.admit(merges)) {
          expect(result.outcome).toBe("known")
        }
        for (const bytes of merges) expect(await reader.replica.merging.keeps(bytes)).toBe(true)
      })
    }
    expect(most).toBeLessThanOrEqual(22)
    expect((await spansOf(reader.replica)).length).toBeLessThanOrEqual(22)
    expect(await textsOf(reader.replica)).toEqual(texts(200))
    const third = await openDevice(space, "third")
    await carry(reader.replica, third.replica)
    expect(third.replica.digest).toEqual(reader.replica.digest)
    expect(await textsOf(third.replica)).toEqual(texts(200))
  })

  test("is sought, and found, by who has it in small spans", async () => {
    const commands = new Commands()
    const [small, wide] = [await openDevice(space, "small"), await openDevice(space, "wide")]
    await commands.write(texts(20), false)
    await commands.run(({ replica }) => carry(replica, small.replica))
    await commands.run(async ({ replica }) => {
      await mergeAll(replica)
      await carry(replica, wide.replica)
    })
    const places = await small.replica.merging.sought(8)
    expect(places.length).toBe(1)
    for (const place of places) {
      const spans = await wide.replica.merging.wider(place, { bytesMax: 100_000 })
      expect(spans.length).toBeGreaterThan(0)
      await small.replica.admit(spans)
    }
    expect((await spansOf(small.replica)).length).toBeLessThan(10)
    expect(await textsOf(small.replica)).toEqual(texts(20))
    expect(await small.replica.merging.sought(8)).toEqual([])
  })

  test("is taken by whoever has a part of it, in whatever pieces", async () => {
    const commands = new Commands()
    await commands.write(texts(24), false)
    const small = await commands.run(({ replica }) => spansOf(replica))
    const merged: Uint8Array[] = []
    await commands.run(async ({ replica }) => {
      for (const { bytes } of await mergeAll(replica)) merged.push(bytes)
    })
    const whole = await commands.run(({ replica }) => spansOf(replica))
    const expected = await commands.run(async ({ replica }) => replica.digest)
    expect(merged.length).toBeGreaterThan(0)
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([...small.keys()]),
        fc.shuffledSubarray([...merged, ...whole], { minLength: 0 }),
        fc.boolean(),
        async (some, wider, isReopened) => {
          const disk = new MemoryDisk()
          let device = await openDevice(space, "c", { disk })
          for (const at of some) await device.replica.admit([small[at] ?? space.tag])
          for (const span of wider) await device.replica.admit([span])
          if (isReopened) {
            await device.vault.close()
            device = await openDevice(space, "c", { disk })
          }
          await device.replica.admit([...whole])
          expect(device.replica.digest).toEqual(expected)
          expect(device.replica.waitingCount).toBe(0)
          expect(await textsOf(device.replica)).toEqual(texts(24))
          await device.vault.close()
          device = await openDevice(space, "c", { disk })
          expect(await textsOf(device.replica)).toEqual(texts(24))
          const next = await openDevice(space, "d")
          await carry(device.replica, next.replica)
          expect(next.replica.digest).toEqual(expected)
        },
      ),
      { numRuns: 60 },
    )
  })

  test("is not merged across a place where a folder was copied, and both go on", async () => {
    const commands = new Commands()
    await commands.write(texts(20), true)
    const { disk, signer } = commands
    const other = await openDevice(space, "copy", { disk: disk.copy(), signer })
    await append(other, "by the copy")
    await commands.write(texts(20, 20), true)
    await commands.run(async ({ replica }) => {
      await carry(other.replica, replica)
      await carry(replica, other.replica)
      await mergeAll(replica)
      await mergeAll(other.replica)
      expect(replica.tree.branchings().length).toBe(1)
    })
    await commands.write(texts(20, 40), true)
    await commands.run(async ({ replica }) => {
      for await (const { bytes } of replica.merging.mergesAfter(0))
        await other.replica.admit([bytes])
      await carry(replica, other.replica)
      expect(replica.digest).toEqual(other.replica.digest)
      const all = [...texts(60), "by the copy"].toSorted()
      expect((await textsOf(replica)).toSorted()).toEqual(all)
      expect((await textsOf(other.replica)).toSorted()).toEqual(all)
    })
  })

  test("comes in also where it has more starts than a vector may have rows", async () => {
    const forger = new Forger()
    const spans: Uint8Array[] = []
    let before: VectorRow | undefined
    for (let at = 0; at < 1100; at++) {
      const incarnation = drawn()
      const chainBefore = before?.chain ?? rootChain(space.chainKey, space.tag, incarnation)
      const entries = [beginning(before), saying(`${at}`)]
      const start = (before?.sequence ?? 0) + 1
      const { bytes, chain, end } = forger.seal(start, chainBefore, incarnation, entries)
      spans.push(bytes)
      before = { incarnation, sequence: end, chain }
    }
    const reader = await openDevice(space, "reader")
    const results = await reader.replica.admit(spans)
    expect(results.every(({ outcome }) => outcome === "admitted")).toBe(true)
    expect(reader.replica.vector.length).toBe(1)
    // Lines that go on from nothing take a row each.
    const separate = Array.from({ length: 1100 }, () => {
      const incarnation = drawn()
      const chainBefore = rootChain(space.chainKey, space.tag, incarnation)
      return forger.seal(1, chainBefore, incarnation, [beginning(undefined)]).bytes
    })
    const outcomes = await reader.replica.admit(separate)
    expect(outcomes.filter(({ outcome }) => outcome === "admitted").length).toBe(959)
    expect(reader.replica.vector.length).toBe(960)
  })
})

/** Three devices of one person, of which any may start again, fail, crash, or be copied. */
class Devices {
  readonly #signers = [1, 2, 3].map(() => generateSigningKey(space.random))
  readonly #disks = [1, 2, 3].map(() => new MemoryDisk())
  readonly #open: (Device | undefined)[] = []
  /** What each device was last seen to have, in its order. */
  readonly #seen: (readonly string[])[] = [[], [], []]
  #written = 0

  async at(index: number): Promise<Device> {
    const open = this.#open[index]
    if (open) return open
    const [signer, disk] = [this.#signers[index], this.#disks[index]]
    if (signer === undefined || disk === undefined) throw new RangeError("three devices")
    const device = await openDevice(space, `device ${index}`, { signer, disk })
    this.#open[index] = device
    const now = await shapeOf(device)
    // Entries keep their numbers for good, whatever became of the writes.
    expect(now).toEqual(expect.arrayContaining([...(this.#seen[index] ?? [])]))
    this.#seen[index] = now
    return device
  }

  async restart(index: number): Promise<Device> {
    const device = await this.at(index)
    this.#seen[index] = await shapeOf(device)
    await device.vault.close()
    this.#open[index] = undefined
    return this.at(index)
  }

  /** Its folder is put back to what another one of the same device had a while ago. */
  async copy(index: number): Promise<void> {
    const device = await this.restart(index)
    const disk = this.#disks[index]?.copy()
    const signer = this.#signers[index]
    if (disk === undefined || signer === undefined) throw new RangeError("three devices")
    const copied = await openDevice(space, "copied", { disk, signer })
    await append(copied, `copy ${this.#written++}`)
    await mergeAll(copied.replica)
    await carry(copied.replica, device.replica)
    await copied.vault.close()
  }

  async write(index: number): Promise<void> {
    await append(await this.at(index), `text ${this.#written++}`)
  }

  /** Runs with a disk that fails, or loses power, at the `left`th write. */
  async amid(index: number, fault: MemoryFault, left: number, work: () => Promise<unknown>) {
    const device = await this.at(index)
    let writes = left
    device.disk.fault = () => (writes-- === 0 ? fault : undefined)
    await work().catch(() => undefined)
    device.disk.fault = undefined
    if (writes < 0 && fault.type.startsWith("crash")) this.#open[index] = undefined
  }

  async close(): Promise<void> {
    for (const device of this.#open) await device?.vault.close()
  }
}

const RUNS = Number(process.env.FULCRUM_STARTS_RUNS ?? 60)

describe("[L23] devices that start again and again", () => {
  const index = fc.integer({ min: 0, max: 2 })
  const fault = fc.constantFrom<MemoryFault>(
    { type: "fail-before" },
    { type: "fail-after" },
    { type: "crash-before" },
    { type: "crash-after" },
  )
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("write"), index }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant("restart"), index }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("merge"), index }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("carry"), index, to: index }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("show merges"), index, to: index }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("seek"), index, to: index }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("copy"), index }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom("merge amid", "carry amid"),
        ...{ index, to: index, fault, left: fc.integer({ min: 0, max: 2 }) },
      }),
    },
  )

  test(
    "have the same in the end, in few spans, and every entry keeps its number",
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 90 }), async (steps) => {
          const devices = new Devices()
          for (const one of steps) {
            const device = await devices.at(one.index)
            const other = "to" in one ? await devices.at(one.to) : device
            switch (one.do) {
              case "write":
                await devices.write(one.index)
                break
              case "restart":
                await devices.restart(one.index)
                break
              case "merge":
                await mergeAll(device.replica)
                break
              case "carry":
                await carry(device.replica, other.replica)
                break
              case "show merges":
                for await (const { bytes } of device.replica.merging.mergesAfter(0)) {
                  await other.replica.admit([bytes])
                }
                break
              case "seek":
                for (const place of await device.replica.merging.sought(4)) {
                  const limit = { bytesMax: 100_000 }
                  await device.replica.admit(await other.replica.merging.wider(place, limit))
                }
                break
              case "copy":
                await devices.copy(one.index)
                break
              default: {
                if (!("fault" in one)) throw new TypeError("a step")
                const isMerge = one.do === "merge amid"
                await devices.amid(one.index, one.fault, one.left, () =>
                  isMerge ? mergeAll(device.replica) : carry(other.replica, device.replica),
                )
              }
            }
          }
          for (let round = 0; round < 2; round++) {
            for (const at of [0, 1, 2]) {
              await mergeAll((await devices.at(at)).replica)
              for (const to of [0, 1, 2]) {
                await carry((await devices.at(at)).replica, (await devices.at(to)).replica)
              }
            }
          }
          const [first, ...others] = [
            await devices.restart(0),
            await devices.restart(1),
            await devices.restart(2),
          ]
          const all = (await textsOf(first.replica)).toSorted()
          expect(new Set(all).size).toBe(all.length)
          const isBranched = first.replica.tree.branchings().length > 0
          for (const { replica } of others) {
            expect(replica.digest).toEqual(first.replica.digest)
            expect((await textsOf(replica)).toSorted()).toEqual(all)
          }
          for (const { replica } of [first, ...others]) {
            expect(replica.waitingCount).toBe(0)
            expect(await mergeAll(replica)).toEqual([])
            // Of three logs, each in its few.
            if (!isBranched) expect((await spansOf(replica)).length).toBeLessThanOrEqual(3 * 21)
          }
          await devices.close()
        }),
        { numRuns: RUNS },
      )
    },
    120_000 + 500 * RUNS,
  )
})

/** What a writer signs, be it true or not. */
class Forger {
  readonly signer: SigningKey

  constructor(signer: SigningKey = generateSigningKey(space.random)) {
    this.signer = signer
  }

  seal(
    start: number,
    chainBefore: ChainHash,
    incarnation: IncarnationId,
    entries: readonly Uint8Array[],
  ): { readonly bytes: Uint8Array; readonly chain: ChainHash; readonly end: number } {
    let chain = chainBefore
    for (const entry of entries) chain = nextChain(space.chainKey, chain, entry)
    const end = start + entries.length - 1
    const bytes = sealSpan({
      ...{ kind: SPAN_ENTRIES, space: space.tag, signer: this.signer, incarnation, start, end },
      ...{ chainBefore, chainEnd: chain, epoch: space.epoch.id, epochKey: space.epoch.key },
      ...{ content: encodeSpanEntries(entries), random: space.random, deflate },
    })
    return { bytes, chain, end }
  }
}

function drawn(): IncarnationId {
  return incarnationIdSchema.decode(space.random.bytes(16))
}

function beginning(parent: VectorRow | undefined, on: readonly VectorRow[] = []): Uint8Array {
  const actor = actorIdSchema.decode(space.random.bytes(16))
  const body = encodeBegin({ parent, actor, certificate: new Uint8Array() })
  return encodeEntry({ kind: "begin", on, body })
}

function saying(text: string, on: readonly VectorRow[] = []): Uint8Array {
  return encodeEntry({ kind: "payload", on, body: new TextEncoder().encode(text) })
}

describe("[L23] a span of several starts that lies", () => {
  const root = (incarnation: IncarnationId) => rootChain(space.chainKey, space.tag, incarnation)

  test("about what a start continues is refused as a whole", async () => {
    const [one, two] = [drawn(), drawn()]
    const forger = new Forger()
    const head = [beginning(undefined), saying("a")]
    const { chain } = forger.seal(1, root(one), one, head)
    const spanWith = (parent: VectorRow | undefined, last = two) =>
      forger.seal(1, root(one), last, [...head, beginning(parent), saying("b")]).bytes
    const reader = await openDevice(space, "reader")
    const wrongs = [
      spanWith(undefined),
      spanWith({ incarnation: one, sequence: 1, chain }),
      spanWith({ incarnation: one, sequence: 3, chain }),
      spanWith({ incarnation: one, sequence: 2, chain: root(one) }),
      spanWith({ incarnation: two, sequence: 2, chain }),
    ]
    for (const wrong of wrongs) {
      const [result] = await reader.replica.admit([wrong])
      expect(result?.outcome).toBe("refused")
    }
    expect(reader.replica.vector).toEqual([])
    const [result] = await reader.replica.admit([
      spanWith({ incarnation: one, sequence: 2, chain }),
    ])
    expect(result?.outcome).toBe("admitted")
    expect(await textsOf(reader.replica)).toEqual(["a", "b"])
  })

  test("about what is here of one of them is a fork, and nothing of it is taken", async () => {
    const [one, two] = [drawn(), drawn()]
    const forger = new Forger()
    const honest = forger.seal(1, root(one), one, [beginning(undefined), saying("a")])
    const reader = await openDevice(space, "reader")
    await reader.replica.admit([honest.bytes])
    const digest = reader.replica.digest
    const entries = [beginning(undefined), saying("other")]
    const changed = forger.seal(1, root(one), one, entries)
    const next = beginning({ incarnation: one, sequence: 2, chain: changed.chain })
    const span = forger.seal(1, root(one), two, [...entries, next, saying("b")])
    const [result] = await reader.replica.admit([span.bytes])
    expect(result).toEqual({ outcome: "fork", incarnation: one })
    expect(reader.replica.digest).toEqual(digest)
    expect(reader.replica.forkCount).toBe(1)
    expect(await textsOf(reader.replica)).toEqual(["a"])
  })

  test("about whose the earlier ones are is refused, and takes nothing's place", async () => {
    const owner = new Commands()
    await owner.write(texts(8), false)
    const reader = await openDevice(space, "reader")
    await owner.run(({ replica }) => carry(replica, reader.replica))
    const before = await shapeOf(reader)
    const spans = await spansOf(reader.replica)
    const encoded = (await entriesOf(reader.replica)).map(({ kind, on, body }) =>
      encodeEntry({ kind, on, body }),
    )
    const [first, last] = [spans[0], spans.at(-1)].map((span) => readSpanHeader(span ?? space.tag))
    if (!first || !last) throw new TypeError("spans")
    const forger = new Forger()
    const again = forger.seal(1, first.chainBefore, last.incarnation, encoded)
    expect((await reader.replica.admit([again.bytes]))[0]?.outcome).toBe("known")
    const mine = drawn()
    const parent = { incarnation: last.incarnation, sequence: last.end, chain: last.chainEnd }
    const beyond = forger.seal(1, first.chainBefore, mine, [...encoded, beginning(parent)])
    expect(await reader.replica.admit([beyond.bytes])).toEqual([
      { outcome: "refused", code: "LOG_WRITER" },
    ])
    expect(await shapeOf(reader)).toEqual(before)
    expect(await spansOf(reader.replica)).toEqual(spans)
    // The own one of them is welcome by itself.
    const own = forger.seal(last.end + 1, last.chainEnd, mine, [beginning(parent), saying("mine")])
    expect((await reader.replica.admit([own.bytes]))[0]?.outcome).toBe("admitted")
    // Another's start is not merged with what it continues.
    const asForger = await openDevice(space, "forger", { signer: forger.signer })
    await carry(reader.replica, asForger.replica)
    await mergeAll(asForger.replica)
    expect(await textsOf(asForger.replica)).toEqual([...texts(8), "mine"])
  })
})

describe("[L23] a span of several starts that costs more than it may", () => {
  const root = (incarnation: IncarnationId) => rootChain(space.chainKey, space.tag, incarnation)

  test("by parting lines inside it does not make a vector longer than it may be", async () => {
    const forger = new Forger()
    const one = drawn()
    const [begin, second, third] = [beginning(undefined), saying("two"), saying("three")]
    const upTo1 = forger.seal(1, root(one), one, [begin])
    const upTo2 = forger.seal(1, root(one), one, [begin, second])
    const all = forger.seal(1, root(one), one, [begin, second, third])
    const reader = await openDevice(space, "reader")
    const first = await append(reader, "first")
    await reader.replica.admit([all.bytes])
    const parent = { incarnation: one, sequence: 2, chain: upTo2.chain }
    const branches = Array.from(
      { length: 1100 },
      () => forger.seal(2, upTo1.chain, drawn(), [second, beginning(parent)]).bytes,
    )
    await reader.replica.admit(branches)
    expect(reader.replica.vector.length).toBeLessThanOrEqual(960)
    const honest = await append(reader, "honest")
    const other = await openDevice(space, "other")
    const results = await other.replica.admit([...first, all.bytes, ...branches, ...honest])
    expect(results.at(-1)?.outcome).toBe("admitted")
  })

  test("by going on where others had gone on already neither", async () => {
    const forger = new Forger()
    const reader = await openDevice(space, "reader")
    const later: Uint8Array[] = []
    let before: VectorRow | undefined
    for (let at = 0; at < 1100; at++) {
      const incarnation = drawn()
      const [start, chainBefore] = [(before?.sequence ?? 0) + 1, before?.chain ?? root(incarnation)]
      const begun = forger.seal(start, chainBefore, incarnation, [beginning(before)])
      await reader.replica.admit([begun.bytes])
      later.push(forger.seal(begun.end + 1, begun.chain, incarnation, [saying("on")]).bytes)
      before = { incarnation, sequence: begun.end, chain: begun.chain }
    }
    await reader.replica.admit(later)
    expect(reader.replica.vector.length).toBeLessThanOrEqual(960)
  })

  test("by coming bit by bit is kept once, and its part is known for what it is", async () => {
    const [forger, other] = [new Forger(), new Forger()]
    const [one, two, theirs] = [drawn(), drawn(), drawn()]
    const rows: VectorRow[] = []
    const small: Uint8Array[] = []
    let chain = root(theirs)
    for (let at = 0; at < 12; at++) {
      const entry = at === 0 ? beginning(undefined) : saying(`x${at}`)
      const sealed = other.seal(at + 1, chain, theirs, [entry])
      small.push(sealed.bytes)
      chain = sealed.chain
      rows.push({ incarnation: theirs, sequence: at + 1, chain })
    }
    const nowhere = { incarnation: drawn(), sequence: 1, chain: root(drawn()) }
    const entries = rows.map((row, at) =>
      at === 0 ? beginning(undefined, [row]) : saying(`${at}`, [row]),
    )
    const head = forger.seal(1, root(one), one, entries)
    const parent = { incarnation: one, sequence: entries.length, chain: head.chain }
    const long = idKey(space.random.bytes(100_000))
    const span = forger.seal(1, root(one), two, [
      ...entries,
      beginning(parent, [nowhere]),
      saying(long),
    ])
    const reader = await openDevice(space, "reader")
    await reader.replica.admit([span.bytes])
    for (const bytes of small) await reader.replica.admit([bytes])
    let copies = 0
    for await (const run of new LogTables(reader.vault, space.tag).runsByArrival(0)) {
      if ("bytes" in run && run.bytes.length > 50_000) copies++
    }
    expect(copies).toBe(1)
    expect(await reader.replica.merging.partHere(span.bytes)).toEqual(parent)
    expect(await reader.replica.merging.partHere(head.bytes)).toBeUndefined()
  })

  test("asks once who wrote it, and is looked for in one go", async () => {
    const commands = new Commands()
    await commands.write(texts(40), false)
    const small = await commands.run(({ replica }) => spansOf(replica))
    let asked = 0
    const checkWriter = () => {
      asked++
      return "ok" as const
    }
    const reader = await openDevice(space, "reader", { checkWriter })
    const early = await openDevice(space, "early")
    await early.replica.admit(small.slice(0, 10))
    const late = await commands.run(async ({ replica }) => {
      await mergeAll(replica)
      const limit = { bytesMax: 1_000_000, cut: "always" } as const
      return (await replica.spansAfter(early.replica.vector, limit)).spans
    })
    expect(late.length).toBe(1)
    // It waits for what comes before it, and is judged again and again.
    for (let time = 0; time < 10; time++) await reader.replica.admit(late)
    expect(asked).toBe(30)
    await reader.replica.admit(small.slice(0, 10))
    expect(await textsOf(reader.replica)).toEqual(texts(40))
    expect(asked).toBe(40)
  })
})

test("[L25] whoever appends may be made to begin another incarnation, or a line that needs nothing of before", async () => {
  let standing: LineStanding = "goes on"
  const lines = { standing: () => standing, namesNothing: true }
  const device = await openDevice(space, "lines", { lines })
  const other = await openDevice(space, "lines beside")
  await append(other, "beside")
  await carry(other.replica, device.replica)
  await append(device, "one")
  await append(device, "two")
  standing = "continued"
  await append(device, "three")
  standing = "ended"
  const alone = await append(device, "four")
  standing = "goes on"
  const then = await append(device, "five")
  const { tree } = device.replica
  const own = [...tree.nodes()].filter(
    ({ incarnation }) => other.replica.tree.get(incarnation) === undefined,
  )
  expect(own.map(({ first, sequence }) => [first, sequence])).toEqual([
    [1, 3],
    [4, 5],
    [1, 3],
  ])
  expect(tree.branchings()).toEqual([])
  const late = await openDevice(space, "lines late")
  const results = await late.replica.admit([...alone, ...then])
  expect(results.map(({ outcome }) => outcome)).toEqual(["admitted", "admitted"])
  expect(await textsOf(late.replica)).toEqual(["four", "five"])
})
