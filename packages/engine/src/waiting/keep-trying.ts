/**
 * Keeps a connection: tries, waits longer after each failure, and tries again.
 *
 * @module
 */

import type { Clock } from "@fulcrum/crypto/clock"
import { type Random, randomBelow } from "@fulcrum/crypto/random"
import { inScope } from "./scope.ts"
import type { Signal } from "./signal.ts"

/** The shortest wait after a failure, whatever wakes, and the longest. */
export const RETRY_MS_MIN = 250
export const RETRY_MS_MAX = 30_000

export interface KeepTryingOptions {
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  /** Ends a wait early: something is new, so trying now makes sense. */
  readonly wake: Signal
  /** One connection, from dialing to its end. Throws, or returns if it ended in good order. */
  attempt(signal: AbortSignal): Promise<void>
  failed(error: unknown): void
}

/** Resolves once `signal` has fired and the attempt under way has ended. */
export async function keepTrying(options: KeepTryingOptions): Promise<void> {
  const { signal, clock, random, wake } = options
  let failures = 0
  while (!signal.aborted) {
    const startedMs = clock.now()
    try {
      await options.attempt(signal)
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      // A connection that held for a while was a good one.
      failures = clock.now() - startedMs > RETRY_MS_MAX ? 1 : failures + 1
      options.failed(error)
    }
    const most = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures, 16))
    const waitMs = (failures > 0 ? 0 : RETRY_MS_MIN) + randomBelow(random, most)
    await inScope(signal, async (scope) => {
      const woken = wake.wait(scope)
      // Whoever wakes after a failure may be another connection that fails, woken by this one.
      if (failures > 0) await clock.sleep(RETRY_MS_MIN, scope).catch(() => undefined)
      await Promise.race([clock.sleep(waitMs, scope).catch(() => undefined), woken])
    })
  }
}
