/**
 * How a person names a device.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"

/** Whether a device is meant: by its name, or the beginning of its id. */
export function goesBy(
  { name, id }: { readonly name: string; readonly id: Uint8Array },
  wanted: string,
): boolean {
  return name === wanted || (wanted.length >= 4 && bytesToHex(id).startsWith(wanted))
}
