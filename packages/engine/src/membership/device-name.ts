/**
 * How a person names a device.
 *
 * Two names are taken for one if they look alike: what is drawn as nothing, such as a zero-width
 * space, tells nobody apart (Unicode Standard Annex 44, `Default_Ignorable_Code_Point`).
 *
 * @module
 */
import { DEVICE_NAME_BYTES_MAX } from "@fulcrum/access/device"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { EngineError } from "../failures/engine-error.ts"
import { isOneLine } from "../items/one-line.ts"

const UNDRAWN = /\p{Default_Ignorable_Code_Point}/gu

/**
 * A name as it was typed, for a device.
 *
 * @throws {EngineError} `DEVICE_NAME_INVALID`: no line that anybody sees, or over 64 bytes.
 */
export function deviceNameOf(typed: string): string {
  const name = typed.trim().normalize()
  if (!isOneLine(name, DEVICE_NAME_BYTES_MAX) || looks(name) === "") {
    throw new EngineError("DEVICE_NAME_INVALID", "no device can have that name")
  }
  return name
}

/** Whether nobody could tell one from the other. */
export function lookAlike(one: string, other: string): boolean {
  return one === other || looks(one) === looks(other)
}

/** Whether a device is meant: by its name, or the beginning of its id. */
export function goesBy(
  { name, id }: { readonly name: string; readonly id: Uint8Array },
  wanted: string,
): boolean {
  return lookAlike(name, wanted) || (wanted.length >= 4 && bytesToHex(id).startsWith(wanted))
}

function looks(name: string): string {
  return name.normalize("NFKC").replace(UNDRAWN, "").replace(/\s+/gu, " ").trim()
}
