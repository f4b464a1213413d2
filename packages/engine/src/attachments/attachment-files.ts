/**
 * The files of a record's attachments on this device. Their names say which they are and what is
 * known of them, so that after a crash each is what its name says or is made so:
 *
 * | name       | holds                                                                       |
 * | ---------- | --------------------------------------------------------------------------- |
 * | `new-DRAW` | one that is being sealed: worth nothing when nobody seals it any more       |
 * | `due-ID`   | one that was sealed whole; the entry of the record that says so may be due  |
 * | `part-ID`  | what has come of one from other devices: each chunk is checked again        |
 * | `ID`       | one that is whole                                                           |
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { Random } from "@fulcrum/crypto/random"
import type { BlobFile, Blobs } from "@fulcrum/store/blobs"
import { errorCode } from "../failures/error-code.ts"

export class AttachmentFiles {
  readonly #blobs: Blobs
  readonly #random: Random

  constructor(blobs: Blobs, random: Random) {
    this.#blobs = blobs
    this.#random = random
  }

  /** What of each is here, by id in hex. */
  async held(): Promise<ReadonlyMap<string, "whole" | "part">> {
    const held = new Map<string, "whole" | "part">()
    for (const name of await this.#blobs.names()) {
      const [, part, id = ""] = /^(part-)?([0-9a-f]{64})$/.exec(name) ?? []
      if (id !== "" && (part === undefined || !held.has(id))) {
        held.set(id, part === undefined ? "whole" : "part")
      }
    }
    return held
  }

  /** One that is whole; whoever gets it closes it. */
  open(id: string): Promise<BlobFile | undefined> {
    return this.#blobs.open(id)
  }

  /** What has come of one, to be written on. */
  part(id: string): Promise<BlobFile> {
    return this.#blobs.make(`part-${id}`)
  }

  /** All of it has come. */
  complete(id: string): Promise<void> {
    return this.#blobs.rename(`part-${id}`, id)
  }

  /** It turned out not to be whole. */
  async doubt(id: string): Promise<void> {
    const whole = await this.#blobs.open(id)
    if (whole === undefined) return
    await whole.close()
    await this.#blobs.rename(id, `part-${id}`)
  }

  async remove(id: string): Promise<void> {
    for (const name of [id, `part-${id}`, `due-${id}`]) await this.#blobs.remove(name)
  }

  /**
   * Makes a file of what `seal` writes.
   *
   * @param keep - Makes it part of the record; only then it is here under its id.
   * @throws What either throws: then nothing is left. Where the disk failed nobody knows what the record
   * says: the file is kept, and the next start finds out.
   */
  async add<T extends { readonly id: Uint8Array }>(
    seal: (file: BlobFile) => Promise<T>,
    keep: (sealed: T) => Promise<void>,
  ): Promise<void> {
    let name = `new-${bytesToHex(this.#random.bytes(16))}`
    let id: string
    try {
      const sealed = await this.#sealed(name, seal)
      id = bytesToHex(sealed.id)
      await this.#blobs.rename(name, `due-${id}`)
      name = `due-${id}`
      await keep(sealed)
    } catch (error) {
      const isUnsure = name.startsWith("due-") && errorCode(error)?.startsWith("STORE_")
      if (!isUnsure) await this.#blobs.remove(name).catch(() => undefined)
      throw error
    }
    // From now on it is the only one of what the record names.
    await this.#blobs.rename(name, id)
  }

  /**
   * Makes one anew whose content is there once more.
   *
   * @param seal - Seals it under the secret that it has.
   * @returns `here`: it was whole; `wrong`: what was sealed is not what its id says.
   */
  async restore(
    id: string,
    seal: (file: BlobFile) => Promise<{ readonly id: Uint8Array }>,
  ): Promise<"here" | "restored" | "wrong"> {
    const there = await this.#blobs.open(id)
    await there?.close()
    if (there !== undefined) return "here"
    try {
      const sealed = await this.#sealed(`part-${id}`, seal)
      if (bytesToHex(sealed.id) !== id) return "wrong"
    } catch (error) {
      if (errorCode(error) === "ATTACHMENT_CHANGED") return "wrong"
      throw error
    }
    await this.complete(id)
    return "restored"
  }

  async #sealed<T>(name: string, seal: (file: BlobFile) => Promise<T>): Promise<T> {
    await using file = await this.#blobs.make(name)
    return await seal(file)
  }

  /**
   * Brings what a crash left in order, and deletes what does not belong to the record any more.
   *
   * @param options.isKnown - Whether the record has an attachment of this id.
   * @param options.isRemoved - Whether it had one that was taken away.
   * @param options.isFirst - Nobody seals any: what was begun never ends.
   */
  async tidy(options: {
    isKnown(id: string): boolean
    isRemoved(id: string): boolean
    readonly isFirst: boolean
  }): Promise<void> {
    const { isKnown, isRemoved, isFirst } = options
    for (const name of await this.#blobs.names()) {
      const [, kind = "", id = ""] = /^(new-|due-|part-|)([0-9a-f]+)$/.exec(name) ?? []
      if (kind === "new-") {
        if (isFirst) await this.#blobs.remove(name)
      } else if (isRemoved(id)) {
        await this.#blobs.remove(name)
      } else if (kind === "due-" && isFirst) {
        if (isKnown(id)) await this.#blobs.rename(name, id)
        else await this.#blobs.remove(name)
      }
    }
  }
}
