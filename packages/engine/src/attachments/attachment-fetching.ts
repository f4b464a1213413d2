/**
 * Fetching an attachment from the person's other devices: from whoever has it and can be reached.
 *
 * @module
 */
import { attachmentShape } from "@fulcrum/attachments/format"
import { type Holding, holdingOf } from "@fulcrum/attachments/holding"
import { ATTACHMENTS_PROTOCOL } from "@fulcrum/attachments/messages"
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { NetError } from "@fulcrum/net/contract"
import type { BlobFile } from "@fulcrum/store/blobs"
import type { ConnectedDevice } from "../devices/device-links.ts"
import { EngineError } from "../failures/engine-error.ts"
import { errorCode } from "../failures/error-code.ts"
import type { AttachmentItem } from "../items/record-items.ts"
import { deadline } from "../mailboxes/relay-visit.ts"
import type { FetchOptions } from "../person/person.ts"
import type { AttachmentFiles } from "./attachment-files.ts"
import { type FetchOutcome, fetchAttachment } from "./attachment-transfer.ts"

/** How long a device may take to begin a transfer. */
const OPEN_MS = 5000

/** Before one is asked again that went away in the middle. */
const CUT_MS = 250

/** Own devices on the network. */
export interface AttachmentPeers {
  /** Those that are connected now. */
  readonly connected: readonly ConnectedDevice[]
  /** Ids, in hex, of all but this one. */
  readonly others: readonly string[]
  /** Opens the network, if it is not. */
  open(): Promise<void>
  /** Resolves when another is connected, or one is not any more. */
  change(signal: AbortSignal): Promise<void>
}

export interface AttachmentFetchingOptions {
  readonly clock: Clock
  peers(): AttachmentPeers
  /** Whether the record took it away, by its id in hex. */
  isRemoved(id: string): boolean
}

export class AttachmentFetching {
  readonly #options: AttachmentFetchingOptions

  constructor(options: AttachmentFetchingOptions) {
    this.#options = options
  }

  /**
   * From whoever has it: each device that is connected is asked, and waited for those that are not, for
   * as long as was said since anything came. One that has none of it, or sent what it is not, is asked
   * once; one that went away in the middle, again when it is back.
   */
  async fetch(files: AttachmentFiles, item: AttachmentItem, options: FetchOptions): Promise<void> {
    const { clock, peers, isRemoved: isGone } = this.#options
    const id = bytesToHex(item.id)
    const isRemoved = () => isGone(id)
    const stop = new AbortController()
    const signal = AbortSignal.any([options.signal, stop.signal])
    const asked = new Set<string>()
    await using file = await files.part(id)
    let holding = await holdingOf(file, item, signal)
    let untilMs = clock.now() + options.reachMs
    const came = (bytes: number): void => {
      untilMs = clock.now() + options.reachMs
      options.progress?.(bytes)
      if (isRemoved()) stop.abort(unknownAttachment())
    }
    try {
      if (!isWhole(holding)) await peers().open()
      while (!isWhole(holding)) {
        signal.throwIfAborted()
        const { connected, others } = peers()
        const next = connected.find((one) => !asked.has(one.id))
        if (next === undefined) {
          const leftMs = untilMs - clock.now()
          if (others.every((one) => asked.has(one)) || leftMs <= 0) throw attachmentAway()
          const changed = peers().change(signal)
          await Promise.race([changed, clock.sleep(leftMs, signal).catch(() => undefined)])
          continue
        }
        const outcome = await this.#fetchFrom(next, { item, file, holding, came, signal })
        if (outcome === "whole") break
        if (outcome === "absent") asked.add(next.id)
        else await clock.sleep(CUT_MS, signal).catch(() => undefined)
        holding = await holdingOf(file, item, signal)
        if (outcome === "cut" && clock.now() >= untilMs) throw attachmentAway()
      }
    } finally {
      stop.abort()
    }
    await files.complete(id)
    if (!isRemoved()) return
    await files.remove(id)
    throw unknownAttachment()
  }

  async #fetchFrom(
    device: ConnectedDevice,
    parts: {
      readonly item: AttachmentItem
      readonly file: BlobFile
      readonly holding: Holding
      readonly signal: AbortSignal
      came(bytes: number): void
    },
  ): Promise<FetchOutcome> {
    const { item, file, holding, signal, came } = parts
    const { clock } = this.#options
    const { chunks } = attachmentShape(item.bytes)
    const opening = deadline(clock, signal, OPEN_MS)
    try {
      const channel = await device.beside(ATTACHMENTS_PROTOCOL, opening.signal)
      opening.done()
      const leave = (): void => channel.abort(new Error("stopped"))
      signal.addEventListener("abort", leave, { once: true })
      if (signal.aborted) leave()
      try {
        return await fetchAttachment({
          ...{ channel, ref: item, file, holding, clock },
          progress: (come) => came(Math.floor((come / chunks) * item.bytes)),
        })
      } finally {
        signal.removeEventListener("abort", leave)
      }
    } catch (error) {
      if (error instanceof NetError && error.code === "NET_CLOSED") return "cut"
      // Another may have it whole.
      if (error instanceof NetError || errorCode(error) === "ATTACHMENT_FORGED") return "absent"
      throw error
    } finally {
      opening.done()
    }
  }
}

function isWhole({ list, missing }: Holding): boolean {
  return list !== undefined && missing.length === 0
}

/** For what goes by no attachment, or was taken away. */
export function unknownAttachment(): EngineError {
  return new EngineError("ATTACHMENT_UNKNOWN", "no attachment goes by that")
}

/** For one that is not here. */
export function attachmentAway(): EngineError {
  const message = "it is not here, and none of your devices that has it can be reached"
  return new EngineError("ATTACHMENT_AWAY", message)
}
