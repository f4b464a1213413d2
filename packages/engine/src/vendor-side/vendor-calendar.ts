/**
 * When a day begins somewhere.
 *
 * @module
 */
import { dayAt } from "@fulcrum/relations/day"

const STEP_MS = 900_000
const HOUR_MS = 3_600_000
/** No zone is further from UTC. */
const OFFSET_HOURS_MAX = 15

/**
 * The first quarter of an hour at which it is that day, or later, in the zone; zones change the
 * day at quarters of an hour.
 *
 * @param day - `YYYY-MM-DD`.
 * @param zone - IANA name; absent or unknown: UTC.
 */
export function nextDayMs(day: string, zone: string | undefined): number {
  const middle = Date.parse(`${day}T00:00:00Z`)
  // Steps after `from`: at `low` it is too early, at `high` it is time.
  const from = middle - OFFSET_HOURS_MAX * HOUR_MS
  let low = -1
  let high = (2 * OFFSET_HOURS_MAX * HOUR_MS) / STEP_MS
  while (high - low > 1) {
    const at = Math.floor((low + high) / 2)
    if (dayAt(from + at * STEP_MS, zone) >= day) high = at
    else low = at
  }
  return from + high * STEP_MS
}
