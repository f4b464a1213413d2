/**
 * The mailboxes of one relay: what it holds, on a vault.
 *
 * Each mailbox has a commit lane, so its positions have no gaps, its root runs over exactly what
 * was flushed, and quotas hold exactly. A receipt leaves only after the flush. Who may ask for
 * what is decided above (`server.ts`); what is expected to be refused is a `RelayError`.
 *
 * One process holds a vault. Mailboxes' own records, about 1 kB each, stay in memory; items do
 * not.
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { PublicKey, SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { MailboxName } from "@fulcrum/log/ids"
import { mailboxName } from "@fulcrum/log/mailbox"
import { spanHash } from "@fulcrum/log/span"
import type { Vault, VaultOp } from "@fulcrum/store/vault"
import { asRelayError } from "./as-relay-error.ts"
import { type CommitLane, createCommitLane } from "./commit-lane.ts"
import { registerTokens, spendToken } from "./door-tokens.ts"
import { createLedger } from "./ledger.ts"
import type { RelayLimits } from "./limits.ts"
import {
  acknowledgeUpTo,
  appendItem,
  type ChangeContext,
  createMailbox,
  forgetRemoved,
  live,
  type MailboxDraft,
  removeDue,
  replaceCovered,
  tablesOf,
} from "./mailbox-changes.ts"
import { readPage } from "./mailbox-pages.ts"
import {
  decodeRecord,
  encodeRecord,
  type Mailbox,
  mailboxSchema,
  TOKEN_MAILBOX,
  TOKEN_MESSAGE,
  TOKEN_REGISTERED,
  tokenSchema,
} from "./mailbox-records.ts"
import type { RelayMetrics } from "./metrics.ts"
import type { CreateFields, KnockAdmission, RelayPage } from "./protocol.ts"
import { RelayError } from "./relay-error.ts"
import { checkWork } from "./work.ts"

const DAY_SECONDS = 86_400
const TOKEN_ORDERS = [TOKEN_REGISTERED, TOKEN_MESSAGE, TOKEN_MAILBOX] as const

export interface MailboxesOptions {
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
  /** The relay's transport key, which signs receipts. */
  readonly key: SigningKey
  readonly limits: RelayLimits
  readonly metrics: RelayMetrics
}

export interface Mailboxes {
  readonly key: SigningKey
  /** @throws {RelayError} `RELAY_UNKNOWN_MAILBOX`, `RELAY_GONE`. */
  get(name: MailboxName): Mailbox
  has(name: MailboxName): boolean
  /** Position of its next append; 0 if it is not held. */
  next(name: MailboxName): number
  /** Creates it; if it is there, declares its readers and work anew. */
  create(fields: CreateFields): Promise<Mailbox>
  /** Notes that it is in use, at most once a day. */
  touch(name: MailboxName): Promise<void>
  /** @returns The receipt, once flushed; the same one for the same bytes. */
  append(name: MailboxName, item: { bytes: Uint8Array; by: PublicKey }): Promise<Uint8Array>
  read(name: MailboxName, range: { from: number; bytesMax: number }): Promise<RelayPage>
  acknowledge(name: MailboxName, reader: PublicKey, upTo: number): Promise<void>
  replace(
    name: MailboxName,
    input: { merged: number; covered: readonly number[]; by: PublicKey },
  ): Promise<void>
  pin(name: MailboxName, object: Uint8Array): Promise<void>
  pinned(name: MailboxName): Promise<Uint8Array | undefined>
  registerTokens(name: MailboxName, hashes: readonly Uint8Array[]): Promise<void>
  /** A stranger's message to a front door. */
  knock(door: MailboxName, admission: KnockAdmission, message: Uint8Array): Promise<Uint8Array>
  remove(name: MailboxName): Promise<void>
  /** Calls `listener` after each append to the mailbox; returns what ends that. */
  subscribe(name: MailboxName, listener: () => void): () => void
  /** Removes what is past its time. Goes on where it was if it is stopped. */
  sweep(signal?: AbortSignal): Promise<void>
}

interface Entry {
  /** As last flushed. */
  mailbox: Mailbox | undefined
  readonly lane: CommitLane<Mailbox | undefined, VaultOp>
  readonly listeners: Set<() => void>
}

/**
 * @throws {RelayError} `RELAY_DAMAGED`: the records are of another version.
 * @throws {VaultError} as the vault's reads.
 */
export async function openMailboxes(options: MailboxesOptions): Promise<Mailboxes> {
  const { vault, clock, random, key, limits, metrics } = options
  const tables = tablesOf(vault)
  const ledger = createLedger(limits)
  const entries = new Map<string, Entry>()
  const nowSeconds = (): number => Math.floor(clock.now() / 1000)
  const context: ChangeContext = {
    tables,
    limits,
    ledger,
    key,
    nowSeconds,
    count: (name, by) => metrics.count(name, by),
  }
  let tokensSweptAt = 0

  for await (const { group, value } of tables.mailboxes.groups()) {
    const mailbox = decodeRecord(mailboxSchema, value)
    entryAt(mailboxName(mailbox.key), mailbox)
    if (!equalBytes(group, mailboxName(mailbox.key))) {
      throw new RelayError("RELAY_DAMAGED", "a mailbox lies under another's name")
    }
    book(undefined, mailbox)
  }
  showTotals()

  function entryAt(name: MailboxName, known?: Mailbox): Entry {
    const id = bytesToHex(name)
    const there = entries.get(id)
    if (there !== undefined) return there
    const lane = createCommitLane<Mailbox | undefined, VaultOp>({
      load: () => load(name, entry),
      flush: (draft) => flush(name, entry, draft),
      failed: (cause) => asRelayError(cause) ?? cause,
    })
    const entry: Entry = { mailbox: known, lane, listeners: new Set() }
    entries.set(id, entry)
    return entry
  }

  function find(name: MailboxName): Mailbox | undefined {
    return entries.get(bytesToHex(name))?.mailbox
  }

  /** Reads the durable record; after a failed flush it may differ from what was thought. */
  async function load(name: MailboxName, entry: Entry): Promise<Mailbox | undefined> {
    const record = await tables.mailboxes.get(name)
    const mailbox = record && decodeRecord(mailboxSchema, record)
    book(entry.mailbox, mailbox)
    entry.mailbox = mailbox
    return mailbox
  }

  async function flush(name: MailboxName, entry: Entry, draft: MailboxDraft): Promise<void> {
    const { state } = draft
    const own = state
      ? tables.mailboxes.put(name, 0, encodeRecord(mailboxSchema, state))
      : tables.mailboxes.del(name, 0)
    const begun = clock.now()
    await vault.write([...draft.ops, own])
    metrics.flushed((clock.now() - begun) / 1000)
    const hasGrown = (state?.next ?? 0) > (entry.mailbox?.next ?? 0)
    entry.mailbox = state
    draft.after.push(showTotals)
    if (hasGrown) draft.after.push(() => notify(entry))
  }

  function book(before: Mailbox | undefined, after: Mailbox | undefined): void {
    for (const [mailbox, sign] of [
      [before, -1],
      [after, 1],
    ] as const) {
      if (mailbox === undefined) continue
      const { bytes, items, sponsor } = mailbox
      ledger.book({ bytes: sign * bytes, items: sign * items, mailboxes: sign, sponsor })
    }
  }

  function showTotals(): void {
    metrics.gauge("bytes", ledger.bytes)
    metrics.gauge("items", ledger.items)
    metrics.gauge("mailboxes", ledger.mailboxes)
  }

  /** Runs a change until it says that there is no more. */
  async function exhaust(
    entry: Entry,
    change: (context: ChangeContext, draft: MailboxDraft) => Promise<boolean>,
  ): Promise<void> {
    while (await entry.lane.run((draft) => change(context, draft))) {
      // Each round is a flush of its own, between which others have their turn.
    }
  }

  async function purge(entry: Entry): Promise<void> {
    await exhaust(entry, removeDue)
    await exhaust(entry, forgetRemoved)
  }

  async function create(fields: CreateFields): Promise<Mailbox> {
    const name = mailboxName(fields.mailbox)
    const { admission } = fields
    if (find(name) === undefined && admission !== undefined) {
      if (equalBytes(admission.door, name)) throw unknownToken()
      const door = knownEntry(admission.door)
      if (door === undefined) throw unknownToken()
      const { token } = admission
      await door.lane.run((draft) =>
        spendToken(context, draft, { token, on: TOKEN_MAILBOX, subject: name }),
      )
    }
    const entry = entryAt(name)
    if (entry.mailbox?.removedAt !== undefined) await purge(entry)
    return entry.lane.run((draft) => {
      const mailbox = createMailbox(context, draft, fields, random)
      if (draft.base === undefined) {
        draft.after.push(() => metrics.count("mailboxes_created_total"))
      }
      return mailbox
    })
  }

  function knownEntry(name: MailboxName): Entry | undefined {
    const entry = entries.get(bytesToHex(name))
    return entry?.mailbox === undefined ? undefined : entry
  }

  /** @throws {RelayError} `RELAY_UNKNOWN_MAILBOX`, `RELAY_GONE`. */
  function liveEntry(name: MailboxName): Entry {
    live(find(name))
    return entryAt(name)
  }

  async function changeOf<T>(
    name: MailboxName,
    change: (draft: MailboxDraft) => T | Promise<T>,
    bytes = 0,
  ): Promise<T> {
    return liveEntry(name).lane.run(change, bytes)
  }

  return {
    key,
    get: (name) => live(find(name)),
    has: (name) => find(name) !== undefined,
    next: (name) => find(name)?.next ?? 0,
    create,
    async touch(name) {
      if (nowSeconds() - live(find(name)).usedAt < DAY_SECONDS) return
      await changeOf(name, (draft) => {
        draft.state = { ...live(draft.state), usedAt: nowSeconds() }
      })
    },
    async append(name, { bytes, by }) {
      if (live(find(name)).kind === "door") {
        throw new RelayError("RELAY_FORBIDDEN", "a front door takes messages, not spans")
      }
      const hash = spanHash(bytes)
      return changeOf(
        name,
        (draft) => appendItem(context, draft, { bytes, hash, by }),
        bytes.length,
      )
    },
    async read(name, range) {
      const page = await readPage(context, live(find(name)), name, range)
      metrics.count("items_read_total", page.items.length)
      metrics.count(
        "bytes_read_total",
        page.items.reduce((sum, item) => sum + item.bytes.length, 0),
      )
      return page
    },
    async acknowledge(name, reader, upTo) {
      await changeOf(name, (draft) => acknowledgeUpTo(draft, reader, upTo))
      await exhaust(entryAt(name), removeDue)
    },
    replace: (name, input) => changeOf(name, (draft) => replaceCovered(context, draft, input)),
    pin: (name, object) =>
      changeOf(name, (draft) => {
        draft.state = { ...live(draft.state), pinBytes: object.length, usedAt: nowSeconds() }
        draft.ops.push(tables.pins.put(name, 0, object))
      }),
    async pinned(name) {
      return live(find(name)).pinBytes === 0 ? undefined : tables.pins.get(name)
    },
    registerTokens: (name, hashes) =>
      changeOf(name, (draft) => registerTokens(context, draft, hashes)),
    async knock(door, admission, message) {
      const { kind, workBits } = live(find(door))
      if (kind !== "door") throw new RelayError("RELAY_FORBIDDEN", "not a front door")
      const hash = spanHash(message)
      if (
        admission.kind === "work" &&
        (workBits === undefined || !checkWork(door, hash, admission.value, workBits))
      ) {
        throw new RelayError("RELAY_WORK", "the front door asks for a token, or for more work")
      }
      return changeOf(
        door,
        async (draft) => {
          if (admission.kind === "token") {
            const token = { token: admission.value, on: TOKEN_MESSAGE, subject: hash } as const
            await spendToken(context, draft, token)
          }
          return appendItem(context, draft, { bytes: message, hash })
        },
        message.length,
      )
    },
    async remove(name) {
      const entry = liveEntry(name)
      await entry.lane.run((draft) => {
        const mailbox = live(draft.state)
        if (mailbox.pinBytes > 0) draft.ops.push(tables.pins.del(name, 0))
        draft.state = { ...mailbox, removedAt: nowSeconds(), pinBytes: 0 }
      })
      for (const listener of entry.listeners) listener()
      await purge(entry)
    },
    subscribe(name, listener) {
      const { listeners } = liveEntry(name)
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    sweep,
  }

  async function sweep(signal?: AbortSignal): Promise<void> {
    for (const entry of [...entries.values()]) {
      signal?.throwIfAborted()
      if (entry.mailbox === undefined) continue
      await purge(entry)
      await entry.lane.run((draft) => {
        if (draft.state && isForgettable(draft.state, limits, nowSeconds())) {
          const { sponsor } = draft.state
          draft.state = undefined
          draft.after.push(() => ledger.book({ mailboxes: -1, sponsor }))
        }
      })
    }
    for (const [id, entry] of entries) {
      if (entry.mailbox === undefined && entry.lane.idle) entries.delete(id)
    }
    if (nowSeconds() - tokensSweptAt >= DAY_SECONDS) {
      tokensSweptAt = nowSeconds()
      await sweepTokens(signal)
    }
  }

  /** Tokens last as long as capabilities do, and no longer than their front door. */
  async function sweepTokens(signal?: AbortSignal): Promise<void> {
    const expiry = nowSeconds() - limits.idleDays * DAY_SECONDS
    for await (const { group, order, value } of tables.tokens.groups()) {
      signal?.throwIfAborted()
      if (order !== TOKEN_REGISTERED) continue
      const { door, registeredAt } = decodeRecord(tokenSchema, value)
      const mailbox = find(door)
      const isLive = mailbox !== undefined && mailbox.removedAt === undefined
      if (isLive && registeredAt > expiry) continue
      const ops = TOKEN_ORDERS.map((at) => tables.tokens.del(group, at))
      if (!isLive) await vault.write(ops)
      else {
        await changeOf(door, (draft) => {
          const now = live(draft.state)
          draft.ops.push(...ops)
          draft.state = { ...now, tokens: Math.max(0, now.tokens - 1) }
        })
      }
    }
  }
}

/** Nothing in it, and nobody came for a long time; or removed long enough to be forgotten. */
function isForgettable(mailbox: Mailbox, limits: RelayLimits, now: number): boolean {
  const isEmpty = mailbox.items === 0 && mailbox.gone === 0 && mailbox.pinBytes === 0
  if (!isEmpty) return false
  const idle = now - mailbox.usedAt
  if (mailbox.removedAt !== undefined)
    return now - mailbox.removedAt > limits.idleDays * DAY_SECONDS
  if (mailbox.next === 1 && mailbox.tokens === 0) return idle > limits.retainDays * DAY_SECONDS
  return idle > limits.idleDays * DAY_SECONDS
}

function notify(entry: Entry): void {
  for (const listener of entry.listeners) listener()
}

function unknownToken(): RelayError {
  return new RelayError("RELAY_TOKEN_UNKNOWN", "no such front door is held here")
}
