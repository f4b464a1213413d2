/**
 * Attachments between own devices: what one asks for, and what the other sends.
 *
 * @module
 */
import { AttachmentError } from "@fulcrum/attachments/attachment-error"
import { attachmentShape, chunkPlace } from "@fulcrum/attachments/format"
import { holdingOf } from "@fulcrum/attachments/holding"
import { encodeRequest } from "@fulcrum/attachments/messages"
import { sealAttachment } from "@fulcrum/attachments/sealing"
import { equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { seededRandom } from "@fulcrum/crypto/random"
import type { Channel } from "@fulcrum/net"
import { MemoryBlobs } from "@fulcrum/store/memory-blobs"
import {
  fetchAttachment,
  serveAttachments,
} from "../../../packages/engine/src/attachments/attachment-transfer.ts"
import { joinMessages, splitMessages } from "../messages.ts"
import { type FuzzTarget, holds } from "../target.ts"

const CONTENT_BYTES = 700

/** Nobody waits so long here. */
const clock: Clock = {
  now: () => 0,
  sleep: (_, signal) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true })
    }),
}

/** Gives these messages and keeps what is sent. */
function channelOf(messages: readonly Uint8Array[]) {
  const sent: Uint8Array[] = []
  const channel: Channel = {
    ...{ localId: "", remoteId: "", remotePublicKey: new Uint8Array(32), outbound: true },
    closed: Promise.resolve(),
    async send(message) {
      sent.push(message.slice())
    },
    async *messages() {
      yield* messages
    },
    beside: () => Promise.reject(new TypeError("not here")),
    close: async () => undefined,
    abort: () => undefined,
  }
  return { channel, sent }
}

async function made() {
  const random = seededRandom("fuzz attachments")
  const blobs = new MemoryBlobs()
  const file = await blobs.make("whole")
  async function* content() {
    yield random.bytes(CONTENT_BYTES)
  }
  const ref = await sealAttachment({ file, content: content(), bytes: CONTENT_BYTES, random })
  const shape = attachmentShape(CONTENT_BYTES)
  const { offset, length } = chunkPlace(shape, 0)
  const list = await file.read(0, shape.listBytes)
  return { ref, file, list, chunk: await file.read(offset, length) }
}

const served: FuzzTarget = {
  name: "attachments-served",
  form: "cbor",
  isSequence: true,
  bytesMax: 4096,
  async open() {
    const { ref, file, list, chunk } = await made()
    const { id } = ref
    const ask = { kind: "list", value: { id } } as const
    const all = { kind: "chunks", value: { id, ranges: [{ from: 0, to: 1 }] } } as const
    return {
      seeds: [[encodeRequest(ask), encodeRequest(all)], [encodeRequest(all)]].map(joinMessages),
      errors: [],
      async run(input) {
        const requests = splitMessages(input)
        const { channel, sent } = channelOf(requests)
        const find = async (wanted: Uint8Array) =>
          equalBytes(wanted, id) ? { ref, file } : undefined
        await serveAttachments({ channel, clock, find })
        holds(sent.length <= requests.length, "one answer for each request of one chunk")
        const isIts = (one: Uint8Array) =>
          one.length === 0 || equalBytes(one, list) || equalBytes(one, chunk)
        holds(sent.every(isIts), "nothing is sent but the attachment")
        return `${Math.min(sent.length, 4)}`
      },
    }
  },
}

const fetched: FuzzTarget = {
  name: "attachments-fetched",
  form: "bytes",
  isSequence: true,
  bytesMax: 4096,
  async open() {
    const { ref, list, chunk } = await made()
    return {
      seeds: [[list, chunk], [list], [new Uint8Array(0)], [list, list]].map(joinMessages),
      errors: [AttachmentError],
      async run(input) {
        const { channel } = channelOf(splitMessages(input))
        const file = await new MemoryBlobs().make("part")
        const holding = await holdingOf(file, ref)
        const parts = { channel, ref, file, holding, clock, progress: () => undefined }
        const outcome = await fetchAttachment(parts)
        const { missing } = await holdingOf(file, ref)
        holds(outcome !== "whole" || missing.length === 0, "what is said to be whole is")
        return `${outcome} ${missing.length}`
      },
    }
  },
}

export const attachmentTargets: readonly FuzzTarget[] = [served, fetched]
