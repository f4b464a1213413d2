/**
 * Edits that find no epoch to write under: a removal by another device has come while they waited for
 * their turn.
 *
 * @module
 */
import { errorCode } from "../failures/error-code.ts"

/** How often one edit is made anew. */
const TRIES_MAX = 3

/**
 * @param work - Makes one step, which leaves nothing behind where it fails.
 * @param rotate - Sees to an epoch.
 */
export async function underEpoch<T>(
  work: () => Promise<T>,
  rotate: () => Promise<unknown>,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work()
    } catch (error) {
      if (errorCode(error) !== "LOG_NO_EPOCH" || tried === TRIES_MAX) throw error
    }
    await rotate()
  }
}
