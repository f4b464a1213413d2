/**
 * Entries of removed devices that do not count: what is in them, and what their person does about it.
 *
 * A change of a document writes registers. Taken is what a command could do as well: a register that may
 * be set so, below which nothing else lies now.
 *
 * Source: DESIGN, "Keys" (the rest is quarantined, listed, and hers to take or drop).
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import type { JsonValue } from "@fulcrum/codec/json"
import type { AdmittedEntry } from "@fulcrum/log/admitted-entry"
import { type ChangeWrite, parseChange } from "@fulcrum/record/change-format"
import { DOCUMENT_NAMES, type Documents, documentId } from "@fulcrum/record/documents"
import { checkValue, formatPath, parsePath, type RecordPath } from "@fulcrum/record/path"
import { type RecordChange, setPath, unsetPath } from "@fulcrum/record/record"
import { RecordError } from "@fulcrum/record/record-error"
import { EngineError } from "../failures/engine-error.ts"
import { ASIDE_MAX, type ChangeItem, type RecordItem, recordItems } from "../items/record-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import type { EditResult } from "../person/person.ts"
import {
  ASIDE_ID_CHARS_MIN,
  type AsideField,
  type AsideOther,
  type AsideRow,
  type PersonAside,
} from "../person/person-aside.ts"
import type { Editing } from "./editing.ts"

export interface SetAsideOptions {
  readonly ledger: Ledger
  readonly editing: Pick<Editing, "edit">
  /** Runs what changes the record. @throws {EngineError} Where this device may not. */
  asMember<T>(work: () => Promise<T>): Promise<T>
}

/** A register that it wrote. */
interface Field {
  readonly at: RecordPath
  readonly value: JsonValue | undefined
}

/** An entry, read. */
interface Aside {
  readonly id: string
  readonly entry: AdmittedEntry
  /** That a command could set, by themselves. */
  readonly fields: readonly Field[]
  readonly others: ReadonlySet<AsideOther>
}

type Registers = Pick<Documents, "registers">

const OWN_DOCUMENTS: ReadonlySet<string> = new Set(DOCUMENT_NAMES.map(documentId))

/** What an item is to its person; absent: upkeep, which says nothing to her. */
const OTHERS: Partial<Record<RecordItem["kind"], AsideOther>> = {
  relationship: "company",
  connect: "company",
  move: "move",
  recordRelay: "relay",
  attachment: "file",
  attachmentRemoved: "file",
}

export class SetAside implements PersonAside {
  readonly #options: SetAsideOptions

  constructor(options: SetAsideOptions) {
    this.#options = options
  }

  async list(): Promise<readonly AsideRow[]> {
    const { ledger } = this.#options
    const all = await this.#undecided()
    return ledger.still(async () => {
      const rows: AsideRow[] = []
      for (const one of all) rows.push(await this.#rowOf(one))
      return rows.filter(({ fields, others }) => fields.length + others.length > 0)
    })
  }

  take(ids: readonly string[]): Promise<EditResult> {
    return this.#options.asMember(async () => {
      const chosen = chosenOf(await this.#undecided(), ids)
      const results: EditResult[] = []
      let failure: RecordError | undefined
      for (const one of chosen) {
        try {
          const result = await this.#options.editing.edit((step) => takeOne(step, one))
          results.push(result)
        } catch (error) {
          if (!(error instanceof RecordError)) throw error
          failure ??= error
        }
      }
      if (failure !== undefined) throw failure
      return {
        changed: [...new Set(results.flatMap(({ changed }) => changed))],
        reaches: results.flatMap(({ reaches }) => reaches),
      }
    })
  }

  drop(ids: readonly string[]): Promise<readonly string[]> {
    const { ledger, asMember } = this.#options
    return asMember(async () => {
      const chosen = chosenOf(await this.#undecided(), ids)
      await ledger.transact(async (step) => decide(step, chosen))
      return chosen.map(({ id }) => id)
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

  async #rowOf({ id, entry, fields, others }: Aside): Promise<AsideRow> {
    const { membership, documents } = this.#options.ledger
    const shown: AsideField[] = []
    const rest = new Set(others)
    for (const { at, value } of fields) {
      const { isFree, now } = await placeOf(documents, at)
      if (!isFree) rest.add("field")
      else if (value !== undefined || now !== undefined) {
        shown.push({ path: formatPath(at), value, now })
      }
    }
    const device = membership.deviceByWriter(entry.writer)?.name ?? "a device"
    return { id, device, fields: shown, others: [...rest] }
  }
}

/** @throws {EngineError} `ASIDE_NO_FIELDS`. */
async function takeOne(step: Step, one: Aside): Promise<readonly RecordChange[]> {
  const { documents, actor } = step
  const changes: RecordChange[] = []
  let isAny = false
  for (const { at, value } of one.fields) {
    if (!(await placeOf(documents, at)).isFree) continue
    isAny = true
    const path = formatPath(at)
    const change =
      value === undefined
        ? await unsetPath(documents, { path, actor })
        : await setPath(documents, { path, value: { json: value }, actor })
    if (change !== undefined) changes.push(change)
  }
  if (!isAny) throw new EngineError("ASIDE_NO_FIELDS", "no field would be changed by it")
  decide(step, [one])
  return changes
}

/** Whether a register stands there, or may, without anything below it; and what it holds. */
async function placeOf(
  documents: Registers,
  { document, path }: RecordPath,
): Promise<{ readonly isFree: boolean; readonly now: JsonValue | undefined }> {
  const there = (await documents.registers(document, path)).filter(
    ({ value }) => value !== undefined,
  )
  const isFree = there.every((register) => register.path.length <= path.length)
  return { isFree, now: there.find((register) => register.path.length === path.length)?.value }
}

function read(entry: AdmittedEntry): Aside {
  const items = itemsOf(entry)
  const others = new Set(items.flatMap(({ kind }) => OTHERS[kind] ?? []))
  const writes = items.flatMap((item) => (item.kind === "change" ? writesOf(item.value) : []))
  const fields = writes.flatMap((write) => write.field ?? [])
  if (fields.length < writes.length) others.add("field")
  // What refers to a file is of no use without it.
  const isFree = !others.has("file")
  return { id: bytesToHex(entry.chain), entry, others, fields: isFree ? fields : [] }
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
function writesOf({ document, change }: ChangeItem): readonly { readonly field?: Field }[] {
  if (!OWN_DOCUMENTS.has(document)) return []
  return orNothing(() => parseChange(change).writes, []).map((write) => {
    const field = orNothing<Field | undefined>(() => fieldOf(document, write), undefined)
    return field === undefined ? {} : { field }
  })
}

/** @throws {RecordError} No command could write it. */
function fieldOf(document: string, { path, cell: { value } }: ChangeWrite): Field {
  const at = parsePath(formatPath({ document: documentId(document), path }))
  if (value !== undefined) checkValue(at, value)
  return { at, value }
}

function orNothing<T>(work: () => T, nothing: T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof RecordError) return nothing
    throw error
  }
}

function chosenOf(all: readonly Aside[], ids: readonly string[]): readonly Aside[] {
  const chosen = new Set(ids.map((wanted) => oneOf(all, wanted.toLowerCase())))
  return all.filter((one) => chosen.has(one))
}

function oneOf(all: readonly Aside[], wanted: string): Aside {
  const found = all.filter(({ id }) => id.startsWith(wanted))
  const [one, another] = wanted.length < ASIDE_ID_CHARS_MIN ? [] : found
  if (one === undefined) throw new EngineError("ASIDE_UNKNOWN", "nothing goes by that id")
  if (another !== undefined) throw new EngineError("ASIDE_AMBIGUOUS", "several ids begin so")
  return one
}

/** Says, as part of a step, that they were decided about. */
function decide(step: Step, chosen: readonly Aside[]): void {
  const rows = chosen.map(({ entry: { incarnation, sequence } }) => ({ incarnation, sequence }))
  for (let i = 0; i < rows.length; i += ASIDE_MAX) {
    step.add({ kind: "asideDecided", value: { rows: rows.slice(i, i + ASIDE_MAX) } })
  }
}
