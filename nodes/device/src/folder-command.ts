/**
 * What the commands share that work on the data folder itself: `init`, `join` and `up`.
 *
 * @module
 */
import type { Person } from "@fulcrum/engine/person"
import type { Args } from "./args.ts"
import type { Home } from "./home.ts"
import type { Terminal } from "./terminal.ts"

/** What commands on the folder itself are given. */
export interface FolderContext {
  readonly home: Home
  readonly args: Args
  readonly io: Terminal
  readonly json: boolean
  readonly mdns: boolean
  readonly signal: AbortSignal
}

/** Brings what waits to whoever can be reached. */
export async function settleHere(
  person: Person,
  io: Terminal,
  seconds: number,
): Promise<readonly string[]> {
  io.progress("Looking for your devices and relays")
  return await person.settle(seconds * 1000)
}
