/**
 * vCard's dates and times, in the basic and the extended form, as JSContact has them.
 *
 * @module
 */
import type { PartialDate } from "./jscontact.ts"

/**
 * A date that may lack its year, month or day; with a time and a zone, a moment.
 *
 * @returns `undefined` for what is no date, and for a day that is in no calendar.
 */
export function readDate(text: string): PartialDate | undefined {
  const written = text.trim()
  if (/T.*(?:Z|[+-]\d{2}(?::?\d{2})?)$/i.test(written)) {
    const utc = readTimestamp(written)
    if (utc !== undefined) return { "@type": "Timestamp", utc }
  }
  const date = readParts(written)
  return date !== undefined && isInCalendar(date) ? date : undefined
}

/** Whether it is written as a date, and there is no such day. */
export function isNoDay(text: string): boolean {
  const date = readParts(text.trim())
  return date !== undefined && !isInCalendar(date)
}

function readParts(written: string): PartialDate | undefined {
  const [date = ""] = written.split(/[T ]/)
  const match =
    /^(\d{4})-?(\d{2})-?(\d{2})$/.exec(date) ??
    /^(\d{4})(?:-(\d{2}))?()$/.exec(date) ??
    /^--()(\d{2})-?(\d{2})?$/.exec(date) ??
    /^---()()(\d{2})$/.exec(date)
  if (match === null) return undefined
  const [, year, month, day] = match.map((digits) => (digits ? Number(digits) : undefined))
  return {
    ...(year === undefined ? {} : { year }),
    ...(month === undefined ? {} : { month }),
    ...(day === undefined ? {} : { day }),
  }
}

/** Whether there is such a day; without its year, in any year. */
export function isInCalendar({ year, month = 1, day = 1 }: PartialDate): boolean {
  if (month < 1 || month > 12 || day < 1) return false
  const isLeap = year === undefined || (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  const days = month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
  return day <= days
}

/** The basic form; `undefined` for what has none. */
export function writeDate({ year, month, day, utc }: PartialDate): string | undefined {
  if (utc !== undefined) return writeTimestamp(utc)
  const digits = (value: number, count: number): string => `${value}`.padStart(count, "0")
  const [y, m, d] = [year, month, day]
  if (y !== undefined && m !== undefined && d !== undefined) {
    return `${digits(y, 4)}${digits(m, 2)}${digits(d, 2)}`
  }
  if (y !== undefined && d === undefined)
    return m === undefined ? digits(y, 4) : `${digits(y, 4)}-${digits(m, 2)}`
  if (y === undefined && m !== undefined)
    return `--${digits(m, 2)}${d === undefined ? "" : digits(d, 2)}`
  return y === undefined && d !== undefined ? `---${digits(d, 2)}` : undefined
}

/** A moment in JSContact's form, `2012-03-05T13:19:33Z`; `undefined` for what is none. */
export function readTimestamp(text: string): string | undefined {
  const match =
    /^(\d{4})-?(\d{2})-?(\d{2})[T ](\d{2})(?::?(\d{2}))?(?::?(\d{2})(?:[.,]\d+)?)?(Z|[+-]\d{2}(?::?\d{2})?)?$/i.exec(
      text.trim(),
    )
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((digits) => Number(digits ?? 0))
  const zone = match[7] ?? "Z"
  const offset = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone)
  const minutes = offset === null ? 0 : Number(offset[2]) * 60 + Number(offset[3] ?? 0)
  if (!isInCalendar({ year, month, day }) || hour > 24 || minute > 59 || second > 60)
    return undefined
  const moment = Date.UTC(year, month - 1, day, hour, minute, second)
  const utc = new Date(offset?.[1] === "-" ? moment + minutes * 60_000 : moment - minutes * 60_000)
  if (Number.isNaN(utc.getTime()) || utc.getUTCFullYear() > 9999 || utc.getUTCFullYear() < 1)
    return undefined
  return `${utc.toISOString().slice(0, 19)}Z`
}

/** `20120305T131933Z`. */
export function writeTimestamp(utc: string): string {
  return utc.replace(/[-:]/g, "").replace(/\.\d+/, "")
}
