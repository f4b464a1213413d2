/** Attachments: sealed in chunks, checked one by one, and found by their hashes. */
import { bytesToHex, concatBytes, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { seededRandom } from "@fulcrum/crypto/random"
import { MemoryBlobs } from "@fulcrum/store/memory-blobs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  ATTACHMENT_BYTES_MAX,
  attachmentKey,
  attachmentShape,
  CHUNK_BYTES,
  chunkPlace,
  sealChunk,
} from "../src/format.ts"
import { chunksIn, holdingOf } from "../src/holding.ts"
import { IncomingAttachment } from "../src/incoming.ts"
import { decodeRequest, encodeRequest, RANGES_MAX } from "../src/messages.ts"
import { readAttachment } from "../src/reading.ts"
import { sealAttachment } from "../src/sealing.ts"

const random = seededRandom("attachments")
const SIZES = [0, 1, 256, 4097, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES + 7]

async function sealed(content: Uint8Array, partBytes = 100_000) {
  const blobs = new MemoryBlobs()
  const file = await blobs.make("a")
  const ref = await sealAttachment({
    file,
    content: inParts(content, partBytes),
    bytes: content.length,
    random,
  })
  return { blobs, file, ref }
}

async function* inParts(content: Uint8Array, partBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += partBytes) yield content.slice(at, at + partBytes)
}

async function whole(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return concatBytes(parts)
}

describe("sealing and reading", () => {
  for (const size of SIZES) {
    test(`[AT1] ${size} bytes are read as they were, from a file whose size is that of the padding`, async () => {
      const content = random.bytes(size)
      const { file, ref } = await sealed(content)
      expect(await file.size()).toBe(attachmentShape(size).fileBytes)
      expect(equalBytes(await whole(readAttachment(file, ref)), content)).toBe(true)
      expect((await holdingOf(file, ref)).missing).toEqual([])
    })
  }

  test("[AT1] how the content comes makes no difference", async () => {
    const content = random.bytes(2 * CHUNK_BYTES + 5)
    for (const partBytes of [1000, CHUNK_BYTES, 3 * CHUNK_BYTES]) {
      const { file, ref } = await sealed(content, partBytes)
      expect(equalBytes(await whole(readAttachment(file, ref)), content)).toBe(true)
    }
  })

  test("[AT2] nothing of the content is in the file, and the same content twice has nothing in common", async () => {
    const content = utf8ToBytes("Passport C01X00T47 ".repeat(100))
    const [one, two] = [await sealed(content), await sealed(content)]
    expect(equalBytes(one.ref.id, two.ref.id)).toBe(false)
    const files = await Promise.all([one, two].map(({ file }) => file.read(0, 1e6)))
    for (const bytes of files)
      expect(bytesToHex(bytes)).not.toContain(bytesToHex(content.slice(0, 8)))
    const chunk = chunkPlace(attachmentShape(content.length), 0)
    const [first, second] = await Promise.all(
      [one, two].map(({ file }) => file.read(chunk.offset, 32)),
    )
    expect(first).not.toEqual(second)
  })

  test("[AT2] of all sizes the file tells no more than the padding does", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: ATTACHMENT_BYTES_MAX }), (bytes) => {
        const { chunks, lastBytes, fileBytes } = attachmentShape(bytes)
        const padded = (chunks - 1) * CHUNK_BYTES + lastBytes
        expect(padded).toBeGreaterThanOrEqual(bytes)
        expect(padded - bytes).toBeLessThanOrEqual(Math.max(512, 0.125 * bytes))
        expect(lastBytes).toBeGreaterThan(0)
        expect(lastBytes).toBeLessThanOrEqual(CHUNK_BYTES)
        const last = chunkPlace(attachmentShape(bytes), chunks - 1)
        expect(last.offset + last.length).toBe(fileBytes)
      }),
    )
    expect(() => attachmentShape(ATTACHMENT_BYTES_MAX + 1)).toThrow(
      expect.objectContaining({ code: "ATTACHMENT_TOO_LARGE" }),
    )
  })

  test("[AT3] content that becomes longer or shorter while it is read is no attachment", async () => {
    for (const bytes of [CHUNK_BYTES, CHUNK_BYTES + 2]) {
      const file = await new MemoryBlobs().make("a")
      const content = inParts(random.bytes(CHUNK_BYTES + 1), 1000)
      await expect(sealAttachment({ file, content, bytes, random })).rejects.toMatchObject({
        code: "ATTACHMENT_CHANGED",
      })
    }
  })

  test("[AT3] a disk that is full ends it", async () => {
    const file = await new MemoryBlobs({ capacityBytes: 2 * CHUNK_BYTES }).make("a")
    const bytes = 4 * CHUNK_BYTES
    const content = inParts(random.bytes(bytes), 10_000)
    await expect(sealAttachment({ file, content, bytes, random })).rejects.toMatchObject({
      code: "STORE_FULL",
    })
  })

  test("[AT1] the format is as it was", async () => {
    const file = await new MemoryBlobs().make("a")
    const content = new Uint8Array(CHUNK_BYTES + 10).map((_, at) => at % 251)
    const ref = await sealAttachment({
      file,
      content: inParts(content, 4096),
      bytes: content.length,
      random: { bytes: (length) => new Uint8Array(length).fill(7) },
    })
    expect(bytesToHex(ref.id)).toBe(
      "528c8d236e051909e0bd8c3648af8dcfae11da63a3f86b29fc647398107d4aab",
    )
  })
})

describe("damage", () => {
  test("[AT4] also of one that is empty, and in what is padding alone", async () => {
    for (const size of [0, 8 * CHUNK_BYTES + 1]) {
      const { file, ref } = await sealed(random.bytes(size))
      const shape = attachmentShape(size)
      const { offset, length } = chunkPlace(shape, shape.chunks - 1)
      await file.write(offset + length - 20, new Uint8Array([1, 2, 3, 4]))
      await expect(whole(readAttachment(file, ref))).rejects.toMatchObject({
        code: "ATTACHMENT_DAMAGED",
      })
    }
  })

  test("[AT4] a byte that changed anywhere is found at reading, and the chunk with it is missing", async () => {
    const content = random.bytes(3 * CHUNK_BYTES + 100)
    const { file, ref } = await sealed(content)
    const shape = attachmentShape(content.length)
    for (const index of [0, 1, shape.chunks - 1]) {
      const { offset, length } = chunkPlace(shape, index)
      for (const at of [offset, offset + length - 1]) {
        const [before = 0] = await file.read(at, 1)
        await file.write(at, new Uint8Array([before ^ 1]))
        await expect(whole(readAttachment(file, ref))).rejects.toMatchObject({
          code: "ATTACHMENT_DAMAGED",
        })
        expect((await holdingOf(file, ref)).missing).toEqual([{ from: index, to: index + 1 }])
        await file.write(at, new Uint8Array([before]))
      }
    }
    await file.write(5, new Uint8Array([0]))
    await file.write(6, new Uint8Array([1]))
    const { list, missing } = await holdingOf(file, ref)
    expect(list).toBeUndefined()
    expect(missing).toEqual([{ from: 0, to: shape.chunks }])
    await expect(whole(readAttachment(file, ref))).rejects.toMatchObject({
      code: "ATTACHMENT_DAMAGED",
    })
  })

  test("[AT4] a chunk sealed again under the same secret by somebody else is not it", async () => {
    const { file, ref } = await sealed(random.bytes(300))
    const shape = attachmentShape(300)
    const { offset, length } = chunkPlace(shape, 0)
    const other = sealChunk(attachmentKey(ref.secret), 0, new Uint8Array(shape.lastBytes))
    expect(other.length).toBe(length)
    await file.write(offset, other)
    await expect(whole(readAttachment(file, ref))).rejects.toMatchObject({
      code: "ATTACHMENT_DAMAGED",
    })
  })

  test("[AT5] what a crash left is found, whatever it is: cut short, with holes, or nothing", async () => {
    const content = random.bytes(6 * CHUNK_BYTES)
    const { file, ref } = await sealed(content)
    const shape = attachmentShape(content.length)
    const bytes = await file.read(0, shape.fileBytes)
    const blobs = new MemoryBlobs()
    const nothing = await blobs.make("nothing")
    expect((await holdingOf(nothing, ref)).list).toBeUndefined()
    const cut = await blobs.make("cut")
    const { offset } = chunkPlace(shape, 2)
    await cut.write(0, bytes.slice(0, offset + 10))
    expect((await holdingOf(cut, ref)).missing).toEqual([{ from: 2, to: shape.chunks }])
    const holes = await blobs.make("holes")
    await holes.write(0, bytes)
    for (const index of [0, 3, 4]) {
      const place = chunkPlace(shape, index)
      await holes.write(place.offset, new Uint8Array(place.length))
    }
    const { missing } = await holdingOf(holes, ref)
    expect(missing).toEqual([
      { from: 0, to: 1 },
      { from: 3, to: 5 },
    ])
    expect(chunksIn(missing)).toBe(3)
  })
})

describe("from another device", () => {
  const refused = expect.objectContaining({ code: "ATTACHMENT_FORGED" })

  test("[AT6] list and chunks are taken where they belong, and nothing else is", async () => {
    const content = random.bytes(2 * CHUNK_BYTES + 9)
    const { file, ref } = await sealed(content)
    const shape = attachmentShape(content.length)
    const list = await file.read(0, shape.listBytes)
    const incoming = new IncomingAttachment(ref, undefined)
    const chunkAt = async (index: number): Promise<Uint8Array> => {
      const { offset, length } = chunkPlace(shape, index)
      return await file.read(offset, length)
    }
    expect(() => incoming.takeList(list.slice(1))).toThrow(refused)
    expect(() => incoming.takeList(list.map((byte) => byte ^ 1))).toThrow(refused)
    incoming.takeList(list)
    for (let index = 0; index < shape.chunks; index++) {
      const chunk = await chunkAt(index)
      expect(await incoming.takeChunk(index, chunk)).toBe(chunkPlace(shape, index).offset)
      for (const [at, wrong] of [
        [(index + 1) % shape.chunks, chunk],
        [index, chunk.slice(1)],
        [index, new Uint8Array(chunk.length)],
      ] as const) {
        await expect(incoming.takeChunk(at, wrong)).rejects.toThrow(refused)
      }
    }
    await expect(incoming.takeChunk(shape.chunks, new Uint8Array(1))).rejects.toThrow(RangeError)
  })

  test("[AT7] requests are read as they were written, and nothing else throws but a coded error", () => {
    const id = random.bytes(32)
    for (const request of [
      { kind: "list", value: { id } },
      { kind: "chunks", value: { id, ranges: [{ from: 0, to: 9 }] } },
    ] as const) {
      expect(decodeRequest(encodeRequest(request))).toEqual(request)
    }
    const ranges = Array.from({ length: RANGES_MAX + 1 }, (_, from) => ({ from, to: from + 1 }))
    expect(() => encodeRequest({ kind: "chunks", value: { id, ranges } })).toThrow(
      expect.objectContaining({ name: "CodecError" }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeRequest(bytes)
        } catch (error) {
          expect(error).toMatchObject({ name: "CodecError" })
        }
      }),
    )
  })
})
