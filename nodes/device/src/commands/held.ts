/**
 * What still waits on this device, told at the end of a command that had something to send.
 *
 * @module
 */
import { lines } from "../text.ts"

/** Empty when nothing waits, or when the daemon goes on by itself. */
export function stillHere(held: readonly string[] | undefined): string {
  if (held === undefined || held.length === 0) return ""
  return lines(
    "Still kept here; `fulcrum up` brings it by itself, and `fulcrum sync` tries again:",
    ...held.map((line) => `  ${line}`),
  )
}
