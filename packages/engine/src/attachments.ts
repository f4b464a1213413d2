/**
 * The record's attachments: files that are too large for its documents. An entry of the record says
 * what each is and how it is opened; the file itself lies beside the logs, on the device that attached
 * it and on each that was asked for it.
 *
 * Source: DESIGN, "Record and shares" (papers), and "The sync engine" (attachments: fetched lazily,
 * resumable).
 *
 * @module
 */
import { type AttachmentRef, attachmentShape } from "@fulcrum/attachments/format"
import { type Holding, holdingOf } from "@fulcrum/attachments/holding"
import { ATTACHMENTS_PROTOCOL } from "@fulcrum/attachments/messages"
import { readAttachment } from "@fulcrum/attachments/reading"
import { sealAttachment } from "@fulcrum/attachments/sealing"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import { type Channel, NetError } from "@fulcrum/net/contract"
import type { BlobFile, Blobs } from "@fulcrum/store/blobs"
import { AttachmentFiles } from "./attachment-files.ts"
import { ATTACHMENT_URI } from "./attachment-place.ts"
import { fetchAttachment, serveAttachments } from "./attachment-transfer.ts"
import type { ConnectedDevice } from "./device-links.ts"
import { EngineError } from "./engine-error.ts"
import { errorCode } from "./error-code.ts"
import type { Ledger } from "./ledger.ts"
import { Mutex } from "./mutex.ts"
import type { AttachmentRow, FetchOptions, NewAttachment, PersonAttachments } from "./person.ts"
import type { AttachmentItem } from "./record-items.ts"
import type { Underway } from "./underway.ts"

/** Shorter beginnings of an id are taken for names. */
const ID_CHARS_MIN = 4

/** Own devices on the network. */
export interface AttachmentPeers {
  /** Those that are connected now. */
  readonly connected: readonly ConnectedDevice[]
  /** How many there are besides this one. */
  readonly others: number
  /** Opens the network, if it is not. */
  open(): Promise<void>
  /** Resolves when another is connected, or one is not any more. */
  change(signal: AbortSignal): Promise<void>
}

export interface AttachmentsOptions {
  /** Absent: this program keeps none. */
  readonly blobs: Blobs | undefined
  readonly ledger: Ledger
  readonly device: Uint8Array
  readonly clock: Clock
  readonly random: Random
  readonly underway: Underway
  peers(): AttachmentPeers
  /** Makes it part of the record, and what is at `path` refer to it, in one step. */
  keep(item: AttachmentItem, path: string | undefined): Promise<void>
  /** Takes it away from the record. */
  drop(id: Uint8Array): Promise<void>
  /** What the record has at a path. */
  valueAt(path: string): Promise<unknown>
}

export class Attachments implements PersonAttachments {
  readonly #options: AttachmentsOptions
  readonly #files: AttachmentFiles | undefined
  /** Fetching one after another, by id. */
  readonly #fetching = new Map<string, Mutex>()
  readonly #tidying = new Mutex()

  constructor(options: AttachmentsOptions) {
    this.#options = options
    this.#files = options.blobs && new AttachmentFiles(options.blobs, options.random)
  }

  /**
   * Deletes what was taken away. What fails is done at the next start.
   *
   * @param options.isFirst - It is the start: what is half done is done by nobody.
   */
  tidy({ isFirst }: { readonly isFirst: boolean }): Promise<void> {
    return this.#tidying.run(async () => {
      const { state } = this.#options.ledger
      const isKnown = (id: string) => state.attachments.has(id)
      const isRemoved = (id: string) => state.attachmentsRemoved.has(id)
      try {
        await this.#files?.tidy({ isKnown, isRemoved, isFirst })
      } catch (error) {
        if (errorCode(error) === undefined) throw error
      }
    })
  }

  add(added: NewAttachment): Promise<AttachmentRow> {
    return this.#options.underway.run((closing) => this.#add(added, closing))
  }

  async #add(added: NewAttachment, closing: AbortSignal): Promise<AttachmentRow> {
    const { name, mediaType, bytes, path, progress } = added
    const { ledger, device, clock, random, keep } = this.#options
    const content = whileWanted(added.content, AbortSignal.any([added.signal, closing]))
    let kept = ""
    await this.#requireFiles().add(
      (file) => sealAttachment({ file, content, bytes, random, ...(progress && { progress }) }),
      async (ref) => {
        const addedMs = Math.max(0, Math.floor(clock.now()))
        await keep({ ...ref, name, mediaType, addedMs, device }, path)
        kept = bytesToHex(ref.id)
      },
    )
    const item = ledger.state.attachments.get(kept)
    if (item === undefined) throw new TypeError("an attachment that was kept is not there")
    return this.#row(item, "whole")
  }

  async list(): Promise<readonly AttachmentRow[]> {
    const held = (await this.#files?.held()) ?? new Map<string, "whole" | "part">()
    const items = [...this.#options.ledger.state.attachments.values()]
    return items
      .toSorted((a, b) => a.addedMs - b.addedMs)
      .map((item) => this.#row(item, held.get(bytesToHex(item.id)) ?? "none"))
  }

  async find(wanted: string): Promise<AttachmentRow> {
    const id = bytesToHex((await this.#find(wanted)).id)
    const row = (await this.list()).find((one) => one.id === id)
    if (row === undefined) throw unknown()
    return row
  }

  async *read(wanted: string): AsyncGenerator<Uint8Array, void, undefined> {
    const item = await this.#find(wanted)
    await using file = await this.#requireFiles().open(bytesToHex(item.id))
    if (file === undefined) throw away()
    yield* readAttachment(file, item)
  }

  fetch(wanted: string, options: FetchOptions): Promise<AttachmentRow> {
    return this.#options.underway.run((closing) => {
      const signal = AbortSignal.any([options.signal, closing])
      return this.#fetchFound(wanted, { ...options, signal })
    })
  }

  async #fetchFound(wanted: string, options: FetchOptions): Promise<AttachmentRow> {
    const item = await this.#find(wanted)
    const id = bytesToHex(item.id)
    const files = this.#requireFiles()
    const mutex = this.#fetching.get(id) ?? new Mutex()
    this.#fetching.set(id, mutex)
    return await mutex.run(async () => {
      if (options.isDoubted) await files.doubt(id)
      const whole = await files.open(id)
      if (whole === undefined) await this.#fetch(files, item, options)
      else await whole.close()
      return this.#row(item, "whole")
    })
  }

  async remove(wanted: string): Promise<void> {
    const { id } = await this.#find(wanted)
    await this.#options.drop(id)
    await this.tidy({ isFirst: false })
  }

  /** Serves another own device. */
  async serve(channel: Channel): Promise<void> {
    await serveAttachments({
      channel,
      clock: this.#options.clock,
      find: async (id) => {
        const ref = this.#options.ledger.state.attachments.get(bytesToHex(id))
        const file = ref && (await this.#files?.open(bytesToHex(id)))
        return ref && file && { ref, file }
      },
    })
  }

  /**
   * From whoever has it: each device that is connected is asked once, and waited for those that are
   * not, for as long as was said.
   */
  async #fetch(files: AttachmentFiles, item: AttachmentItem, options: FetchOptions): Promise<void> {
    const { clock, peers } = this.#options
    const id = bytesToHex(item.id)
    const stop = new AbortController()
    const signal = AbortSignal.any([options.signal, stop.signal])
    await peers().open()
    const asked = new Set<string>()
    await using file = await files.part(id)
    try {
      const reachMs = clock.now() + options.reachMs
      for (;;) {
        signal.throwIfAborted()
        const { connected, others } = peers()
        const next = connected.find((one) => !asked.has(one.id))
        if (next === undefined) {
          const leftMs = reachMs - clock.now()
          if (asked.size >= others || leftMs <= 0) throw away()
          const changed = peers().change(signal)
          await Promise.race([changed, clock.sleep(leftMs, signal).catch(() => undefined)])
          continue
        }
        asked.add(next.id)
        const holding = await holdingOf(file, item)
        if (await this.#fetchFrom(next, { item, file, holding, options, signal })) break
      }
    } finally {
      stop.abort()
    }
    if (this.#options.ledger.state.attachmentsRemoved.has(id)) {
      await files.remove(id)
      throw unknown()
    }
    await files.complete(id)
  }

  async #fetchFrom(
    device: ConnectedDevice,
    parts: {
      readonly item: AttachmentItem
      readonly file: BlobFile
      readonly holding: Holding
      readonly options: FetchOptions
      readonly signal: AbortSignal
    },
  ): Promise<boolean> {
    const { item, file, holding, options, signal } = parts
    const { clock } = this.#options
    const { chunks } = attachmentShape(item.bytes)
    try {
      const channel = await device.beside(ATTACHMENTS_PROTOCOL, signal)
      const leave = (): void => channel.abort(new Error("stopped"))
      signal.addEventListener("abort", leave, { once: true })
      try {
        return await fetchAttachment({
          ...{ channel, ref: item, file, holding, clock },
          progress: (come) => options.progress?.(Math.floor((come / chunks) * item.bytes)),
        })
      } finally {
        signal.removeEventListener("abort", leave)
      }
    } catch (error) {
      // Another may have it whole.
      if (error instanceof NetError || errorCode(error) === "ATTACHMENT_FORGED") return false
      throw error
    }
  }

  /** @param wanted - An id or its beginning, a name, or a path whose `uri` names one. */
  async #find(wanted: string): Promise<AttachmentItem> {
    const { attachments } = this.#options.ledger.state
    const uri = wanted.includes("/") ? uriOf(await this.#options.valueAt(wanted)) : wanted
    const name = uri?.replace(ATTACHMENT_URI, "") ?? ""
    const exact = attachments.get(name)
    if (exact !== undefined) return exact
    const found = [...attachments].flatMap(([id, item]) =>
      item.name === name || (name.length >= ID_CHARS_MIN && id.startsWith(name)) ? [item] : [],
    )
    if (found.length > 1) {
      throw new EngineError("ATTACHMENT_AMBIGUOUS", "several attachments go by that")
    }
    const [only] = found
    if (only === undefined) throw unknown()
    return only
  }

  #requireFiles(): AttachmentFiles {
    if (this.#files !== undefined) return this.#files
    throw new EngineError("ATTACHMENT_NOWHERE", "this program keeps no attachments")
  }

  #row(item: AttachmentItem & AttachmentRef, here: AttachmentRow["here"]): AttachmentRow {
    const { devices, removed } = this.#options.ledger.membership.view
    const { name, mediaType, bytes, addedMs } = item
    const device = [...devices, ...removed].find(({ id }) => equalBytes(id, item.device))?.name
    return { id: bytesToHex(item.id), name, mediaType, bytes, addedMs, device, here }
  }
}

/** Ends with the signal's reason once it fires. */
async function* whileWanted(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const part of content) {
    signal.throwIfAborted()
    yield part
  }
}

function uriOf(value: unknown): string | undefined {
  if (typeof value === "string") return value
  if (typeof value !== "object" || value === null) return undefined
  const uri: unknown = Reflect.get(value, "uri")
  return typeof uri === "string" ? uri : undefined
}

function unknown(): EngineError {
  return new EngineError("ATTACHMENT_UNKNOWN", "no attachment goes by that")
}

function away(): EngineError {
  const message = "it is not here, and none of your devices that has it can be reached"
  return new EngineError("ATTACHMENT_AWAY", message)
}
