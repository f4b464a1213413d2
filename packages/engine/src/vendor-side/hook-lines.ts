/**
 * What vendors' hooks are to get: for each customer and hook a line of events in order, on disk and,
 * without their bodies, in memory; and those that were given up.
 *
 * | table          | group                              | order  | value         |
 * | -------------- | ---------------------------------- | ------ | ------------- |
 * | `vendor.queue` | customer's id (16) and hook's id (8) | rising | `eventSchema` |
 * | `vendor.dead`  | the same                           | of the event | `eventSchema` |
 *
 * What is in memory is changed after the disk is. A write that failed may have landed all the same:
 * what is not found on disk was settled by it.
 *
 * @module
 */
import { bytesToHex, concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { WebhookEvent } from "@fulcrum/relations/webhook-event"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { VendorError } from "./vendor-error.ts"
import {
  EVENT_BYTES_MAX,
  eventSchema,
  type StoredEvent,
  type StoredHook,
} from "./vendor-hook-records.ts"
import { decodeStored, encodeStored } from "./vendor-records.ts"

/** Events on their way to one hook for one customer, dead ones included. */
export const LINE_EVENTS_MAX = 1024

const CUSTOMER_ID_BYTES = 16

/** An event, without its body. */
export interface Waiting {
  readonly order: number
  readonly id: string
  /** The chain hash of the entry that it is about, in hex. */
  readonly about: string | undefined
  readonly queuedMs: number
  readonly code?: string | undefined
}

/** What one hook is to get about one customer. */
export interface Line {
  readonly key: string
  readonly group: Uint8Array
  readonly customer: Uint8Array
  readonly hook: StoredHook
  waiting: Waiting[]
  dead: Waiting[]
  attempts: number
  nextMs: number
  isPosting: boolean
  lastCode: string | undefined
}

/** An event, with its body. */
export interface WaitingEvent {
  readonly waiting: Waiting
  readonly event: StoredEvent
}

/** What is to be written for an event, and what to do once it is. */
export interface StagedEvent {
  readonly ops: readonly VaultOp[]
  commit(): void
}

export class HookLines {
  readonly #vault: Vault
  readonly #queue: Table
  readonly #dead: Table
  readonly #lines = new Map<string, Line>()
  #lastOrder = 0

  constructor(vault: Vault) {
    this.#vault = vault
    this.#queue = vault.table("vendor.queue")
    this.#dead = vault.table("vendor.dead")
  }

  /** @throws {VendorError} `VENDOR_DAMAGED`. */
  async load(hookOf: (id: Uint8Array) => StoredHook | undefined): Promise<void> {
    for (const [table, list] of this.#lists) {
      for await (const { group, order, value } of table.groups()) {
        const hook = hookOf(group.subarray(CUSTOMER_ID_BYTES))
        if (hook === undefined) throw new VendorError("VENDOR_DAMAGED", "an event without its hook")
        const line = this.at(group.slice(0, CUSTOMER_ID_BYTES), hook)
        line[list].push(waitingOf(order, value))
        this.#lastOrder = Math.max(this.#lastOrder, order)
      }
    }
  }

  /** As they are now; those that were served last are at the end. */
  get all(): readonly Line[] {
    return [...this.#lines.values()]
  }

  /** `undefined`: nothing waits there, and nothing was given up. */
  get(customer: Uint8Array, hook: StoredHook): Line | undefined {
    return this.#lines.get(lineKey(customer, hook))
  }

  /** Whether an event about an entry is on its way to one of these hooks, or was given up. */
  isPending(customer: Uint8Array, hooks: Iterable<StoredHook>, about: string): boolean {
    return this.#eventsOf(customer, hooks).some((one) => one.about === about)
  }

  /** The same of another event than this one. */
  isElsewhere({ customer }: Line, hooks: Iterable<StoredHook>, first: Waiting): boolean {
    return this.#eventsOf(customer, hooks).some(
      ({ order, about }) => order !== first.order && about === first.about,
    )
  }

  /** Whether each of these hooks takes one more event about this customer. */
  hasRoom(customer: Uint8Array, hooks: readonly StoredHook[]): boolean {
    return hooks.every((hook) => this.#eventsOf(customer, [hook]).length < LINE_EVENTS_MAX)
  }

  #eventsOf(customer: Uint8Array, hooks: Iterable<StoredHook>): readonly Waiting[] {
    return [...hooks].flatMap((hook) => {
      const line = this.get(customer, hook)
      return line === undefined ? [] : [...line.waiting, ...line.dead]
    })
  }

  at(customer: Uint8Array, hook: StoredHook): Line {
    const key = lineKey(customer, hook)
    const there = this.#lines.get(key)
    if (there !== undefined) return there
    const line: Line = {
      key,
      group: concatBytes([customer, hook.id]),
      customer,
      hook,
      waiting: [],
      dead: [],
      attempts: 0,
      nextMs: 0,
      isPosting: false,
      lastCode: undefined,
    }
    this.#lines.set(key, line)
    return line
  }

  toEnd(line: Line): void {
    this.#lines.delete(line.key)
    this.#lines.set(line.key, line)
  }

  /** An empty line is none. */
  tidy(line: Line): void {
    if (line.waiting.length === 0 && line.dead.length === 0) this.#lines.delete(line.key)
  }

  /** Takes what the disk holds of a line. */
  async reread(line: Line): Promise<void> {
    for (const [table, list] of this.#lists) {
      const found: Waiting[] = []
      for await (const { order, value } of table.list(line.group)) {
        found.push(waitingOf(order, value))
      }
      line[list] = found
    }
    this.tidy(line)
  }

  /** The same event for each of these hooks. */
  stage(
    hooks: readonly StoredHook[],
    queued: {
      readonly customer: Uint8Array
      readonly event: WebhookEvent
      readonly about: Uint8Array | undefined
      readonly queuedMs: number
    },
  ): StagedEvent {
    const { customer, event, about, queuedMs } = queued
    const staged = hooks.map((hook) => ({ hook, order: ++this.#lastOrder }))
    const value = encodeStored(eventSchema, {
      id: event.id,
      about,
      queuedMs,
      body: utf8ToBytes(event.body),
    })
    const chain = about && bytesToHex(about)
    return {
      ops: staged.map(({ hook, order }) =>
        this.#queue.put(concatBytes([customer, hook.id]), order, value),
      ),
      commit: () => {
        for (const { hook, order } of staged) {
          add(this.at(customer, hook).waiting, { order, id: event.id, about: chain, queuedMs })
        }
      },
    }
  }

  /** Events that wait, with their bodies; those that the disk does not have any more are settled. */
  async events(line: Line, some: readonly Waiting[]): Promise<readonly WaitingEvent[]> {
    const places = some.map(({ order }) => ({ group: line.group, order }))
    const stored = await this.#queue.getMany(places)
    const events: WaitingEvent[] = []
    for (const [i, waiting] of some.entries()) {
      const value = stored[i]
      // The write that took it from here failed, and landed all the same.
      if (value === undefined) await this.#settledElsewhere(line, waiting)
      else events.push({ waiting, event: readEvent(value) })
    }
    return events
  }

  /** What takes a delivered event from its line; to be followed by `settled`. */
  opToSettle(line: Line, { order }: Waiting): VaultOp {
    return this.#queue.del(line.group, order)
  }

  settled(line: Line, first: Waiting): void {
    line.waiting = line.waiting.filter(({ order }) => order !== first.order)
    line.attempts = 0
    line.nextMs = 0
    line.lastCode = undefined
  }

  async #settledElsewhere(line: Line, first: Waiting): Promise<void> {
    const dead = await this.#dead.get(line.group, first.order)
    this.settled(line, first)
    if (dead !== undefined) add(line.dead, waitingOf(first.order, dead))
  }

  /** Moves events to the dead letters. */
  async bury(line: Line, events: readonly WaitingEvent[], code: string): Promise<void> {
    const { group } = line
    const short = code.slice(0, 64)
    await this.#vault.write(
      events.flatMap(({ waiting: { order }, event }) => [
        this.#queue.del(group, order),
        this.#dead.put(group, order, encodeStored(eventSchema, { ...event, code: short })),
      ]),
    )
    const buried = new Set(events.map(({ waiting }) => waiting.order))
    line.waiting = line.waiting.filter(({ order }) => !buried.has(order))
    for (const { waiting } of events) add(line.dead, { ...waiting, code: short })
  }

  /** Moves a dead letter back into its line, as if it were queued at that time. */
  async revive(line: Line, { order }: Waiting, queuedMs: number): Promise<void> {
    const stored = await this.#dead.get(line.group, order)
    // Else the write that revived it failed, and landed all the same.
    if (stored !== undefined) {
      const { code: _, ...event } = readEvent(stored)
      await this.#vault.write([
        this.#dead.del(line.group, order),
        this.#queue.put(line.group, order, encodeStored(eventSchema, { ...event, queuedMs })),
      ])
    }
    line.dead = line.dead.filter((other) => other.order !== order)
    const revived = await this.#queue.get(line.group, order)
    if (revived !== undefined) add(line.waiting, waitingOf(order, revived))
  }

  get #lists(): readonly (readonly [Table, "waiting" | "dead"])[] {
    return [
      [this.#queue, "waiting"],
      [this.#dead, "dead"],
    ]
  }
}

/** Keeps a list by order, each once: what was read from disk may have come before its commit. */
function add(list: Waiting[], one: Waiting): void {
  if (list.some(({ order }) => order === one.order)) return
  list.push(one)
  list.sort((a, b) => a.order - b.order)
}

function readEvent(value: Uint8Array): StoredEvent {
  return decodeStored(eventSchema, value, EVENT_BYTES_MAX * 2)
}

function waitingOf(order: number, value: Uint8Array): Waiting {
  const { id, about, queuedMs, code } = readEvent(value)
  return { order, id, about: about && bytesToHex(about), queuedMs, code }
}

function lineKey(customer: Uint8Array, hook: StoredHook): string {
  return bytesToHex(customer) + bytesToHex(hook.id)
}
