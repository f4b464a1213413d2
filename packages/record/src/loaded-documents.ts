/**
 * Which documents are in memory, where, and how much they were loaded from: the longest unused first.
 *
 * @module
 */
import type { DocumentId } from "./documents.ts"

/** What may be loaded at a time. */
export interface LoadedMax {
  readonly documents: number
  /** Of what they were loaded from. In memory it takes up to some twenty times as much. */
  readonly bytes: number
}

/** One document in memory. */
export interface Loaded {
  /** In its owner's thread; else in the host of this generation. */
  readonly place: "near" | number
  readonly bytes: number
  /** It was tried to have it near, in vain. */
  readonly isFar?: boolean
}

export class LoadedDocuments {
  readonly #loaded = new Map<DocumentId, Loaded>()
  #bytes = 0

  get(document: DocumentId): Loaded | undefined {
    return this.#loaded.get(document)
  }

  /** The longest unused first. */
  documents(): Iterable<DocumentId> {
    return this.#loaded.keys()
  }

  /** Whether there is a document in a host of this generation. */
  hasFar(generation: number): boolean {
    return [...this.#loaded.values()].some(({ place }) => place === generation)
  }

  isWithin({ documents, bytes }: LoadedMax): boolean {
    return this.#loaded.size <= documents && this.#bytes <= bytes
  }

  use(document: DocumentId, loaded: Loaded): void {
    this.delete(document)
    this.#bytes += loaded.bytes
    this.#loaded.set(document, loaded)
  }

  /** It takes so many bytes from now on. */
  size(document: DocumentId, bytes: number): void {
    const loaded = this.#loaded.get(document)
    if (loaded !== undefined) this.use(document, { ...loaded, bytes })
  }

  delete(document: DocumentId): void {
    this.#bytes -= this.#loaded.get(document)?.bytes ?? 0
    this.#loaded.delete(document)
  }

  clear(): void {
    this.#loaded.clear()
    this.#bytes = 0
  }
}

export function bytesOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}
