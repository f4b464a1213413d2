/**
 * Where the record can refer to an attachment: what has a `uri`, such as a photo among `card/media`
 * (RFC 9553, section 2.6.4) or a thing's papers.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { Edit } from "@fulcrum/record/documents"
import { nodeAt, parsePath, type RecordPath } from "@fulcrum/record/path"
import { isObject } from "@fulcrum/record/registers"
import { EngineError } from "./engine-error.ts"
import type { AttachmentItem } from "./record-items.ts"

/** Before the id, in hex. */
export const ATTACHMENT_URI = "attachment:"

/** @throws {EngineError} `ATTACHMENT_PLACE`. @throws {RecordError} `PATH_UNKNOWN`, `PATH_MALFORMED`. */
export function attachmentPlace(path: string): RecordPath {
  const at = parsePath(path)
  if (fieldsAt(at)?.has("uri")) return at
  const message = "nothing can be attached there"
  throw new EngineError("ATTACHMENT_PLACE", message)
}

/** The entry's name, if it can have one and has none, is the file's. */
export function attachmentEdits(
  at: RecordPath,
  before: JsonValue | undefined,
  { id, name, mediaType }: AttachmentItem,
): readonly Edit[] {
  const fields = fieldsAt(at)
  const set = (field: string, value: string): readonly Edit[] =>
    fields?.has(field) ? [{ op: "set", path: [...at.path, field], value }] : []
  const has = (field: string): boolean =>
    before !== undefined && isObject(before) && field in before
  const titled = fields?.has("name") ? "name" : "label"
  return [
    ...set("uri", `${ATTACHMENT_URI}${bytesToHex(id)}`),
    ...set("mediaType", mediaType),
    ...(has("name") || has("label") ? [] : set(titled, name)),
    ...(at.path[0] === "media" && !has("kind")
      ? set("kind", mediaType.startsWith("audio/") ? "sound" : "photo")
      : []),
  ]
}

function fieldsAt(at: RecordPath): ReadonlyMap<string, unknown> | undefined {
  const node = nodeAt(at.document, at.path)
  return node?.kind === "object" ? node.fields : undefined
}
