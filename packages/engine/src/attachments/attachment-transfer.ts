/**
 * An attachment's way from one own device to another, over a channel beside the one on which they
 * have met. What comes is checked before it is kept; what has come stays, so that a transfer that was
 * cut goes on where it stopped.
 *
 * @module
 */
import {
  type AttachmentRef,
  type AttachmentShape,
  attachmentShape,
  chunkPlace,
  SEALED_BYTES,
} from "@fulcrum/attachments/format"
import { type ChunkRange, chunksIn, type Holding } from "@fulcrum/attachments/holding"
import { InOrder } from "@fulcrum/attachments/in-order"
import { IncomingAttachment } from "@fulcrum/attachments/incoming"
import { decodeRequest, encodeRequest, RANGES_MAX } from "@fulcrum/attachments/messages"
import { Writes } from "@fulcrum/attachments/writes"
import type { Clock } from "@fulcrum/crypto/clock"
import { type Channel, NetError } from "@fulcrum/net/contract"
import type { BlobFile } from "@fulcrum/store/blobs"
import { errorCode } from "../failures/error-code.ts"

/** Without a message, or room for one, for so long it is over. */
const SILENT_MS = 30_000

/** Chunks that are read at once: each reading costs a thread its turn. */
const BLOCK_CHUNKS = 4

export interface FetchInput {
  readonly channel: Channel
  readonly ref: AttachmentRef
  /** What has come of it, and where the rest goes. */
  readonly file: BlobFile
  readonly holding: Holding
  readonly clock: Clock
  /** Told after each chunk how many have come. */
  progress(chunks: number): void
}

/** All of it is here, and flushed; the peer has none of it; or the connection ended before. */
export type FetchOutcome = "whole" | "absent" | "cut"

/**
 * Fetches what is missing.
 *
 * @throws {AttachmentError} `ATTACHMENT_FORGED`. @throws {StoreError}
 */
export async function fetchAttachment(input: FetchInput): Promise<FetchOutcome> {
  const { channel, clock } = input
  const patience = new Patience(channel, clock)
  try {
    return await fetchAll(input, patience)
  } catch (error) {
    if (error instanceof NetError) return "cut"
    throw error
  } finally {
    patience.done()
    channel.abort(new Error("done"))
  }
}

async function fetchAll(input: FetchInput, patience: Patience): Promise<FetchOutcome> {
  const { channel, ref, file, holding, progress } = input
  const { id } = ref
  const incoming = new IncomingAttachment(ref, holding.list)
  const messages = channel.messages()[Symbol.asyncIterator]()
  const next = async (): Promise<Uint8Array | undefined> => {
    const { done, value } = await messages.next()
    patience.heard()
    return done ? undefined : value
  }
  const writes = new Writes(file)
  let come = incoming.shape.chunks - chunksIn(holding.missing)
  let received = 0
  const taking = new InOrder<{ offset: number; chunk: Uint8Array }>(async ({ offset, chunk }) => {
    await writes.add(offset, chunk)
    progress(++come)
  })
  try {
    if (holding.list === undefined) {
      await channel.send(encodeRequest({ kind: "list", value: { id } }))
      const list = await next()
      if (list === undefined) return "cut"
      if (list.length === 0) return "absent"
      incoming.takeList(list)
      await writes.add(0, list)
    }
    for (let at = 0; at < holding.missing.length; at += RANGES_MAX) {
      const ranges = holding.missing.slice(at, at + RANGES_MAX)
      await channel.send(encodeRequest({ kind: "chunks", value: { id, ranges } }))
      for (const index of indicesOf(ranges)) {
        const chunk = await next()
        // Whoever has none of it ends the channel: a list that is here was not asked for.
        if (chunk === undefined) return received > 0 ? "cut" : "absent"
        received++
        await taking.add(incoming.takeChunk(index, chunk).then((offset) => ({ offset, chunk })))
      }
    }
    await taking.ended()
  } finally {
    await writes.ended()
  }
  await file.flush()
  return "whole"
}

export interface ServeInput {
  readonly channel: Channel
  readonly clock: Clock
  /** One that is whole here; whoever gets it closes it. */
  find(
    id: Uint8Array,
  ): Promise<{ readonly ref: AttachmentRef; readonly file: BlobFile } | undefined>
}

/** Answers an own device's requests until it has no more. Never throws for what it does. */
export async function serveAttachments(input: ServeInput): Promise<void> {
  const { channel, clock } = input
  const patience = new Patience(channel, clock)
  try {
    for await (const message of channel.messages()) {
      patience.heard()
      if (!(await answer(input, message, patience))) break
    }
    await channel.close()
  } catch (error) {
    channel.abort(new Error("not served"))
    // Also the store's: a file that cannot be read here is fetched from elsewhere.
    if (errorCode(error) === undefined) throw error
  } finally {
    patience.done()
  }
}

/** @returns Whether it could be answered. */
async function answer(
  { channel, find }: ServeInput,
  message: Uint8Array,
  patience: Patience,
): Promise<boolean> {
  const { kind, value } = decodeRequest(message)
  const found = await find(value.id)
  if (found === undefined) {
    if (kind === "list") await channel.send(NOTHING)
    return kind === "list"
  }
  await using file = found.file
  const shape = attachmentShape(found.ref.bytes)
  if (kind === "list") {
    await channel.send(await file.read(0, shape.listBytes))
    return true
  }
  const isSound = value.ranges.every(({ from, to }) => from < to && to <= shape.chunks)
  if (!isSound || chunksIn(value.ranges) > shape.chunks) return false
  let reading: Promise<Block> | undefined
  const blocks = blocksOf(value.ranges)
  // The next one is read while one is being sent.
  const free: Uint8Array[] = []
  for (let at = 0; at < 2; at++) free.push(new Uint8Array(BLOCK_CHUNKS * SEALED_BYTES))
  const begin = (): void => {
    const next = blocks.next()
    const into = free.shift()
    reading = next.done || into === undefined ? undefined : readBlock(file, shape, next.value, into)
    // It is waited for in its turn, unless the channel ends before.
    reading?.catch(() => undefined)
  }
  for (begin(); reading !== undefined; ) {
    const { chunks, buffer } = await reading
    begin()
    for (const chunk of chunks) {
      await channel.send(chunk)
      patience.heard()
    }
    free.push(buffer)
    if (reading === undefined) begin()
  }
  return true
}

/** Chunks that are read at once, in memory that is used again. */
interface Block {
  readonly chunks: readonly Uint8Array[]
  readonly buffer: Uint8Array
}

async function readBlock(
  file: BlobFile,
  shape: AttachmentShape,
  { from, to }: ChunkRange,
  buffer: Uint8Array,
): Promise<Block> {
  const { offset } = chunkPlace(shape, from)
  const last = chunkPlace(shape, to - 1)
  const bytes = buffer.subarray(0, last.offset + last.length - offset)
  const filled = await file.readInto(offset, bytes)
  const places = [...indicesOf([{ from, to }])].map((index) => chunkPlace(shape, index))
  return {
    chunks: places.map((place) =>
      bytes.subarray(place.offset - offset, Math.min(filled, place.offset - offset + place.length)),
    ),
    buffer,
  }
}

function* blocksOf(ranges: readonly ChunkRange[]): Generator<ChunkRange, undefined> {
  for (const { from, to } of ranges) {
    for (let at = from; at < to; at += BLOCK_CHUNKS) {
      yield { from: at, to: Math.min(to, at + BLOCK_CHUNKS) }
    }
  }
}

function* indicesOf(ranges: readonly ChunkRange[]): Generator<number, undefined> {
  for (const { from, to } of ranges) for (let index = from; index < to; index++) yield index
}

const NOTHING: Uint8Array = new Uint8Array(0)

/** Ends a channel on which nothing is heard any more. */
class Patience {
  readonly #done = new AbortController()
  #heardMs: number

  constructor(channel: Channel, clock: Clock) {
    this.#heardMs = clock.now()
    const watch = async (): Promise<void> => {
      for (;;) {
        await clock.sleep(SILENT_MS / 4, this.#done.signal)
        if (clock.now() - this.#heardMs < SILENT_MS) continue
        return channel.abort(new Error("silent for too long"))
      }
    }
    watch().catch(() => undefined)
    this.heard = () => {
      this.#heardMs = clock.now()
    }
  }

  readonly heard: () => void

  done(): void {
    this.#done.abort()
  }
}
