/**
 * Marks: short names of puts, by which the record and later puts speak of them.
 *
 * A put tells which puts its device knew. An edit overwrites all of them. A settlement overwrites
 * none: it says the value of one of them *again*. Somebody may meanwhile have overwritten that one on
 * a device which the settling one has not heard of; whoever knows both goes by the edit.
 *
 * Source: `docs/decisions/0004`.
 *
 * @module
 */
import {
  base64urlToBytes,
  bytesToBase64url,
  uint64ToBytes,
  utf8ToBytes,
} from "@fulcrum/codec/bytes"
import { canonicalJson } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { hash } from "@fulcrum/crypto/hash"
import type { Put } from "./lane.ts"

export const MARK_BYTES = 12

/** Names a put inside the record; two devices that write the same put give the same mark. */
export function markOf({ path, value, counter }: Put): string {
  const json = value === undefined ? "" : canonicalJson(value)
  const parts = [utf8ToBytes(path), uint64ToBytes(counter), utf8ToBytes(json)]
  return bytesToBase64url(hash(contexts.projectionMark, ...parts).subarray(0, MARK_BYTES))
}

const MARK_FORM = /^[\w-]{16}$/

/** Whether a text of the record has the form of a mark: any device may have written it. */
export function isMark(text: string): boolean {
  return MARK_FORM.test(text)
}

/** As a put carries it. */
export function markToBytes(mark: string): Uint8Array {
  return base64urlToBytes(mark)
}

/** Which values are old news: what edits overwrote, whatever says it again. */
export class OverwrittenMarks {
  /** What each put knew. */
  readonly #knownBy = new Map<string, readonly string[]>()
  readonly #overwritten = new Set<string>()

  /** Takes in a put, in any order and however often. */
  add(put: Put): void {
    const mark = markOf(put)
    const known = (put.knows ?? []).map(bytesToBase64url)
    this.#knownBy.set(mark, [...(this.#knownBy.get(mark) ?? []), ...known])
    if (put.again === undefined || this.#overwritten.has(mark)) this.#overwrite(known)
  }

  /** Whether a put says again what was overwritten. */
  isOld({ again }: Put): boolean {
    return again !== undefined && this.#overwritten.has(bytesToBase64url(again))
  }

  /** Whoever knew a put knew what that one knew. */
  #overwrite(marks: readonly string[]): void {
    const open = [...marks]
    for (let mark = open.pop(); mark !== undefined; mark = open.pop()) {
      if (this.#overwritten.has(mark)) continue
      this.#overwritten.add(mark)
      open.push(...(this.#knownBy.get(mark) ?? []))
    }
  }
}
