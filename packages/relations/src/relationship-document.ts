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
 * | `disclosures/<path>/told/<n>`   | mark of what was last put of a register; `projection.ts` |
 *
 * `<path>` is one segment: the field's path, escaped.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { CountedRegister, Edit } from "@fulcrum/record/documents"
import { assemble, pathToKey } from "@fulcrum/record/registers"
import type { Agreement } from "./agreement.ts"
import { isFieldPath } from "./field-path.ts"
import type { ProjectedDisclosure, ToldUpdate } from "./projection.ts"

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

/** Reads the document's registers. What is not of its form is left out, so it never throws. */
export function readRelationshipDocument(
  registers: readonly CountedRegister[],
): RelationshipDocument {
  const values = new Map<string, JsonValue>()
  for (const { path, value } of registers) {
    if (value !== undefined) values.set(pathToKey(path), value)
  }
  const top = objectIn(assemble(values))
  return {
    name: textIn(top.name),
    domain: typeof top.domain === "string" ? top.domain : undefined,
    state: stateIn(top.state),
    terms: textIn(top.terms),
    disclosures: Object.entries(objectIn(top.disclosures))
      .filter(([path]) => isFieldPath(path))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, one]) => readDisclosure(path, objectIn(one), toldIn(path, registers))),
  }
}

/** Of two devices that put at the same time, what either says it told. */
function toldIn(
  path: string,
  registers: readonly CountedRegister[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const told = new Map<string, ReadonlySet<string>>()
  for (const { path: at, value, others } of registers) {
    const [family, disclosed, kind, register] = at
    if (family !== "disclosures" || disclosed !== path || kind !== "told") continue
    const marks = [value, ...others.map((other) => other.value)]
    if (register === undefined || at.length > 4) continue
    told.set(register, new Set(marks.filter((mark) => typeof mark === "string")))
  }
  return told
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
export function projectionEdits(updates: readonly ToldUpdate[]): readonly Edit[] {
  return updates.map(({ path, register, mark }) =>
    set(["disclosures", path, "told", register], mark),
  )
}

function readDisclosure(
  path: string,
  one: { readonly [key: string]: JsonValue },
  told: ProjectedDisclosure["told"],
): RecordedDisclosure {
  return {
    path,
    purpose: textIn(one.purpose),
    retention: textIn(one.retention),
    until: textIn(one.until),
    follows: one.follows === true,
    told,
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
