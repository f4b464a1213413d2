/**
 * The contract for blobs, for any runner: each case resolves, or throws what is wrong. Names begin
 * with the rule of `SPEC.md` that they show.
 *
 * @module
 */
import { equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { BlobFile, Blobs } from "./blobs.ts"
import { StoreError } from "./contract.ts"
import { casesIn, type StoreCase } from "./suite.ts"

/** One place for blobs, empty at first; `open` may be called again, as after a restart. */
export interface BlobPlace {
  open(): Promise<Blobs>
  dispose(): Promise<void>
}

/** @param newPlace - Makes an empty place; the suite disposes of it. */
export function blobContract(newPlace: () => Promise<BlobPlace>): readonly StoreCase[] {
  return casesIn(newPlace, cases)
}

const cases: readonly (readonly [name: string, run: (place: BlobPlace) => Promise<void>])[] = [
  [
    "[S20] what was written and flushed is read back, also after opening again",
    async (place) => {
      const blobs = await place.open()
      await using made = await blobs.make("a-1")
      await made.write(0, utf8ToBytes("hello"))
      await made.write(3, utf8ToBytes("p!"))
      await made.flush()
      await made.close()
      await made.close()
      await using again = await opened(await place.open(), "a-1")
      expect((await again.size()) === 5, "its size")
      expectText(await again.read(0, 5), "help!")
      expectText(await again.read(3, 100), "p!")
      expectText(await again.read(9, 5), "")
      const into = new Uint8Array(4)
      expect((await again.readInto(1, into)) === 4, "as much as was asked for")
      expectText(into, "elp!")
      expect((await again.readInto(4, into)) === 1, "what there is")
      await again.write(1, utf8ToBytes("a"), utf8ToBytes(""), utf8ToBytes("lp"))
      expectText(await again.read(0, 9), "halp!")
    },
  ],
  [
    "[S20] what lies before what was written, and was not, is zeros",
    async (place) => {
      await using file = await (await place.open()).make("a")
      await file.write(4, utf8ToBytes("x"))
      const bytes = await file.read(0, 5)
      expect(equalBytes(bytes, new Uint8Array([0, 0, 0, 0, 120])), "zeros, then what was written")
    },
  ],
  [
    "[S21] names are listed, changed and taken away",
    async (place) => {
      const blobs = await place.open()
      expect((await blobs.names()).length === 0, "none at first")
      expect((await blobs.open("a")) === undefined, "none to open")
      await blobs.remove("a")
      for (const name of ["a", "b"]) {
        await using file = await blobs.make(name)
        await file.write(0, utf8ToBytes(name))
        await file.flush()
      }
      await blobs.rename("a", "b")
      const again = await place.open()
      expect(
        (await again.names()).join() === "b",
        "the one that was renamed, in place of the other",
      )
      await using file = await opened(again, "b")
      expectText(await file.read(0, 9), "a")
      await again.remove("b")
      expect((await again.names()).length === 0, "none at the end")
    },
  ],
  [
    "[S21] what has no such name is an error, and so is a name that leads elsewhere",
    async (place) => {
      const blobs = await place.open()
      await using file = await blobs.make("b")
      await file.flush()
      await fails(StoreError, blobs.rename("a", "b"))
      for (const name of ["", "A", "../a", "a/b", "a.b", "a".repeat(97)]) {
        await fails(RangeError, async () => blobs.make(name))
      }
    },
  ],
]

async function opened(blobs: Blobs, name: string): Promise<BlobFile> {
  const file = await blobs.open(name)
  if (file === undefined) throw new Error(`${name} is not there`)
  return file
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

function expectText(bytes: Uint8Array, text: string): void {
  expect(equalBytes(bytes, utf8ToBytes(text)), `it should read ${JSON.stringify(text)}`)
}

async function fails(
  kind: abstract new (...args: never) => Error,
  work: Promise<unknown> | (() => Promise<unknown>),
): Promise<void> {
  try {
    await (typeof work === "function" ? work() : work)
  } catch (error) {
    if (error instanceof kind) return
    throw error
  }
  throw new Error(`a ${kind.name} was expected`)
}
