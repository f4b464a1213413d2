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
import { holdingOf } from "@fulcrum/attachments/holding"
import { readAttachment } from "@fulcrum/attachments/reading"
import { sealAttachment } from "@fulcrum/attachments/sealing"
import { bytesToHex, equalBytes, utf8Length } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import type { Channel } from "@fulcrum/net/contract"
import { valueAt } from "@fulcrum/record/registers"
import type { Blobs } from "@fulcrum/store/blobs"
import { EngineError } from "../failures/engine-error.ts"
import { errorCode } from "../failures/error-code.ts"
import { ATTACHMENT_NAME_BYTES_MAX, type AttachmentItem } from "../items/record-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type {
  AttachmentRow,
  FetchOptions,
  NewAttachment,
  PersonAttachments,
} from "../person/person.ts"
import type { SingleCopies } from "../person/person-devices.ts"
import { Mutex } from "../waiting/mutex.ts"
import type { Underway } from "../waiting/underway.ts"
import {
  AttachmentFetching,
  type AttachmentPeers,
  attachmentAway,
  unknownAttachment,
} from "./attachment-fetching.ts"
import { AttachmentFiles } from "./attachment-files.ts"
import { holdersOf, type OwnFiles, singleCopies } from "./attachment-holders.ts"
import { ATTACHMENT_URI, attachmentPlace } from "./attachment-place.ts"
import { serveAttachments } from "./attachment-transfer.ts"

/** Shorter beginnings of an id are taken for names. */
const ID_CHARS_MIN = 4
const ID_CHARS_SHOWN = 12

/** What the record says of attachments, each in one step. */
export interface AttachmentRecord {
  /** Makes it part of the record, and what is at `path` refer to it. */
  attach(item: AttachmentItem, path: string | undefined): Promise<void>
  /** Takes it away from the record, with all that refers to it. */
  detach(id: Uint8Array): Promise<void>
  /** A device has fetched all of it. */
  tellHeld(id: Uint8Array, device: Uint8Array): Promise<void>
  /** Paths that refer to attachments, by their ids in hex. */
  attachmentPaths(): Promise<ReadonlyMap<string, readonly string[]>>
  /** What the record has at a path. */
  get(path: string): Promise<JsonValue | undefined>
}

export interface WholeAttachment {
  readonly id: string
  readonly item: AttachmentItem
  readonly content: AsyncIterable<Uint8Array>
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
  readonly record: AttachmentRecord
  /** @throws {EngineError} This device may write nothing. */
  asMember<T>(work: () => Promise<T>): Promise<T>
}

export class Attachments implements PersonAttachments {
  readonly #options: AttachmentsOptions
  readonly #files: AttachmentFiles | undefined
  readonly #from: AttachmentFetching
  /** Fetching one after another, by id. */
  readonly #fetching = new Map<string, Mutex>()
  readonly #tidying = new Mutex()

  constructor(options: AttachmentsOptions) {
    this.#options = options
    const { blobs, clock, random, ledger } = options
    this.#files = blobs && new AttachmentFiles(blobs, random)
    this.#from = new AttachmentFetching({
      clock,
      peers: () => options.peers(),
      isRemoved: (id) => ledger.state.attachmentsRemoved.has(id),
    })
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
    const { mediaType, bytes, path, progress } = added
    const name = shortened(added.name)
    const { ledger, device, clock, random, record, asMember } = this.#options
    // Before anything is sealed.
    if (path !== undefined) attachmentPlace(path, mediaType)
    const content = whileWanted(added.content, AbortSignal.any([added.signal, closing]))
    let kept = ""
    await this.#requireFiles().add(
      (file) => sealAttachment({ file, content, bytes, random, ...(progress && { progress }) }),
      async (ref) => {
        const addedMs = Math.max(0, Math.floor(clock.now()))
        const item = { ...ref, name, mediaType, addedMs, device }
        await asMember(() => record.attach(item, path))
        kept = bytesToHex(ref.id)
      },
    )
    const item = ledger.state.attachments.get(kept)
    if (item === undefined) throw new TypeError("an attachment that was kept is not there")
    return this.#rowOf(item)
  }

  async list(): Promise<readonly AttachmentRow[]> {
    const held = (await this.#files?.held()) ?? new Map<string, "whole" | "part">()
    const paths = await this.#options.record.attachmentPaths()
    const items = [...this.#options.ledger.state.attachments.values()]
    return items
      .toSorted((a, b) => a.addedMs - b.addedMs)
      .map((item) => {
        const id = bytesToHex(item.id)
        return this.#row(item, { here: held.get(id) ?? "none", paths: paths.get(id) ?? [] })
      })
  }

  async find(wanted: string): Promise<AttachmentRow> {
    return this.#rowOf(await this.#find(wanted))
  }

  async #rowOf(item: AttachmentItem): Promise<AttachmentRow> {
    const id = bytesToHex(item.id)
    const row = (await this.list()).find((one) => one.id === id)
    if (row === undefined) throw unknownAttachment()
    return row
  }

  /** Those of which no more than one device is known to have all. */
  async single(): Promise<readonly SingleCopies[]> {
    return singleCopies(this.#options.ledger, await this.#own())
  }

  /** How many a device is known to have all of. */
  async countOn(device: Uint8Array): Promise<number> {
    const { ledger } = this.#options
    const own = await this.#own()
    const isOn = (item: AttachmentItem) =>
      holdersOf(ledger, item, own).some(({ id }) => equalBytes(id, device))
    return [...ledger.state.attachments.values()].filter(isOn).length
  }

  async #own(): Promise<OwnFiles> {
    const { device, ledger } = this.#options
    const held = ledger.state.attachments.size > 0 ? await this.#files?.held() : undefined
    return { device, isWhole: (id) => held?.get(id) === "whole" }
  }

  /** Reads all of those that are here. @returns Names of those that are damaged. */
  async damaged(): Promise<{ readonly whole: number; readonly damaged: readonly string[] }> {
    const damaged: string[] = []
    let whole = 0
    for (const [id, item] of this.#options.ledger.state.attachments) {
      await using file = await this.#files?.open(id)
      if (file === undefined) continue
      const { missing } = await holdingOf(file, item)
      if (missing.length === 0) whole++
      else damaged.push(item.name)
    }
    return { whole, damaged }
  }

  async *read(wanted: string): AsyncGenerator<Uint8Array, void, undefined> {
    const item = await this.#find(wanted)
    await using file = await this.#requireFiles().open(bytesToHex(item.id))
    if (file === undefined) throw attachmentAway()
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
      if (whole === undefined) {
        await this.#from.fetch(files, item, options)
        await this.#tellHeld(item.id)
      } else await whole.close()
      return await this.#rowOf(item)
    })
  }

  async remove(wanted: string): Promise<void> {
    const { id } = await this.#find(wanted)
    const { record, asMember } = this.#options
    await asMember(() => record.detach(id))
    await this.tidy({ isFirst: false })
  }

  /** Those that are whole here, with what is in them. */
  async *whole(): AsyncGenerator<WholeAttachment> {
    const held = (await this.#files?.held()) ?? new Map<string, "whole" | "part">()
    for (const [id, item] of this.#options.ledger.state.attachments) {
      if (held.get(id) === "whole") yield { id, item, content: this.read(id) }
    }
  }

  async putBack(
    id: string,
    content: AsyncIterable<Uint8Array>,
  ): Promise<"here" | "restored" | "wrong"> {
    const item = this.#options.ledger.state.attachments.get(id)
    if (item === undefined) return "wrong"
    const shape = { bytes: item.bytes, secret: item.secret, random: this.#options.random }
    // The same secret and content make the same file, and so the same id.
    const came = await this.#requireFiles().restore(id, (file) =>
      sealAttachment({ file, content, ...shape }),
    )
    if (came === "restored") await this.#tellHeld(item.id)
    return came
  }

  /** It is here, whether or not the record can say so now. */
  async #tellHeld(id: Uint8Array): Promise<void> {
    const { record, asMember, device } = this.#options
    try {
      await asMember(() => record.tellHeld(id, device))
    } catch (error) {
      if (errorCode(error) === undefined) throw error
    }
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

  /** @param wanted - An id or its beginning, a name, or a path whose `uri` names one. */
  async #find(wanted: string): Promise<AttachmentItem> {
    const { attachments } = this.#options.ledger.state
    const uri = wanted.includes("/") ? uriOf(await this.#options.record.get(wanted)) : wanted
    const name = uri?.replace(ATTACHMENT_URI, "") ?? ""
    const exact = attachments.get(name)
    if (exact !== undefined) return exact
    const found = [...attachments].flatMap(([id, item]) =>
      item.name === name || (name.length >= ID_CHARS_MIN && id.startsWith(name)) ? [item] : [],
    )
    if (found.length > 1) {
      const ids = found.map(({ id }) => bytesToHex(id).slice(0, ID_CHARS_SHOWN))
      const message = `${found.length} attachments go by that: ${ids.join(", ")}`
      throw new EngineError("ATTACHMENT_AMBIGUOUS", message)
    }
    const [only] = found
    if (only === undefined) throw unknownAttachment()
    return only
  }

  #requireFiles(): AttachmentFiles {
    if (this.#files !== undefined) return this.#files
    throw new EngineError("ATTACHMENT_NOWHERE", "this program keeps no attachments")
  }

  #row(item: AttachmentItem, more: Pick<AttachmentRow, "here" | "paths">): AttachmentRow {
    const { ledger, device: self } = this.#options
    const { devices, removed } = ledger.membership.view
    const { name, mediaType, bytes, addedMs } = item
    const id = bytesToHex(item.id)
    const device = [...devices, ...removed].find((one) => equalBytes(one.id, item.device))?.name
    const own = { device: self, isWhole: () => more.here === "whole" }
    const on = holdersOf(ledger, item, own).map((one) => one.name)
    return { id, name, mediaType, bytes, addedMs, device, on, ...more }
  }
}

/** As a record can keep it: some systems allow longer names, and names that are no text. */
function shortened(name: string): string {
  let short = name.toWellFormed()
  while (utf8Length(short) > ATTACHMENT_NAME_BYTES_MAX) short = [...short].slice(1).join("")
  return short
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

function uriOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === "string") return value
  const uri = valueAt(value, ["uri"])
  return typeof uri === "string" ? uri : undefined
}
