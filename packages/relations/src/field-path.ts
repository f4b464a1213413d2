/**
 * Field paths, as requests, agreements and shares write them: `document/segment/…` with
 * JSON-pointer escapes, one canonical text for each. Only documents about the person and what is
 * hers are disclosed; those that hold her dealings with others never are.
 *
 * @module
 */
import { utf8Length } from "@fulcrum/codec/bytes"
import { isForbiddenKey } from "@fulcrum/codec/json"
import { KEY_BYTES_MAX, keyToPath } from "@fulcrum/record/registers"

/** Bytes of a path in UTF-8. */
export const FIELD_PATH_BYTES_MAX = 512

/** Bytes of a register's path, which may lie below a field: a document and a key. */
export const REGISTER_PATH_BYTES_MAX: number = 32 + KEY_BYTES_MAX

/** The documents whose fields may be disclosed. */
export const DISCLOSABLE_DOCUMENTS: readonly string[] = [
  "card",
  "identities",
  "payments",
  "things",
  "preferences",
]

/** Whether the text is the canonical path of a field (or a whole document) of this kind. */
export function isFieldPath(text: string): boolean {
  return isPathForm(text) && DISCLOSABLE_DOCUMENTS.includes(text.split("/", 1)[0] ?? "")
}

/**
 * Whether the text has the form of a path of any document. Share entries are held to no more,
 * since a newer program may disclose what this one does not know.
 */
export function isPathForm(text: string, bytesMax: number = FIELD_PATH_BYTES_MAX): boolean {
  if (utf8Length(text) > bytesMax || !text.isWellFormed()) return false
  const [, document, pointer] = /^([a-z]{1,32})(\/.*)?$/su.exec(text) ?? []
  if (document === undefined || isForbiddenKey(document)) return false
  return pointer === undefined || keyToPath(pointer) !== undefined
}

/** Whether `path` is `above`, or lies under it. */
export function isWithin(path: string, above: string): boolean {
  return path === above || path.startsWith(`${above}/`)
}

/** Whether a change at one path changes what is at the other. */
export function touches(a: string, b: string): boolean {
  return isWithin(a, b) || isWithin(b, a)
}
