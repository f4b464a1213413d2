/**
 * Automerge Repo's own storage in files, which can also be closed: Automerge Repo saves by timers,
 * which may come when its folder is gone.
 *
 * @module
 */
import type { StorageKey } from "@automerge/automerge-repo"
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs"

export class FileStorage extends NodeFSStorageAdapter {
  readonly #saving = new Set<Promise<void>>()
  #closed = false

  override async save(key: StorageKey, bytes: Uint8Array): Promise<void> {
    if (this.#closed) return
    const saved = super.save(key, bytes)
    this.#saving.add(saved)
    await saved.finally(() => this.#saving.delete(saved))
  }

  /** Resolves once nothing more will be written. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#saving)
  }
}
