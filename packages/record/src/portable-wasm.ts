/**
 * Automerge's WebAssembly as text in a module, for where no file can be read. Parsing and decoding
 * it takes a tenth of a second and more.
 *
 * @module
 */
import { automergeWasmBase64 } from "@automerge/automerge/automerge.wasm.base64"

export function portableWasm(): Uint8Array {
  const binary = atob(automergeWasmBase64)
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at)
  return bytes
}
