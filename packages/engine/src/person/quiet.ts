/**
 * When nothing moves any more between this device, its relays and its person's other devices.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { inScope } from "../waiting/scope.ts"
import type { RelayRow } from "./person.ts"

/** How long a device may take to answer that a relay makes up for. */
const ANSWER_MS = 1500

/** How often it is looked whether a relay has come to have everything. */
const LOOK_MS = 250

export interface Moving {
  readonly clock: Clock
  /** Resolves when every relay has been gone through, or could not be reached. */
  relayed(signal: AbortSignal): Promise<void>
  relays(): Promise<readonly RelayRow[]>
  /** Resolves when devices are in step; those that have not answered do not count after `enough`. */
  inStep(signal: AbortSignal, enough: Promise<void>): Promise<void>
  /** What came is made of, and what is here: the same as long as nothing moves. */
  standing(): Promise<string>
}

/** Resolves once nothing moves any more, or when `signal` fires. */
export async function untilQuiet(moving: Moving, signal: AbortSignal): Promise<void> {
  let enough: Promise<void> | undefined
  await inScope(signal, async (scope) => {
    let before: string | undefined
    while (!scope.aborted) {
      const relayed = moving.relayed(scope)
      enough ??= untilEnough({ ...moving, relayed: () => relayed }, scope)
      await Promise.all([relayed, moving.inStep(scope, enough)])
      const now = await moving.standing()
      if (now === before) return
      before = now
    }
  })
  await enough
}

/**
 * Resolves a moment after the relays have been gone through and one has all of the record that is
 * here, at once or later; while none has, only when `signal` fires.
 */
export async function untilEnough(
  { clock, relayed, relays }: Pick<Moving, "clock" | "relayed" | "relays">,
  signal: AbortSignal,
): Promise<void> {
  await relayed(signal)
  const isOnRelay = ({ state, pending }: RelayRow) => state === "reachable" && pending === 0
  const wait = (ms: number) => clock.sleep(ms, signal).catch(() => undefined)
  while (!signal.aborted && !(await relays()).some(isOnRelay)) await wait(LOOK_MS)
  await wait(ANSWER_MS)
}
