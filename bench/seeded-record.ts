/**
 * The record that a bench works on: many small edits, decided by its shape alone, so that every
 * process, run and machine has the same one, byte for byte.
 *
 * One document is twenty things of ten fields each; many documents are relationships of ten fields
 * each. An edit sets one field to a short text, which it did not hold before.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import { randomBelow, type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import {
  type ChainKey,
  chainKeySchema,
  type EpochId,
  type EpochKey,
  epochIdSchema,
  epochKeySchema,
  type SpaceTag,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import { type DocumentId, type Documents, documentId } from "@fulcrum/record/documents"
import { editDocument } from "@fulcrum/record/record"
import { recordItems } from "../packages/engine/src/items/record-items.ts"
import type { BenchDevice } from "./bench-device.ts"

export interface RecordShape {
  /** How many edits it was written in: one entry, and one span, each. */
  readonly edits: number
  readonly documents: number
}

export interface SpaceKeys {
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  readonly epoch: { readonly id: EpochId; readonly key: EpochKey }
}

/** One field, and what it is set to. */
export interface SeededEdit {
  readonly document: DocumentId
  readonly path: readonly string[]
  readonly value: string
}

/** Every document as it reads in the end. */
export type SeededValues = ReadonlyMap<DocumentId, JsonValue>

const THINGS = 20
/** Texts of a thing, as `known-paths.ts` of the record has them. */
const FIELDS = [
  "name",
  "maker",
  "model",
  "serialNumber",
  "relationship",
  "price",
  "currency",
  "warranty",
  "note",
] as const
const WORDS = [
  "amber",
  "basin",
  "cedar",
  "delta",
  "ember",
  "fjord",
  "grove",
  "heron",
  "inlet",
  "jetty",
  "kiosk",
  "ledge",
  "maple",
  "north",
  "orbit",
  "plume",
] as const
/** Appends made durable together while the record is set up. */
const SETUP_BATCH = 200

export function shapeName({ edits, documents }: RecordShape): string {
  const noun = documents === 1 ? "document" : "documents"
  return `${edits.toLocaleString("en")} edits in ${documents} ${noun}`
}

export function shapeSeed({ edits, documents }: RecordShape): SeededRandom {
  return seededRandom(`first sync ${edits} ${documents}`)
}

export function spaceKeysOf(shape: RecordShape): SpaceKeys {
  return spaceKeysFrom(shapeSeed(shape).fork("keys"))
}

export function spaceKeysFrom(random: SeededRandom): SpaceKeys {
  return {
    tag: spaceTagSchema.decode(random.bytes(32)),
    chainKey: chainKeySchema.decode(random.bytes(32)),
    epoch: {
      id: epochIdSchema.decode(random.bytes(32)),
      key: epochKeySchema.decode(random.bytes(32)),
    },
  }
}

/** The edits, in the order in which they are made. */
export function* seededEdits(shape: RecordShape): Generator<SeededEdit> {
  const random = shapeSeed(shape).fork("edits")
  const fieldOf = () => FIELDS[randomBelow(random, FIELDS.length)] ?? FIELDS[0]
  const word = () => WORDS[randomBelow(random, WORDS.length)] ?? WORDS[0]
  for (let at = 0; at < shape.edits; at++) {
    const field = fieldOf()
    const value = `${word()} ${word()} ${word()} ${at}`
    if (shape.documents === 1) {
      const thing = `thing-${randomBelow(random, THINGS)}`
      yield { document: documentId("things"), path: [thing, field], value }
    } else {
      const document = documentId(`relationships/${at % shape.documents}`)
      yield { document, path: [field], value }
    }
  }
}

export function seededValues(shape: RecordShape): SeededValues {
  return valuesAfter(seededEdits(shape))
}

/** Every document as it reads after these edits of an empty record. */
export function valuesAfter(edits: Iterable<SeededEdit>): SeededValues {
  const values = new Map<DocumentId, { [key: string]: JsonValue }>()
  for (const { document, path, value } of edits) {
    const whole = values.get(document) ?? {}
    values.set(document, whole)
    const [first = "", second] = path
    if (second === undefined) whole[first] = value
    else whole[first] = { ...fieldsOf(whole[first]), [second]: value }
  }
  return values
}

/**
 * Writes the record to a device: each edit a change of its document, an entry and a span, as one
 * made by hand with time to spare.
 *
 * @param written - After each edit, which is durable then; absent: many are made durable together.
 */
export async function writeSeededRecord(
  shape: RecordShape,
  { replica, vault }: BenchDevice,
  documents: Documents,
  written?: () => Promise<void>,
): Promise<void> {
  let ops: Parameters<typeof vault.write>[0][number][] = []
  let made = 0
  for (const { document, path, value } of seededEdits(shape)) {
    const { actor } = replica.nextWriter()
    const edits = [{ op: "set", path, value }] as const
    const change = await editDocument(documents, { document, edits, actor })
    if (change === undefined) throw new Error("an edit changed nothing")
    const body = recordItems.encode([
      { kind: "change", value: { document, change: change.change } },
    ])
    const staged = replica.stage([{ kind: "payload", body }])
    ops.push(...staged.ops)
    staged.commit()
    made++
    if (written !== undefined || made % SETUP_BATCH === 0 || made === shape.edits) {
      await vault.write(ops)
      ops = []
    }
    await written?.()
  }
}

function fieldsOf(value: JsonValue | undefined): { readonly [key: string]: JsonValue } {
  return isFields(value) ? value : {}
}

function isFields(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
