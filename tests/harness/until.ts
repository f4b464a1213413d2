/**
 * Waiting for what other processes do: look, and look again, for a bounded time.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises"

export interface UntilOptions {
  /** What is waited for, in words: `B has the phone number`. */
  readonly what: string
  readonly timeoutMs?: number
  readonly everyMs?: number
}

const TIMEOUT_MS = 30_000
const EVERY_MS = 150

/**
 * Looks until there is something to see.
 *
 * @param look - `undefined` or `false`: not yet. What it throws ends the waiting.
 * @throws When time runs out, with the last thing seen.
 */
export async function until<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  { what, timeoutMs = TIMEOUT_MS, everyMs = EVERY_MS }: UntilOptions,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`)
    await sleep(everyMs)
  }
}
