/**
 * Work in slices: what takes long is written as a generator that yields after each few of its parts, and
 * is run at once, or with a turn for others whenever it has taken a while.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"

/** What it yields says nothing. */
export type Sliced<T> = Generator<undefined, T, undefined>

/** Parts, such as entries, after which it yields. */
export const SLICE_PARTS = 64

/**
 * How long it keeps the thread to itself. A message from the network takes some five turns of the
 * loop until it is answered, and waits for a slice at each of them.
 */
const SLICE_MS = 2

export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
  }
}

/** @param clock - Absent: all of it at once. */
export async function inSlices<T>(work: Sliced<T>, clock: Clock | undefined): Promise<T> {
  const rest = pacing(clock)
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
    const resting = rest()
    if (resting !== undefined) await resting
  }
}

/** @returns To be called after each part; gives what to wait for once it has taken a while. */
export function pacing(clock: Clock | undefined): () => Promise<void> | undefined {
  if (clock === undefined) return () => undefined
  let begun = clock.now()
  return () => {
    // The clock may be put back.
    if (Math.abs(clock.now() - begun) < SLICE_MS) return undefined
    return clock.sleep(0).then(() => {
      begun = clock.now()
    })
  }
}
