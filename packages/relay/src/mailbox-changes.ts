/**
 * Changes to one mailbox, as a commit lane runs them: each looks at the draft, refuses or adds
 * what to write. Nothing here decides who may ask; `server.ts` does.
 *
 * @module
 */
import { bytesToHex, concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import type { PublicKey, SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { MailboxName } from "@fulcrum/log/ids"
import { LogError } from "@fulcrum/log/log-error"
import { mailboxName } from "@fulcrum/log/mailbox"
import { readSpanHeader, type SpanHeader } from "@fulcrum/log/span"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import type { Draft } from "./commit-lane.ts"
import { isCovering } from "./covering.ts"
import type { Ledger } from "./ledger.ts"
import type { RelayLimits } from "./limits.ts"
import {
  decodeRecord,
  encodeRecord,
  type IndexRow,
  indexSchema,
  type Mailbox,
} from "./mailbox-records.ts"
import type { CounterName } from "./metrics.ts"
import { type CreateFields, firstRoot, nextRoot } from "./protocol.ts"
import { receiptFields, signReceipt } from "./receipt.ts"
import { RelayError } from "./relay-error.ts"

/** Items that one change removes, and their bytes: the vault reads each to take it off its tally. */
const REMOVED_PER_CHANGE = 512
const REMOVED_BYTES_PER_CHANGE = 16 * 1024 * 1024
/** Bytes of the spans that one merged span may replace: they are read to compare boundaries. */
const REPLACED_BYTES_MAX = 64 * 1024 * 1024

export interface Tables {
  readonly mailboxes: Table
  readonly items: Table
  readonly index: Table
  readonly receipts: Table
  readonly pins: Table
  readonly tokens: Table
}

export function tablesOf(vault: Vault): Tables {
  return {
    mailboxes: vault.table("relay.mailboxes"),
    items: vault.table("relay.items"),
    index: vault.table("relay.index"),
    receipts: vault.table("relay.receipts"),
    pins: vault.table("relay.pins"),
    tokens: vault.table("relay.tokens"),
  }
}

/** What every change needs to know beside its draft. */
export interface ChangeContext {
  readonly tables: Tables
  readonly limits: RelayLimits
  readonly ledger: Ledger
  readonly key: SigningKey
  nowSeconds(): number
  count(name: CounterName, by?: number): void
}

export type MailboxDraft = Draft<Mailbox | undefined, VaultOp>

/** @throws {RelayError} `RELAY_UNKNOWN_MAILBOX`, `RELAY_GONE`. */
export function live(mailbox: Mailbox | undefined): Mailbox {
  if (mailbox === undefined) {
    throw new RelayError("RELAY_UNKNOWN_MAILBOX", "no such mailbox is held here")
  }
  if (mailbox.removedAt !== undefined) {
    throw new RelayError("RELAY_GONE", "the mailbox was removed by its maker")
  }
  return mailbox
}

/**
 * Creates a mailbox; if it is there, declares its readers and work anew.
 *
 * @throws {RelayError} `RELAY_FULL`, `RELAY_QUOTA`, `RELAY_FORBIDDEN`: there, of another kind;
 * `RELAY_GONE`: it is still being removed.
 */
export function createMailbox(
  context: ChangeContext,
  draft: MailboxDraft,
  fields: CreateFields,
  random: Random,
): Mailbox {
  const there = draft.state
  const { kind, workBits } = fields
  const work = workBits === undefined ? {} : { workBits }
  if (there !== undefined && there.removedAt === undefined) {
    if (there.kind !== kind) {
      throw new RelayError("RELAY_FORBIDDEN", "the mailbox is there, and of another kind")
    }
    const { workBits: before, ...rest } = there
    const declared = fields.readers.map((reader) => readerRow(there, reader))
    if (before === workBits && isSameReaders(there.readers, declared)) return there
    const mailbox: Mailbox = { ...rest, ...work, readers: declared }
    draft.state = mailbox
    return mailbox
  }
  if (there !== undefined && (there.items > 0 || there.gone > 0)) {
    throw new RelayError("RELAY_GONE", "the mailbox is still being removed")
  }
  const sponsor = there === undefined ? fields.admission?.door : there.sponsor
  if (there === undefined) {
    context.ledger.takeMailbox(sponsor)
    draft.undo.push(() => context.ledger.book({ mailboxes: -1, sponsor }))
  }
  const sequenceId = random.bytes(16)
  const now = context.nowSeconds()
  const mailbox: Mailbox = {
    version: 1,
    key: fields.mailbox,
    kind,
    readers: fields.readers.map((reader) => ({ reader, upTo: 0 })),
    ...(sponsor && { sponsor }),
    ...work,
    sequenceId,
    next: 1,
    root: firstRoot(mailboxName(fields.mailbox), sequenceId),
    floor: 0,
    items: 0,
    bytes: 0,
    gone: 0,
    tokens: 0,
    pinBytes: 0,
    createdAt: now,
    usedAt: now,
  }
  draft.state = mailbox
  return mailbox
}

function readerRow(mailbox: Mailbox, reader: PublicKey): Mailbox["readers"][number] {
  return mailbox.readers.find((one) => equalBytes(one.reader, reader)) ?? { reader, upTo: 0 }
}

function isSameReaders(a: Mailbox["readers"], b: Mailbox["readers"]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i])
}

/**
 * Appends an item, or finds it stored already. One that was past retention before all had it is
 * stored again, at a position of its own.
 *
 * @returns Its receipt.
 * @throws {RelayError} `RELAY_QUOTA`, `RELAY_FULL`, and as `live`.
 */
export async function appendItem(
  context: ChangeContext,
  draft: MailboxDraft,
  input: { readonly bytes: Uint8Array; readonly hash: Uint8Array; readonly by?: PublicKey },
): Promise<Uint8Array> {
  const { tables, limits, ledger } = context
  const mailbox = live(draft.state)
  const name = mailboxName(mailbox.key)
  const known = await findItem(context, draft, name, input.hash)
  if (known !== undefined) {
    context.count("items_repeated_total")
    return known
  }
  const { bytes, hash, by } = input
  if (
    mailbox.bytes + bytes.length > limits.mailboxBytesMax ||
    mailbox.items >= limits.mailboxItemsMax
  ) {
    throw new RelayError("RELAY_QUOTA", "the mailbox is full")
  }
  ledger.takeItem(bytes.length, mailbox.sponsor)
  draft.undo.push(() => ledger.book({ bytes: -bytes.length, items: -1, sponsor: mailbox.sponsor }))
  const now = context.nowSeconds()
  const position = mailbox.next
  const root = nextRoot(mailbox.root, position, hash)
  const { sequenceId } = mailbox
  const receipt = signReceipt(context.key, { mailbox: name, sequenceId, position, hash, root })
  const { length } = bytes
  const row: IndexRow = { version: 1, hash, length, storedAt: now, ...(by && { by }) }
  draft.ops.push(
    tables.items.put(name, position, bytes),
    tables.index.put(name, position, encodeRecord(indexSchema, row)),
    tables.receipts.put(concatBytes([name, hash]), 0, receipt),
  )
  draft.notes.set(bytesToHex(hash), receipt)
  draft.state = {
    ...mailbox,
    next: position + 1,
    root,
    head: receipt,
    items: mailbox.items + 1,
    bytes: mailbox.bytes + bytes.length,
    usedAt: now,
  }
  draft.after.push(() => {
    context.count("items_appended_total")
    context.count("bytes_appended_total", bytes.length)
  })
  return receipt
}

/** The receipt of an item that is stored, or was and is still remembered. */
async function findItem(
  { tables }: ChangeContext,
  draft: MailboxDraft,
  name: MailboxName,
  hash: Uint8Array,
): Promise<Uint8Array | undefined> {
  const staged = draft.notes.get(bytesToHex(hash))
  if (staged !== undefined) return staged
  const receipt = await tables.receipts.get(concatBytes([name, hash]), 0)
  if (receipt === undefined || draft.state?.expired === undefined) return receipt
  const row = await tables.index.get(name, receiptFields(receipt).position)
  return row && decodeRecord(indexSchema, row).isExpired ? undefined : receipt
}

/**
 * Notes that a reader has everything up to a position, durably.
 *
 * @throws {RelayError} `RELAY_FORBIDDEN`: it is none of the declared readers.
 */
export function acknowledgeUpTo(draft: MailboxDraft, reader: PublicKey, upTo: number): void {
  const mailbox = live(draft.state)
  if (mailbox.kind === "archive") return
  const row = mailbox.readers.find((one) => equalBytes(one.reader, reader))
  if (row === undefined) {
    throw new RelayError("RELAY_FORBIDDEN", "only a declared reader's acknowledgement counts")
  }
  const reached = Math.min(upTo, mailbox.next - 1)
  if (reached <= row.upTo) return
  draft.state = {
    ...mailbox,
    readers: mailbox.readers.map((one) => (one === row ? { ...row, upTo: reached } : one)),
  }
}

/** Up to which position every reader has acknowledged; nothing, if nobody was declared. */
export function acknowledgedByAll(mailbox: Mailbox): number {
  if (mailbox.kind === "archive" || mailbox.readers.length === 0) return 0
  return Math.min(...mailbox.readers.map((one) => one.upTo))
}

/**
 * Removes some of the items that everybody acknowledged, that are past retention, or, in a
 * removed mailbox, all.
 *
 * @returns Whether there may be more to remove.
 */
export async function removeDue(context: ChangeContext, draft: MailboxDraft): Promise<boolean> {
  const mailbox = draft.state
  if (mailbox === undefined) return false
  const isRemoved = mailbox.removedAt !== undefined
  if (mailbox.kind === "archive" && !isRemoved) return false
  const name = mailboxName(mailbox.key)
  const acknowledged = acknowledgedByAll(mailbox)
  const expiry = context.nowSeconds() - context.limits.retainDays * 86_400
  const removal = createRemoval(context, draft, mailbox)
  let acknowledgedCount = 0
  let expiredCount = 0
  let bytes = 0
  let hasMore = false
  let { floor, expired } = mailbox
  // What this batch itself has staged is not in the table yet, so it waits for a later one.
  const to = draft.base?.next ?? 1
  const range = { from: floor + 1, to, limit: REMOVED_PER_CHANGE }
  for await (const { order, value } of listIndex(context, name, range)) {
    const isAcknowledged = order <= acknowledged
    hasMore = isRemoved || isAcknowledged || value.storedAt <= expiry
    if (!hasMore) break
    const isExpired = !isRemoved && !isAcknowledged
    removal.add(order, value, isExpired)
    if (isAcknowledged) acknowledgedCount++
    else expiredCount++
    if (isExpired) expired = order
    floor = order
    bytes += value.length
    if (bytes > REMOVED_BYTES_PER_CHANGE) break
  }
  if (floor === mailbox.floor) return false
  draft.state = { ...removal.state(), floor, ...(expired !== undefined && { expired }) }
  draft.after.push(() => {
    context.count("items_acknowledged_total", acknowledgedCount)
    context.count("items_expired_total", expiredCount)
  })
  return hasMore
}

/**
 * Forgets items that were removed long ago, or too many of them.
 *
 * @returns Whether there may be more to forget.
 */
export async function forgetRemoved(context: ChangeContext, draft: MailboxDraft): Promise<boolean> {
  const mailbox = draft.state
  if (mailbox === undefined || mailbox.gone === 0) return false
  const { tables, limits } = context
  const name = mailboxName(mailbox.key)
  const expiry = context.nowSeconds() - limits.retainDays * 86_400
  let { gone } = mailbox
  const to = draft.base?.next ?? 1
  for await (const { order, value } of listIndex(context, name, { from: 1, to, limit: 1024 })) {
    if (value.removedAt === undefined) continue
    const isOld = value.removedAt <= expiry || mailbox.removedAt !== undefined
    if (!isOld && gone <= limits.rememberedMax) continue
    draft.ops.push(tables.index.del(name, order))
    const about = concatBytes([name, value.hash])
    const receipt = draft.notes.get(bytesToHex(value.hash)) ?? (await tables.receipts.get(about, 0))
    // One that was brought again has its receipt from then.
    if (receipt && receiptFields(receipt).position === order) {
      draft.ops.push(tables.receipts.del(about, 0))
    }
    gone--
  }
  if (gone === mailbox.gone) return false
  draft.state = { ...mailbox, gone }
  return gone > 0
}

/**
 * Removes the spans of an archive that a merged span replaces; those that are gone already are
 * passed over. Both boundary hashes must be those of what it replaces, in unbroken lines, and
 * somebody other than who appended it must ask, or a day have passed.
 *
 * @throws {RelayError} `RELAY_FORBIDDEN`, `RELAY_TOO_LARGE`.
 */
export async function replaceCovered(
  context: ChangeContext,
  draft: MailboxDraft,
  input: { readonly merged: number; readonly covered: readonly number[]; readonly by: PublicKey },
): Promise<void> {
  const mailbox = live(draft.state)
  const name = mailboxName(mailbox.key)
  const refused = (detail: string): RelayError => new RelayError("RELAY_FORBIDDEN", detail)
  if (mailbox.kind !== "archive") throw refused("only an archive's spans are replaced")
  const merged = await itemAt(context, name, input.merged)
  if (merged === undefined) throw refused("the merged span is not held")
  const age = context.nowSeconds() - merged.row.storedAt
  const isConfirmed = merged.row.by !== undefined && !equalBytes(merged.row.by, input.by)
  if (!isConfirmed && age < context.limits.mergeAloneSeconds) {
    throw refused("another member must confirm the merge, or a day pass")
  }
  const covered: { position: number; row: IndexRow; header: SpanHeader }[] = []
  let bytes = 0
  for (const position of new Set(input.covered)) {
    if (position >= mailbox.next || position === input.merged) continue
    const item = await itemAt(context, name, position)
    if (item === undefined) continue
    bytes += item.bytes.length
    if (bytes > REPLACED_BYTES_MAX) throw new RelayError("RELAY_TOO_LARGE", "too much at once")
    covered.push({ position, row: item.row, header: headerOf(item.bytes) })
  }
  if (covered.length === 0) return
  const headers = covered.map((one) => one.header)
  if (!isCovering(headerOf(merged.bytes), headers)) {
    throw refused("the merged span's boundaries are not those of what it replaces")
  }
  const removal = createRemoval(context, draft, mailbox)
  for (const { position, row } of covered) removal.add(position, row)
  draft.state = removal.state()
  draft.after.push(() => context.count("items_replaced_total", covered.length))
}

/** An index row's item, if it is still held. */
export async function itemAt(
  { tables }: ChangeContext,
  name: MailboxName,
  position: number,
): Promise<{ readonly row: IndexRow; readonly bytes: Uint8Array } | undefined> {
  const record = await tables.index.get(name, position)
  const bytes = record && (await tables.items.get(name, position))
  if (record === undefined || bytes === undefined) return undefined
  return { row: decodeRecord(indexSchema, record), bytes }
}

/** Index rows from `from` on, before `to`. */
export async function* listIndex(
  { tables }: ChangeContext,
  name: MailboxName,
  range: { readonly from: number; readonly to: number; readonly limit: number },
): AsyncIterable<{ readonly order: number; readonly value: IndexRow }> {
  if (range.from >= range.to) return
  for await (const { order, value } of tables.index.list(name, range)) {
    yield { order, value: decodeRecord(indexSchema, value) }
  }
}

/** Removes items one by one and keeps count; index rows already without item are left. */
function createRemoval(
  context: ChangeContext,
  draft: MailboxDraft,
  mailbox: Mailbox,
): { add(position: number, row: IndexRow, isExpired?: boolean): void; state(): Mailbox } {
  const { tables, ledger } = context
  const name = mailboxName(mailbox.key)
  const removedAt = context.nowSeconds()
  let items = 0
  let bytes = 0
  return {
    add(position, row, isExpired = false) {
      if (row.removedAt !== undefined) return
      const gone: IndexRow = { ...row, removedAt, ...(isExpired && { isExpired }) }
      draft.ops.push(
        tables.items.del(name, position),
        tables.index.put(name, position, encodeRecord(indexSchema, gone)),
      )
      items++
      bytes += row.length
    },
    state() {
      if (items > 0) {
        const { sponsor } = mailbox
        const back = { bytes: -bytes, items: -items, sponsor }
        draft.after.push(() => ledger.book(back))
      }
      return {
        ...mailbox,
        items: mailbox.items - items,
        bytes: mailbox.bytes - bytes,
        gone: mailbox.gone + items,
      }
    },
  }
}

/** @throws {RelayError} `RELAY_FORBIDDEN`: a span of a version unknown here replaces nothing. */
function headerOf(span: Uint8Array): SpanHeader {
  try {
    return readSpanHeader(span)
  } catch (cause) {
    if (!(cause instanceof LogError)) throw cause
    throw new RelayError("RELAY_FORBIDDEN", "not a span that can be compared", { cause })
  }
}
