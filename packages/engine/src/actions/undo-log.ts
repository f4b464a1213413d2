/**
 * What this device's newest edits overwrote, so that `undo` works after a restart.
 *
 * Table `engine.undo`, group empty, order rising; value: canonical CBOR of {@link UndoRecord}. Only
 * this device's own edits are here, and at most {@link UNDO_MAX} of them.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import {
  array,
  decodeAs,
  encodeAs,
  json,
  oneOf,
  optional,
  type Schema,
  struct,
  text,
} from "@fulcrum/codec/schema"
import { documentId } from "@fulcrum/record/documents"
import type { RecordChange } from "@fulcrum/record/record"
import { REGISTER_LIMITS } from "@fulcrum/record/registers"
import type { Undoable } from "@fulcrum/record/undo"
import type { Table, Vault } from "@fulcrum/store/vault"
import type { Step } from "../ledger/ledger-step.ts"

/** Edits that can be undone, one after another. */
export const UNDO_MAX = 200

interface StoredRegister {
  readonly path: readonly string[]
  /** In an object of its own, since the value may be null. */
  readonly value?: { readonly json: JsonValue } | undefined
}

interface StoredPart {
  readonly document: string
  readonly wrote: readonly StoredRegister[]
  readonly overwrote: readonly StoredRegister[]
}

/** One edit; a move is there to say that it cannot be undone. */
export interface UndoRecord {
  readonly kind: "edit" | "move"
  readonly parts: readonly StoredPart[]
}

const registers: Schema<readonly StoredRegister[]> = array(
  struct({
    path: array(text(1024), 16),
    value: optional(struct({ json: json(REGISTER_LIMITS) })),
  }),
  20_000,
)

const schema: Schema<UndoRecord> = struct({
  kind: oneOf(["edit", "move"]),
  parts: array(struct({ document: text(200), wrote: registers, overwrote: registers }), 64),
})

const NOTHING = new Uint8Array(0)
const RECORD_BYTES_MAX: number = 8 * 1024 * 1024

export class UndoLog {
  readonly #table: Table
  /** The highest place that was given to an edit, durable or not: none is given twice. */
  #last: number | undefined
  /** No edit stands before it. */
  #oldest: number | undefined

  constructor(vault: Vault) {
    this.#table = vault.table("engine.undo")
  }

  /** The newest edit, and where it stands; `undefined` if there is none. */
  async newest(): Promise<{ readonly order: number; readonly record: UndoRecord } | undefined> {
    for await (const { order, value } of this.#table.list(NOTHING, { reverse: true, limit: 1 })) {
      return { order, record: decodeAs(schema, value, { bytesMax: RECORD_BYTES_MAX }) }
    }
    return undefined
  }

  /** Notes an edit as part of a step, and forgets the oldest. */
  async push(
    step: Pick<Step, "write" | "after">,
    kind: UndoRecord["kind"],
    changes: readonly RecordChange[],
  ): Promise<void> {
    const order = 1 + (this.#last ?? (await this.newest())?.order ?? 0)
    this.#last = order
    this.#oldest ??= (await this.#first()) ?? order
    const parts = changes.map(({ document, wrote, overwrote }) => ({
      document,
      wrote: wrote.map(storedOf),
      overwrote: overwrote.map(storedOf),
    }))
    step.write(this.#table.put(NOTHING, order, encodeAs(schema, { kind, parts })))
    const left = order - UNDO_MAX + 1
    for (let old = this.#oldest; old < left; old++) step.write(this.#table.del(NOTHING, old))
    // Not before that is durable: what a write that failed should have forgotten is still there.
    step.after(() => {
      this.#oldest = Math.max(this.#oldest ?? 0, left)
    })
  }

  async #first(): Promise<number | undefined> {
    for await (const { order } of this.#table.list(NOTHING, { limit: 1 })) return order
    return undefined
  }

  /** Replaces an edit by the one that undid it. */
  async replace(step: Step, order: number, changes: readonly RecordChange[]): Promise<void> {
    step.write(this.#table.del(NOTHING, order))
    await this.push(step, "edit", changes)
  }
}

export function undoableParts(record: UndoRecord): readonly Undoable[] {
  const open = ({ path, value }: StoredRegister) => ({ path, value: value?.json })
  return record.parts.map(({ document, wrote, overwrote }) => ({
    document: documentId(document),
    wrote: wrote.map(open),
    overwrote: overwrote.map(open),
  }))
}

function storedOf(register: {
  readonly path: readonly string[]
  readonly value: JsonValue | undefined
}): StoredRegister {
  const { path, value } = register
  return value === undefined ? { path } : { path, value: { json: value } }
}
