/**
 * The relationship's document in the record, `relationships/<id>`: what a person may look at, and
 * what projection needs. Every device of hers reads and edits it like any other document.
 *
 * | path                            | value                                                |
 * | ------------------------------- | ---------------------------------------------------- |
 * | `name`, `domain`                | as the request says                                  |
 * | `state`                         | `proffered`, `agreed`, `refused`, `left`             |
 * | `terms`                         | IRI of the agreement                                 |
 * | `disclosures/<path>/purpose`    | and `retention`, `until` (day), `follows` (boolean)  |
 * | `disclosures/<path>/counter`    | last projected                                       |
 * | `disclosures/<path>/marks/<m>`  | its counter; see `projection.ts`                     |
 *
 * `<path>` is one segment: the field's path, escaped.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { Edit } from "@fulcrum/record/documents"
import type { Agreement } from "./agreement.ts"
import { isFieldPath } from "./field-path.ts"
import type { CounterUpdate, ProjectedDisclosure } from "./projection.ts"

export type RelationshipState = "proffered" | "agreed" | "refused" | "left"

export interface RecordedDisclosure extends ProjectedDisclosure {
  readonly purpose: string
  readonly retention: string
  readonly until: string
}

export interface RelationshipDocument {
  readonly name: string
  readonly domain: string | undefined
  readonly state: RelationshipState
  readonly terms: string
  /** In order of path. */
  readonly disclosures: readonly RecordedDisclosure[]
}

/** Reads the document's JSON. What is not of its form is left out, so it never throws. */
export function readRelationshipDocument(json: JsonValue | undefined): RelationshipDocument {
  const top = objectIn(json)
  return {
    name: textIn(top.name),
    domain: typeof top.domain === "string" ? top.domain : undefined,
    state: stateIn(top.state),
    terms: textIn(top.terms),
    disclosures: Object.entries(objectIn(top.disclosures))
      .filter(([path]) => isFieldPath(path))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, one]) => readDisclosure(path, objectIn(one))),
  }
}

/** The document's first edits, when a relationship begins. */
export function relationshipEdits(input: {
  readonly name: string
  readonly domain?: string | undefined
  readonly agreement: Agreement
}): readonly Edit[] {
  const { name, domain, agreement } = input
  return [
    set(["name"], name),
    ...(domain === undefined ? [] : [set(["domain"], domain)]),
    set(["state"], "proffered"),
    set(["terms"], agreement.agreement),
    ...agreement.fields.flatMap(({ path, purpose, retention, until, follow }) => [
      set(["disclosures", path, "purpose"], purpose),
      set(["disclosures", path, "retention"], retention),
      set(["disclosures", path, "until"], until),
      set(["disclosures", path, "follows"], follow),
    ]),
  ]
}

export function stateEdits(state: RelationshipState): readonly Edit[] {
  return [set(["state"], state)]
}

/** What a projection writes into the document, in the same atomic batch as its puts. */
export function projectionEdits(updates: readonly CounterUpdate[]): readonly Edit[] {
  return updates.flatMap(({ path, counter, mark, drop }) => [
    set(["disclosures", path, "counter"], counter),
    ...drop.map((old): Edit => ({ op: "unset", path: ["disclosures", path, "marks", old] })),
    set(["disclosures", path, "marks", mark], counter),
  ])
}

/**
 * The counter is the greatest that any mark has: of two devices that projected concurrently one may
 * have gone further, and the register `counter` then holds whichever edit won.
 */
function readDisclosure(
  path: string,
  one: { readonly [key: string]: JsonValue },
): RecordedDisclosure {
  const marks = new Map(
    Object.entries(objectIn(one.marks)).flatMap(([mark, counter]) =>
      typeof counter === "number" ? [[mark, counter] as const] : [],
    ),
  )
  return {
    path,
    purpose: textIn(one.purpose),
    retention: textIn(one.retention),
    until: textIn(one.until),
    follows: one.follows === true,
    counter: Math.max(0, ...marks.values()),
    marks,
  }
}

function set(path: readonly string[], value: JsonValue): Edit {
  return { op: "set", path, value }
}

function stateIn(value: JsonValue | undefined): RelationshipState {
  return value === "agreed" || value === "refused" || value === "left" ? value : "proffered"
}

function textIn(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : ""
}

function objectIn(value: JsonValue | undefined): { readonly [key: string]: JsonValue } {
  return isObject(value) ? value : {}
}

function isObject(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
