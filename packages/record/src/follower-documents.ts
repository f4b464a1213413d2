/**
 * Documents that are near and that the host has too, to save them or to tell their history. Each lags
 * behind what is near, and is brought up before it is asked.
 *
 * @module
 */
import type { DocumentId } from "./documents.ts"
import { type HostLink, isLost, unlessLost } from "./host-link.ts"
import { bytesOf } from "./loaded-documents.ts"
import { RecordError } from "./record-error.ts"

/** Changes that one may lack: then it is given up. */
export const FOLLOWED_MAX = 1024

interface Follower {
  /** Of the host that has it. */
  readonly generation: number
  /** What it was made of. */
  readonly bytes: number
  /** What it lacks; `unknown`: it cannot be brought up, only made anew. */
  readonly left: readonly Uint8Array[] | "unknown"
}

export class Followers {
  readonly #link: HostLink
  /** All that is kept of a document. */
  readonly #pieces: (document: DocumentId) => Promise<readonly Uint8Array[]>
  readonly #followers = new Map<DocumentId, Follower>()

  constructor(link: HostLink, pieces: (document: DocumentId) => Promise<readonly Uint8Array[]>) {
    this.#link = link
    this.#pieces = pieces
  }

  get any(): boolean {
    return this.#followers.size > 0
  }

  /** What the host has of a document was made of so many bytes. */
  bytes(document: DocumentId): number {
    return this.#followers.get(document)?.bytes ?? 0
  }

  /** Has all of it in the host. @returns The bytes of what it was made of. @throws {RecordError} */
  async follow(document: DocumentId): Promise<number> {
    const { generation } = this.#link
    const known = this.#followers.get(document)
    // Whatever becomes of it, the host may have something of it from now on.
    this.#followers.set(document, { generation, bytes: known?.bytes ?? 0, left: "unknown" })
    const isTold = known?.generation === generation && (await this.#tell(document, known.left))
    const bytes = isTold ? known.bytes : await this.restore(document)
    this.#followers.set(document, { generation, bytes, left: [] })
    return bytes
  }

  /** Makes it in the host anew, of what is kept. @returns The bytes of that. @throws {RecordError} */
  async restore(document: DocumentId): Promise<number> {
    const pieces = await this.#pieces(document)
    if (pieces.length > 0) await this.#link.call("restore", { document, pieces })
    else await this.forget(document)
    return bytesOf(pieces)
  }

  /** What is near took these. */
  async outgrown(document: DocumentId, changes: readonly Uint8Array[]): Promise<void> {
    const follower = this.#followers.get(document)
    if (follower === undefined || follower.left === "unknown") return
    const left = [...follower.left, ...changes]
    const bytes = follower.bytes + bytesOf(changes)
    this.#followers.set(document, { ...follower, bytes, left })
    if (left.length > FOLLOWED_MAX) await this.forget(document)
  }

  /** From now on the host's is the document itself. */
  release(document: DocumentId): void {
    this.#followers.delete(document)
  }

  /** The host forgets it. */
  async forget(document: DocumentId): Promise<void> {
    const follower = this.#followers.get(document)
    this.#followers.delete(document)
    if (follower?.generation !== this.#link.generation) return
    await unlessLost(this.#link.call("forget", document))
  }

  /** The host has forgotten all. */
  clear(): void {
    this.#followers.clear()
  }

  /** @returns Whether the host could take them. */
  async #tell(document: DocumentId, changes: Follower["left"]): Promise<boolean> {
    if (changes === "unknown") return false
    if (changes.length === 0) return true
    try {
      await this.#link.call("follow", { document, changes })
      return true
    } catch (error) {
      if (isLost(error) || !(error instanceof RecordError)) throw error
      return false
    }
  }
}
