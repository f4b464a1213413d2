/** Reading all of a record from a relay that may say anything. */

import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { seededRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import { chainKeySchema, epochKeySchema, type SpaceTag, spaceTagSchema } from "@fulcrum/log/ids"
import { openReplica } from "@fulcrum/log/replica"
import { openMemoryStore } from "@fulcrum/store/memory"
import { openVault } from "@fulcrum/store/vault"
import { expect, test } from "vitest"
import {
  type ArchivePages,
  EMPTY_PAGES_MAX,
  FoundSpans,
  readArchive,
} from "../src/recovery/found-spans.ts"

const random = seededRandom("found spans")
const space = spaceTagSchema.decode(random.bytes(32))
const elsewhere = spaceTagSchema.decode(random.bytes(32))

/** A span that anybody can make who has seen the space's tag. */
async function spanOf(tag: SpaceTag): Promise<Uint8Array> {
  const vault = await openVault({ store: await openMemoryStore(), key: random.bytes(32), random })
  const key = generateSigningKey(random)
  const replica = await openReplica({
    vault,
    keyring: {
      tag,
      chainKey: chainKeySchema.decode(random.bytes(32)),
      epochKey: () => undefined,
      current: undefined,
    },
    writer: { begin: () => ({ key, certificate: new Uint8Array() }) },
    random,
    deflate: systemDeflate(),
  })
  const epoch = { key: epochKeySchema.decode(random.bytes(32)) }
  const staged = replica.stageKey({
    epoch,
    clear: random.bytes(8),
    body: random.bytes(8),
    follows: [],
  })
  await vault.write(staged.ops)
  staged.commit()
  const { spans } = await replica.spansAfter([], { bytesMax: 1_000_000 })
  await vault.close()
  return spans[0] ?? new Uint8Array()
}

interface Said {
  readonly spans?: readonly Uint8Array[]
  readonly gone?: number
  readonly end: number
}

/** Reads a mailbox whose relay says this, position after position. */
async function readFrom(say: (from: number) => Said, into = new FoundSpans(space)) {
  let [pages, found] = [0, 0]
  const read: ArchivePages["read"] = async ({ from }) => {
    pages++
    const { spans = [], gone = 0, end } = say(from)
    return {
      items: spans.map((bytes) => ({ bytes })),
      gone: Array.from({ length: gone }, () => new Uint8Array(32)),
      ...{ next: from + 1, end },
    }
  }
  await readArchive({ read }, into, (shown) => {
    found = shown
  })
  return { pages, found, all: into.all }
}

const FAR = 2 ** 50

test("[P86] a mailbox is read to its end, however long the stretches are that were merged away", async () => {
  const spans = await Promise.all([spanOf(space), spanOf(space)])
  const last = 10 * EMPTY_PAGES_MAX
  const say = (from: number): Said =>
    from === 1 || from === last
      ? { spans: [spans[from === 1 ? 0 : 1] ?? new Uint8Array()], end: last + 1 }
      : { gone: 1, end: last + 1 }
  expect(await readFrom(say)).toEqual({ pages: last, found: 2, all: spans })
})

test("[P86] one that has what another had is read to its end, too, and kept once", async () => {
  const spans = await Promise.all(Array.from({ length: EMPTY_PAGES_MAX + 2 }, () => spanOf(space)))
  const say = (from: number): Said => ({
    spans: [spans[from - 1] ?? new Uint8Array()],
    end: spans.length + 1,
  })
  const into = new FoundSpans(space)
  await readFrom((from) => ({ ...say(from), end: spans.length }), into)
  expect(into.all).toHaveLength(spans.length - 1)
  expect(await readFrom(say, into)).toMatchObject({ found: spans.length, all: spans })
})

test.for([
  ["nothing at all", async () => []],
  ["the same span", async () => [await spanOf(space)]],
  ["spans of another space", async () => [await spanOf(elsewhere)]],
  ["what is no span", async () => [random.bytes(300)]],
] as const)("[P86] one that says %s for ever is left", async ([, make]) => {
  const spans = await make()
  const { pages, all } = await readFrom(() => ({ spans, end: FAR }))
  expect(pages).toBeLessThanOrEqual(EMPTY_PAGES_MAX + 1)
  expect(all.length).toBeLessThanOrEqual(1)
})
