/**
 * Pages of a mailbox: what a reader gets from a position on, within bounds on bytes and number.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import type { MailboxName } from "@fulcrum/log/ids"
import { READ_BYTES_MAX, READ_ITEMS_MAX, READ_SKIPPED_MAX } from "./limits.ts"
import { type ChangeContext, listIndex, live } from "./mailbox-changes.ts"
import type { Mailbox } from "./mailbox-records.ts"
import type { RelayPage } from "./protocol.ts"

/** What a receipt and framing add to an item in a page, in bytes, at most. */
const PAGE_ITEM_BYTES = 320

interface Row {
  readonly position: number
  readonly hash: Uint8Array
}

/** One item at least, if there is one; then as many as fit. */
export async function readPage(
  context: ChangeContext,
  mailbox: Mailbox,
  name: MailboxName,
  range: { readonly from: number; readonly bytesMax: number },
): Promise<RelayPage> {
  const { next: end, sequenceId, expired } = live(mailbox)
  const from = Math.max(1, range.from)
  const budget = Math.min(range.bytesMax, READ_BYTES_MAX)
  const limit = READ_ITEMS_MAX + READ_SKIPPED_MAX
  const held: Row[] = []
  const skipped: Row[] = []
  let bytes = 0
  let next = from
  let isWhole = true
  for await (const { order, value } of listIndex(context, name, { from, to: end, limit })) {
    const isHeld = value.removedAt === undefined
    if (isHeld) bytes += value.length + PAGE_ITEM_BYTES
    if (isHeld ? held.length > 0 && bytes > budget : skipped.length === READ_SKIPPED_MAX) {
      isWhole = false
      break
    }
    const rows = isHeld ? held : skipped
    rows.push({ position: order, hash: value.hash })
    next = order + 1
    if (held.length === READ_ITEMS_MAX || held.length + skipped.length === limit) {
      isWhole = false
      break
    }
  }
  const items = await fetchItems(context, name, held)
  return {
    items,
    skipped,
    next: isWhole ? Math.max(end, from) : next,
    end,
    sequenceId,
    ...(expired !== undefined && { expired }),
  }
}

async function fetchItems(
  { tables }: ChangeContext,
  name: MailboxName,
  rows: readonly Row[],
): Promise<RelayPage["items"]> {
  const [items, receipts] = await Promise.all([
    tables.items.getMany(rows.map((row) => ({ group: name, order: row.position }))),
    tables.receipts.getMany(rows.map((row) => ({ group: concatBytes([name, row.hash]) }))),
  ])
  return rows.flatMap(({ position }, i) => {
    const bytes = items[i]
    const receipt = receipts[i]
    // Removed while the page was being made: the next page says so.
    return bytes && receipt ? [{ position, bytes, receipt }] : []
  })
}
