/**
 * Short texts that one device says and another shows, such as a name: one line, and nothing that
 * moves a cursor or turns what is written beside it.
 *
 * @module
 */
import { utf8Length } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { type Schema, text } from "@fulcrum/codec/schema"

const UNSHOWN = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u

/** @param bytesMax - In UTF-8. */
export function isOneLine(line: string, bytesMax: number): boolean {
  return (
    line !== "" &&
    line.trim() === line &&
    line.isWellFormed() &&
    utf8Length(line) <= bytesMax &&
    !UNSHOWN.test(line)
  )
}

/** Refuses anything else, in both directions. */
export function oneLine(bytesMax: number): Schema<string> {
  const form = text(bytesMax)
  const checked = (line: string, path: string | undefined): string => {
    if (isOneLine(line, bytesMax)) return line
    throw new CodecError("SCHEMA_VALUE", "not one line of text", { path: path ?? "" })
  }
  return {
    encode: (line) => form.encode(checked(line, undefined)),
    decode: (value, path) => checked(form.decode(value, path), path),
  }
}
