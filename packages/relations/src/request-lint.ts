/**
 * What a vendor should mend about its request before it publishes it.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import { parsePath } from "@fulcrum/record/path"
import { RecordError } from "@fulcrum/record/record-error"
import { findAgreement } from "./agreements.ts"
import { meaningless, type Shape, ShapeFault } from "./json-shape.ts"
import { RelationsError } from "./relations-error.ts"
import {
  checked,
  draftShapes,
  field,
  fieldShapes,
  isObject,
  type JsonObject,
  REQUEST_FIELDS_MAX,
  type RequestField,
  readKey,
  readWrap,
  requestShapes,
} from "./request-form.ts"

/** Above this many fields `lintRequest` warns. */
export const REQUEST_FIELDS_MANY = 8

/** Something about a request that its vendor should mend. */
export interface RequestFinding {
  /** An `error` keeps it from being published. */
  readonly severity: "error" | "warning"
  /** JSON pointer; empty: the whole request. */
  readonly pointer: string
  readonly message: string
}

/**
 * Looks a draft (or a whole request) over for its vendor. Never throws.
 *
 * @param json - From a file or a form.
 * @returns Errors first, then warnings; none with `error`: it can be published.
 */
export function lintRequest(json: unknown): readonly RequestFinding[] {
  const errors: RequestFinding[] = []
  const warnings: RequestFinding[] = []
  const say: Say = (severity, pointer, message) => {
    const findings = severity === "error" ? errors : warnings
    findings.push({ severity, pointer, message })
  }
  let written: JsonValue
  try {
    written = checked(json)
  } catch (error) {
    if (!(error instanceof RelationsError)) throw error
    return [{ severity: "error", pointer: "", message: error.message }]
  }
  if (!isObject(written)) return [{ severity: "error", pointer: "", message: "not an object" }]
  lintWhole(written, say)
  if (!Object.hasOwn(written, "domain")) {
    say("warning", "/domain", "without a domain nobody can check who asks")
  }
  lintFields(Array.isArray(written.fields) ? written.fields : [], say)
  return [...errors, ...warnings]
}

type Say = (severity: "error" | "warning", pointer: string, message: string) => void

/** All but the fields' own faults. */
function lintWhole(written: JsonObject, say: Say): void {
  const { v, key, wrap, agreements, fields } = written
  if (typeof v === "number" && v > 1) {
    say("error", "/v", "needs a newer Fulcrum")
    return
  }
  const members = Array.isArray(fields) ? { ...written, fields: [] } : written
  const isDraft = v === undefined
  lintMembers(isDraft ? draftShapes : requestShapes, members, "", say)
  if (!isDraft && typeof key === "string") lintPart("/key", () => readKey(key), say)
  if (!isDraft && typeof wrap === "string") lintPart("/wrap", () => readWrap(wrap), say)
  for (const [i, one] of isDraft && Array.isArray(agreements) ? agreements.entries() : []) {
    if (typeof one === "string") lintPart(`/agreements/${i}`, () => findAgreement(one), say)
  }
}

/** What is of its shape and still not right. */
function lintPart(pointer: string, read: () => unknown, say: Say): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof RelationsError)) throw error
    say("error", pointer, error.message.replace(`${pointer}: `, ""))
  }
}

function lintFields(written: readonly JsonValue[], say: Say): void {
  if (written.length > REQUEST_FIELDS_MAX) say("error", "/fields", "too many fields")
  const paths = new Set<string>()
  let required = 0
  for (const [i, one] of written.entries()) {
    const pointer = `/fields/${i}`
    const asked = lintShape(one, pointer, say)
    if (asked === undefined) continue
    if (paths.has(asked.path)) say("error", `${pointer}/path`, "asked for twice")
    paths.add(asked.path)
    if (asked.required) required++
    lintField(asked, pointer, say)
  }
  if (written.length > REQUEST_FIELDS_MANY) {
    say("warning", "/fields", `${written.length} fields: ask only for what the service needs`)
  }
  if (required > 1 && required === written.length) {
    say("warning", "/fields", "every field is required: nobody can begin with less")
  }
}

/** The field, if it is one. */
function lintShape(value: JsonValue, pointer: string, say: Say): RequestField | undefined {
  if (!isObject(value)) say("error", pointer, "not an object")
  else if (lintMembers(fieldShapes, value, pointer, say)) return field(value, pointer)
  return undefined
}

/** Tells each member that is missing, wrong or of no meaning. @returns Whether there is none. */
function lintMembers(
  shapes: Readonly<Record<string, Shape<unknown>>>,
  members: JsonObject,
  pointer: string,
  say: Say,
): boolean {
  const unknown = Object.keys(members).filter((name) => !Object.hasOwn(shapes, name))
  const faults = unknown.map((name) => meaningless(pointer, name))
  for (const [name, shape] of Object.entries(shapes)) {
    const isThere = Object.hasOwn(members, name)
    try {
      shape(isThere ? members[name] : undefined, `${pointer}/${name}`)
    } catch (error) {
      if (!(error instanceof ShapeFault)) throw error
      faults.push(isThere ? error : new ShapeFault(error.pointer, "not there"))
    }
  }
  for (const fault of faults) say("error", fault.pointer, fault.message)
  return faults.length === 0
}

function lintField(asked: RequestField, pointer: string, say: Say): void {
  try {
    parsePath(asked.path)
  } catch (error) {
    if (!(error instanceof RecordError)) throw error
    say("error", `${pointer}/path`, error.message)
  }
  if (!asked.path.includes("/")) {
    say("warning", `${pointer}/path`, "a whole document: ask for the fields that are needed")
  }
  if (!isDpvTerm(asked.purpose)) {
    say("warning", `${pointer}/purpose`, "not a DPV term, such as dpv:ServiceProvision")
  }
  if (!isDuration(asked.retention)) {
    say("warning", `${pointer}/retention`, "not a duration, such as P2Y or P90D")
  }
}

/** `dpv:Term`, or its whole IRI. */
function isDpvTerm(text: string): boolean {
  return /^(?:dpv:|https:\/\/w3id\.org\/dpv#)[A-Z][A-Za-z0-9]*$/.test(text)
}

/** ISO 8601, in days and longer. */
function isDuration(text: string): boolean {
  return /^P(?=\d)(?:\d{1,4}Y)?(?:\d{1,4}M)?(?:\d{1,4}W)?(?:\d{1,5}D)?$/.test(text)
}
