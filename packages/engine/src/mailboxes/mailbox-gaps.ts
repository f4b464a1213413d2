/**
 * What a relay left out of a mailbox's pages, and what it says that it forgot.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { Replica } from "@fulcrum/log/replica"
import { spanHash } from "@fulcrum/log/span"
import type { VersionVector } from "@fulcrum/log/vector"
import type { OpenMailbox, RelayItem } from "@fulcrum/relay/open-mailbox"
import { atMost, type Cursor, type Gap } from "./mailbox-cursor.ts"

/** Of spans that are read or brought at once. */
export const BATCH_BYTES_MAX: number = 1024 * 1024

/** Some days of being connected. */
export const GAP_TRIES_MAX = 1000
/** In how many of those tries what lies behind a gap is not acknowledged: about an hour of being connected. */
const GAP_HOLDS = 20
/** That one search may take: a relay may say anything. */
const SEARCH_PAGES_MAX = 256

/** The last position before which nothing is left that the relay may still show. */
export function beforeGaps({ next, gaps }: Pick<Cursor, "next" | "gaps">): number {
  return (gaps.find(({ tries }) => tries < GAP_HOLDS)?.from ?? next) - 1
}

/**
 * Asks once for each gap.
 *
 * @param take - Gets what is there after all.
 * @returns The gaps that are left; who was asked for {@link GAP_TRIES_MAX} times is given up.
 */
export async function askAgain(
  read: OpenMailbox,
  before: readonly Gap[],
  take: (items: readonly RelayItem[]) => Promise<void>,
): Promise<readonly Gap[]> {
  let gaps: readonly Gap[] = []
  let pages = 0
  for (const gap of before.filter(({ tries }) => tries < GAP_TRIES_MAX)) {
    const tries = gap.tries + 1
    let { from } = gap
    for (; from < gap.to && pages < SEARCH_PAGES_MAX; pages++) {
      // One item at a time: what comes after a gap is here.
      const page = await read.read({ from, bytesMax: 1 })
      await take(page.items.filter(({ position }) => position < gap.to))
      const left = page.missing.filter((range) => range.from < gap.to)
      const cut = left.map((range) => ({ ...range, to: Math.min(range.to, gap.to), tries }))
      gaps = atMost([...gaps, ...cut])
      from = Math.max(page.next, from + 1)
    }
    if (from < gap.to) gaps = atMost([...gaps, { from, to: gap.to, tries }])
  }
  return gaps
}

/**
 * Hashes of the spans that a relay forgot.
 *
 * @param after - Up to which position that was known before.
 * @param expired - Up to which position it says so now.
 * @returns `unknown`: the relay does not remember all.
 */
export async function goneSince(
  read: OpenMailbox,
  after: number,
  expired: number,
): Promise<ReadonlySet<string> | "unknown"> {
  const gone = new Set<string>()
  let pages = 0
  for (let from = after + 1; from <= expired; ) {
    const page = await read.read({ from, bytesMax: 1 })
    const isEndless = page.next <= from || ++pages > SEARCH_PAGES_MAX
    if (page.missing.length > 0 || isEndless) return "unknown"
    for (const hash of page.gone) gone.add(bytesToHex(hash))
    from = page.next
  }
  return gone
}

/**
 * Brings once more what the relay forgot.
 *
 * @param gone - From {@link goneSince}.
 * @throws What appending throws.
 */
export async function bringAgain(
  append: OpenMailbox,
  replica: Replica,
  gone: ReadonlySet<string> | "unknown",
): Promise<void> {
  let after: VersionVector = []
  for (;;) {
    const { spans, reached } = await replica.spansAfter(after, { bytesMax: BATCH_BYTES_MAX })
    if (spans.length === 0) return
    const again = spans.filter((span) => gone === "unknown" || gone.has(bytesToHex(spanHash(span))))
    // One after the other: what comes first is, but for merged spans, what the others were written on.
    for (const span of again) await append.append(span)
    after = reached
  }
}
