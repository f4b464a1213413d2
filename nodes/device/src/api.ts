/**
 * What a command and the daemon say to each other on loopback. One POST, `/api/v1/COMMAND`, with
 * the body `{"args":{…},"interactive":false}`; the answer is JSON, one object a line:
 *
 * | line                          | meaning                                                     |
 * | ----------------------------- | ----------------------------------------------------------- |
 * | `{"progress":text}`           | passing news                                                |
 * | `{"note":text}`               | one line that must be read                                  |
 * | `{"show":outcome with id}`    | to be seen before the next question; answered, as a prompt is, once it was |
 * | `{"emit":outcome}`            | one of several answers                                      |
 * | `{"tell":outcome with id}`    | one that must be read: answered, as a prompt is, once it was |
 * | `{"send":{"id","parameter"}}`  | the file that the command line names so is to be sent       |
 * | `{"save":{"id","parameter","name"}}` | a file is to be fetched and written; answered by its path |
 * | `{"prompt":question}`         | answered by POST `/api/v1/answers/ID` with `{"answer":text}` |
 * | `{"result":outcome or null}`  | the last line of a command that was done                    |
 * | `{"error":failure}`           | the last line of one that was not                           |
 *
 * An outcome is `{"document":…,"text":…}` with `exact` and `failed` where they hold; a question
 * `{"id","text","kind","default"}` and perhaps a `document`; a failure `{"code","message","todo"}`.
 *
 * A file goes in pieces of at most 1 MiB, as `application/octet-stream`, each by a POST of its own to
 * `/api/v1/streams/ID`: its body is the next piece of what is sent, its answer that of what is fetched.
 * An empty one is the end. Who answers whether a file was written does so as to a prompt.
 *
 * Requests carry `Authorization: Bearer TOKEN`. Before the token is shown, `/api/v1/hello` with
 * `{"nonce":hex}` must have answered `{"proof":hex}`, HMAC-SHA-256 under the token over the nonce:
 * whoever took the port of a daemon that died learns nothing.
 *
 * @module
 */
import { bytesToHex, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { JsonLimits, JsonValue } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { hmac } from "@fulcrum/crypto/hash"
import type { Outcome, Question } from "./command.ts"
import type { Failure } from "./program-error.ts"

export type ApiLine =
  | { readonly progress: string }
  | { readonly note: string }
  | { readonly show: Outcome & { readonly id: string } }
  | { readonly emit: Outcome }
  | { readonly tell: Outcome & { readonly id: string } }
  | { readonly send: { readonly id: string; readonly parameter: string } }
  | { readonly save: { readonly id: string; readonly parameter: string; readonly name: string } }
  | { readonly prompt: Question & { readonly id: string } }
  | { readonly result: Outcome | null }
  | { readonly error: Failure }

export const API_PATH = "/api/v1/"
/** Of a command with files: they travel as base64url, and imports take 4 MiB each. */
export const BODY_BYTES_MAX: number = 24 << 20
/** Of any other request. */
export const SMALL_BODY_BYTES_MAX: number = 256 << 10
export const ANSWER_CHARS_MAX = 4096
export const NONCE_BYTES = 32

export function bodyLimits(bytesMax: number): JsonLimits {
  return { bytesMax, depthMax: 16, itemsMax: 50_000 }
}

export function helloProof(token: string, nonce: string): string {
  return bytesToHex(hmac(contexts.daemonHello, utf8ToBytes(token), utf8ToBytes(nonce)))
}

/** A JSON object's member, if it is text. */
export function textOf(value: JsonValue | undefined, name: string): string | undefined {
  const member = memberOf(value, name)
  return typeof member === "string" ? member : undefined
}

export function memberOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined
  return Object.entries(value).find(([key]) => key === name)?.[1]
}
