/**
 * The engines of the comparing bench do what is asked of them: a record is cloned whole, and what
 * is edited afterwards is seen.
 *
 * @module
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { JsonValue } from "@fulcrum/codec/json"
import { describe, expect, test } from "vitest"
import type { Contestant, Newcomer, Server } from "../bench/compare/contestant.ts"
import {
  automergeRepoInMemory,
  automergeRepoOnDisk,
} from "../bench/compare/contestants/automerge-repo.ts"
import { cojsonInMemory, cojsonOnDisk } from "../bench/compare/contestants/cojson.ts"
import { fulcrum } from "../bench/compare/contestants/fulcrum.ts"
import { hypercore } from "../bench/compare/contestants/hypercore.ts"
import { automergeLoad, libp2pStream, tcpSocket } from "../bench/compare/contestants/raw-limits.ts"
import { yjs } from "../bench/compare/contestants/yjs.ts"
import {
  type RecordShape,
  type SeededEdit,
  seededEdits,
  seededValues,
} from "../bench/seeded-record.ts"

const CONTESTANTS = [
  fulcrum,
  tcpSocket,
  libp2pStream,
  automergeLoad,
  automergeRepoInMemory,
  automergeRepoOnDisk,
  yjs,
  cojsonInMemory,
  cojsonOnDisk,
  hypercore,
]

const SHAPES = [
  { edits: 50, documents: 1 },
  { edits: 50, documents: 10 },
]

describe.each(CONTESTANTS)("$name", (contestant) => {
  test.each(SHAPES)(
    "clones $edits edits in $documents documents, and sees one more",
    async (shape) => {
      await using folder = await newFolder()
      await using server = await contestant.serve({ shape, folder: await folder.inner("server") })
      for (const name of ["first", "second"]) {
        await using newcomer = await prepare(contestant, shape, server, await folder.inner(name))
        const values = seededValues(shape)
        await newcomer.clone(values, () => undefined)
        expect(plain(await newcomer.read(values))).toEqual(plain(values))
      }
      await using last = await prepare(contestant, shape, server, await folder.inner("last"))
      await last.clone(seededValues(shape), () => undefined)
      if (contestant.leavesOut.includes("live edits")) return
      expect(await seenAfter(last, server, newEdit(shape))).toBe("never before")
    },
  )
})

async function prepare(contestant: Contestant, shape: RecordShape, server: Server, folder: string) {
  const { port, invitation } = server
  const told: JsonValue = JSON.parse(JSON.stringify(invitation))
  return contestant.prepare({ shape, folder, port, invitation: told })
}

async function seenAfter(newcomer: Newcomer, server: Server, edit: SeededEdit): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  await newcomer.watch(resolve)
  await server.edit(edit)
  return promise
}

function newEdit(shape: RecordShape): SeededEdit {
  const [edit] = seededEdits(shape)
  if (edit === undefined) throw new Error("a record of no edits")
  return { ...edit, value: "never before" }
}

function plain(values: ReadonlyMap<string, JsonValue>): unknown {
  return Object.fromEntries(values)
}

async function newFolder() {
  const path = await mkdtemp(join(tmpdir(), "fulcrum-contestants-"))
  return {
    async inner(name: string): Promise<string> {
      const inner = join(path, name)
      await mkdir(inner)
      return inner
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  }
}
