/**
 * Blobs in memory, on a disk that can lose what was not flushed: for tests, and for a browser's tab
 * that keeps none.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { type BlobFile, type Blobs, checkBlobName } from "./blobs.ts"
import { StoreError } from "./contract.ts"

interface Content {
  bytes: Uint8Array
  flushed: Uint8Array
}

export class MemoryBlobs implements Blobs {
  readonly #contents = new Map<string, Content>()
  /** Room for all of them together. */
  capacityBytes: number

  constructor({ capacityBytes = Number.POSITIVE_INFINITY }: { capacityBytes?: number } = {}) {
    this.capacityBytes = capacityBytes
  }

  /** Loses what was not flushed. */
  crash(): void {
    for (const content of this.#contents.values()) content.bytes = content.flushed.slice()
  }

  async names(): Promise<readonly string[]> {
    return [...this.#contents.keys()]
  }

  async open(name: string): Promise<BlobFile | undefined> {
    checkBlobName(name)
    const content = this.#contents.get(name)
    return content && this.#fileOf(content)
  }

  async make(name: string): Promise<BlobFile> {
    checkBlobName(name)
    const content = this.#contents.get(name) ?? { bytes: NOTHING, flushed: NOTHING }
    this.#contents.set(name, content)
    return this.#fileOf(content)
  }

  async rename(from: string, to: string): Promise<void> {
    checkBlobName(from)
    checkBlobName(to)
    const content = this.#contents.get(from)
    if (content === undefined) throw new StoreError("STORE_IO", "there is no such file")
    this.#contents.delete(from)
    this.#contents.set(to, content)
  }

  async remove(name: string): Promise<void> {
    checkBlobName(name)
    this.#contents.delete(name)
  }

  get #usedBytes(): number {
    let sum = 0
    for (const { bytes } of this.#contents.values()) sum += bytes.length
    return sum
  }

  #fileOf(content: Content): BlobFile {
    return {
      size: async () => content.bytes.length,
      read: async (offset, length) => content.bytes.slice(offset, offset + length),
      readInto: async (offset, into) => {
        const bytes = content.bytes.subarray(offset, offset + into.length)
        into.set(bytes)
        return bytes.length
      },
      write: async (offset, ...parts) => {
        const bytes = concatBytes(parts)
        const grown = offset + bytes.length - content.bytes.length
        if (grown > 0 && this.#usedBytes + grown > this.capacityBytes) {
          throw new StoreError("STORE_FULL", "there is no room")
        }
        const next = grown > 0 ? new Uint8Array(offset + bytes.length) : content.bytes.slice()
        if (grown > 0) next.set(content.bytes)
        next.set(bytes, offset)
        content.bytes = next
      },
      flush: async () => {
        content.flushed = content.bytes
      },
      close: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }
  }
}

const NOTHING: Uint8Array = new Uint8Array(0)
