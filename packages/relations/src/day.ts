/**
 * Days: `YYYY-MM-DD`, the only times in what the two sides exchange. Texts of this form compare
 * as the days do.
 *
 * @module
 */

export const DAY_MS = 86_400_000

/** Whether the text is a day that the calendar has, from year 1970 to 9999. */
export function isDay(text: string): boolean {
  if (!/^(?:19[7-9]\d|[2-9]\d{3})-\d\d-\d\d$/.test(text)) return false
  const ms = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().slice(0, 10) === text
}

/** @param day - Must be one. @returns The day `days` later, at most 9999-12-31. */
export function addDays(day: string, days: number): string {
  if (!isDay(day)) throw new RangeError("not a day")
  const later = new Date(Math.min(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS, LAST_DAY_MS))
  return later.toISOString().slice(0, 10)
}

/**
 * The day at an instant in a time zone.
 *
 * @param zone - IANA name; absent or unknown: UTC.
 */
export function dayAt(ms: number, zone?: string): string {
  if (zone === undefined) return new Date(ms).toISOString().slice(0, 10)
  // A day begins with a minute, and asking for one costs as much as a thousand look-ups.
  const minute = Math.floor(ms / 60_000)
  const key = `${minute} ${zone}`
  const known = days.get(key)
  if (known !== undefined) return known
  const day = dayInZone(new Date(minute * 60_000), zone)
  if (days.size >= DAYS_KNOWN_MAX) days.clear()
  days.set(key, day)
  return day
}

const DAYS_KNOWN_MAX = 1000
const days = new Map<string, string>()

function dayInZone(at: Date, zone: string): string {
  if (!isZone(zone)) return at.toISOString().slice(0, 10)
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    calendar: "gregory",
    numberingSystem: "latn",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
  }).formatToParts(at)
  const part = (type: string): string => parts.find((one) => one.type === type)?.value ?? ""
  return `${part("year").padStart(4, "0")}-${part("month")}-${part("day")}`
}

/** Whether this platform knows the time zone. */
export function isZone(zone: string): boolean {
  try {
    return zone !== "" && new Intl.DateTimeFormat("en-US", { timeZone: zone }) !== undefined
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

const LAST_DAY_MS = Date.parse("9999-12-31T00:00:00Z")
