/**
 * Entries of removed devices that do not count: what is in them, and what their person does about it.
 *
 * Source: DESIGN, "Keys" (the rest is quarantined, listed, and hers to take or drop).
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import type { AdmittedEntry } from "@fulcrum/log/admitted-entry"
import { parseChange } from "@fulcrum/record/change-format"
import { DOCUMENT_NAMES, type DocumentId, documentId, type Edit } from "@fulcrum/record/documents"
import { formatPath } from "@fulcrum/record/path"
import { RecordError } from "@fulcrum/record/record-error"
import type { Editing } from "./editing.ts"
import { EngineError } from "./engine-error.ts"
import type { Ledger } from "./ledger.ts"
import type { EditResult } from "./person.ts"
import type { AsideField, AsideRow, PersonAside } from "./person-aside.ts"
import { ASIDE_MAX, type RecordItem, recordItems } from "./record-items.ts"

export interface SetAsideOptions {
  readonly ledger: Ledger
  readonly editing: Pick<Editing, "get" | "write">
  /** Runs what changes the record. @throws {EngineError} Where this device may not. */
  asMember<T>(work: () => Promise<T>): Promise<T>
}

interface Field {
  readonly document: DocumentId
  readonly edit: Edit
}

/** An entry, read. */
interface Aside {
  readonly id: string
  readonly entry: AdmittedEntry
  readonly fields: readonly Field[]
  readonly others: number
}

const OWN_DOCUMENTS: ReadonlySet<string> = new Set(DOCUMENT_NAMES.map(documentId))

export class SetAside implements PersonAside {
  readonly #options: SetAsideOptions

  constructor(options: SetAsideOptions) {
    this.#options = options
  }

  async list(): Promise<readonly AsideRow[]> {
    const { membership } = this.#options.ledger
    const rows: AsideRow[] = []
    for (const { id, entry, fields, others } of await this.#undecided()) {
      const device = membership.deviceByWriter(entry.writer)?.name ?? "a device"
      rows.push({ id, device, others, fields: await this.#shown(fields) })
    }
    return rows
  }

  take(ids: readonly string[]): Promise<EditResult> {
    return this.#options.asMember(async () => {
      const chosen = chosenOf(await this.#undecided(), ids)
      const fields = chosen.flatMap((one) => one.fields)
      if (fields.length === 0) {
        throw new EngineError("ASIDE_NO_FIELDS", "no field would be changed by it")
      }
      const edits = Map.groupBy(fields, ({ document }) => document)
      return this.#options.editing.write(
        [...edits].map(([document, of]) => ({ document, edits: of.map(({ edit }) => edit) })),
        decided(chosen),
      )
    })
  }

  async drop(ids: readonly string[]): Promise<void> {
    const { ledger, asMember } = this.#options
    await asMember(async () => {
      const items = decided(chosenOf(await this.#undecided(), ids))
      await ledger.transact(async (step) => {
        for (const item of items) step.add(item)
      })
    })
  }

  async #undecided(): Promise<readonly Aside[]> {
    const { ledger } = this.#options
    const all: Aside[] = []
    for (const arrival of ledger.quarantine.strandedAt) {
      for await (const entry of ledger.record.entriesAfter(arrival - 1)) {
        if (entry.arrival === arrival && entry.kind === "payload") all.push(read(entry))
        break
      }
    }
    return all.filter(({ entry }) => !ledger.state.isAsideDecided(entry))
  }

  async #shown(fields: readonly Field[]): Promise<readonly AsideField[]> {
    const shown: AsideField[] = []
    for (const { document, edit } of fields) {
      const path = formatPath({ document, path: edit.path })
      const value = edit.op === "set" ? edit.value : undefined
      shown.push({ path, value, now: await this.#now(path) })
    }
    return shown
  }

  async #now(path: string): Promise<AsideField["now"]> {
    try {
      return await this.#options.editing.get(path)
    } catch (error) {
      // A place that no command names.
      if (error instanceof RecordError) return undefined
      throw error
    }
  }
}

function read(entry: AdmittedEntry): Aside {
  const items = itemsOf(entry)
  const fields = items.flatMap(fieldsOf)
  const others = items.filter((item) => fieldsOf(item).length === 0).length
  return { id: bytesToHex(entry.chain), entry, fields, others }
}

/** What cannot be read holds nothing that could be taken. */
function itemsOf({ body }: AdmittedEntry): readonly RecordItem[] {
  try {
    return recordItems.decode(body)
  } catch (error) {
    if (error instanceof CodecError) return []
    throw error
  }
}

/** Of her own documents alone: what a relationship's holds is the engine's. */
function fieldsOf(item: RecordItem): readonly Field[] {
  if (item.kind !== "change" || !OWN_DOCUMENTS.has(item.value.document)) return []
  const document = documentId(item.value.document)
  try {
    return parseChange(item.value.change).writes.map(({ path, cell: { value } }) => ({
      document,
      edit: value === undefined ? { op: "unset", path } : { op: "set", path, value },
    }))
  } catch (error) {
    if (error instanceof RecordError) return []
    throw error
  }
}

function chosenOf(all: readonly Aside[], ids: readonly string[]): readonly Aside[] {
  const chosen = new Set(ids.map((wanted) => oneOf(all, wanted.toLowerCase())))
  return all.filter((one) => chosen.has(one))
}

function oneOf(all: readonly Aside[], wanted: string): Aside {
  const found = wanted === "" ? [] : all.filter(({ id }) => id.startsWith(wanted))
  const [one, another] = found
  if (one === undefined) throw new EngineError("ASIDE_UNKNOWN", "nothing goes by that id")
  if (another !== undefined) {
    throw new EngineError("ASIDE_AMBIGUOUS", "several ids begin so")
  }
  return one
}

function decided(chosen: readonly Aside[]): readonly RecordItem[] {
  const rows = chosen.map(({ entry: { incarnation, sequence } }) => ({ incarnation, sequence }))
  const items: RecordItem[] = []
  for (let i = 0; i < rows.length; i += ASIDE_MAX) {
    items.push({ kind: "asideDecided", value: { rows: rows.slice(i, i + ASIDE_MAX) } })
  }
  return items
}
