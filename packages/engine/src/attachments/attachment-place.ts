/**
 * Where the record can refer to an attachment: what has a `uri`, such as a photo among `card/media`
 * (RFC 9553, section 2.6.4) or a thing's papers.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { DocumentId, Edit } from "@fulcrum/record/documents"
import { nodeAt, parsePath, type RecordPath } from "@fulcrum/record/path"
import { isObject } from "@fulcrum/record/registers"
import { EngineError } from "../failures/engine-error.ts"
import type { AttachmentItem } from "../items/record-items.ts"

/** Before the id, in hex. */
export const ATTACHMENT_URI = "attachment:"

/** @throws {EngineError} `ATTACHMENT_PLACE`. @throws {RecordError} `PATH_UNKNOWN`, `PATH_MALFORMED`. */
export function attachmentPlace(path: string, mediaType: string): RecordPath {
  const at = parsePath(path)
  if (!fieldsAt(at)?.has("uri")) {
    throw new EngineError("ATTACHMENT_PLACE", "nothing can be attached there")
  }
  if (isMedia(at) && kindOf(mediaType) === undefined) {
    throw new EngineError("ATTACHMENT_PLACE", "only a picture or a sound can be there")
  }
  return at
}

/** Every path of a record whose value is, or has as its `uri`, an attachment: by the attachment's id. */
export function attachmentReferences(
  documents: Iterable<readonly [DocumentId, JsonValue | undefined]>,
): ReadonlyMap<string, readonly RecordPath[]> {
  const found = new Map<string, RecordPath[]>()
  const look = (document: DocumentId, path: readonly string[], value: JsonValue): void => {
    if (typeof value === "string" && value.startsWith(ATTACHMENT_URI)) {
      const id = value.slice(ATTACHMENT_URI.length)
      const at = path.at(-1) === "uri" ? path.slice(0, -1) : path
      found.set(id, [...(found.get(id) ?? []), { document, path: at }])
    }
    if (!isObject(value)) return
    for (const [name, member] of Object.entries(value)) look(document, [...path, name], member)
  }
  for (const [document, value] of documents) {
    if (value !== undefined) look(document, [], value)
  }
  return found
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
    ...(isMedia(at) && !has("kind") ? set("kind", kindOf(mediaType) ?? "photo") : []),
  ]
}

function isMedia({ document, path }: RecordPath): boolean {
  return document === "card" && path[0] === "media"
}

/** RFC 9553, section 2.6.4. */
function kindOf(mediaType: string): "photo" | "sound" | undefined {
  if (mediaType.startsWith("image/")) return "photo"
  return mediaType.startsWith("audio/") ? "sound" : undefined
}

function fieldsAt(at: RecordPath): ReadonlyMap<string, unknown> | undefined {
  const node = nodeAt(at.document, at.path)
  return node?.kind === "object" ? node.fields : undefined
}
