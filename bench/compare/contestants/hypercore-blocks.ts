/**
 * Edits as blocks of a Hypercore, and what a reader makes of them: of each field the newest value.
 *
 * A block is the JSON of an edit, filled up with spaces to `BLOCK_BYTES`.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import { type DocumentId, documentId } from "@fulcrum/record/documents"
import type Hypercore from "hypercore"
import { fieldsOf, text } from "../../json-fields.ts"
import type { SeededEdit } from "../../seeded-record.ts"

interface Things {
  [name: string]: string | Things
}

const BLOCK_BYTES = 200

export function blockOf({ document, path, value }: SeededEdit): Buffer {
  const json = JSON.stringify({ document, path: path.join("/"), value })
  return Buffer.from(json.padEnd(BLOCK_BYTES))
}

/** Reads the blocks in their order. */
export class BlockReader {
  readonly #core: Hypercore
  readonly #documents = new Map<DocumentId, Things>()
  readonly #listeners = new Set<(edit: SeededEdit) => void>()
  #taken = 0
  #reading = Promise.resolve()

  constructor(core: Hypercore) {
    this.#core = core
  }

  /** Reads all that the core is known to have, and from then on each block that comes. */
  follow(): Promise<void> {
    this.#core.on("append", () => {
      this.#readOn().catch((error: unknown) => {
        if (!this.#core.closing) throw error
      })
    })
    return this.#readOn()
  }

  read(id: DocumentId): JsonValue | undefined {
    return this.#documents.get(id)
  }

  /** @returns What ends it. */
  onEdit(listener: (edit: SeededEdit) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #readOn(): Promise<void> {
    this.#reading = this.#reading.then(async () => {
      const indices = Array.from(
        { length: this.#core.length - this.#taken },
        (_, at) => this.#taken + at,
      )
      const blocks = await Promise.all(indices.map((index) => this.#core.get(index)))
      this.#taken += blocks.length
      for (const block of blocks) this.#take(editOf(block))
    })
    return this.#reading
  }

  #take(edit: SeededEdit): void {
    let within = this.#documents.get(edit.document) ?? {}
    this.#documents.set(edit.document, within)
    for (const name of edit.path.slice(0, -1)) {
      const inner = within[name]
      const things = typeof inner === "object" ? inner : {}
      within[name] = things
      within = things
    }
    within[edit.path.at(-1) ?? ""] = edit.value
    for (const listener of this.#listeners) listener(edit)
  }
}

/** @throws {TypeError} */
function editOf(block: Buffer): SeededEdit {
  const edit = fieldsOf(block.toString())
  return {
    document: documentId(text(edit, "document")),
    path: text(edit, "path").split("/"),
    value: text(edit, "value"),
  }
}
