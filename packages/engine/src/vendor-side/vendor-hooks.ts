/**
 * Webhooks: a durable queue of events for each customer and hook, posted in order.
 *
 * An event is queued in the same write as what it tells of, and deleted in the same write as what
 * follows from its delivery. Its id and body never change; each attempt has its own time. What
 * fails is tried again after the waits below, each stretched or shortened by up to a fifth so that
 * customers do not come back in step; after {@link GIVE_UP_MS} it becomes a dead letter, which
 * somebody may replay. An answer of 410 disables the hook, and what waited for it is dead.
 *
 * The lines are in `hook-lines.ts`, the values in `vendor-hook-records.ts`.
 *
 * Source: DESIGN, "Relations" (webhooks) and "Vendor side"; Standard Webhooks.
 *
 * @module
 */

import { bytesToHex, bytesToUtf8, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { type Random, randomBelow } from "@fulcrum/crypto/random"
import type { WebhookEvent } from "@fulcrum/relations/webhook-event"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { errorCode } from "../failures/error-code.ts"
import { Mutex } from "../waiting/mutex.ts"
import { inScope } from "../waiting/scope.ts"
import { Signal } from "../waiting/signal.ts"
import {
  HookLines,
  type Line,
  type StagedEvent,
  type Waiting,
  type WaitingEvent,
} from "./hook-lines.ts"
import { VendorError } from "./vendor-error.ts"
import {
  hookSchema,
  hookUrl,
  newSecret,
  type StoredEvent,
  type StoredHook,
} from "./vendor-hook-records.ts"
import { decodeStored, encodeStored } from "./vendor-records.ts"

/** Waits after the first failure, the second and so on; the last one repeats. */
export const RETRY_SECONDS: readonly number[] = [1, 5, 30, 120, 600, 1800, 3600]
/** The longest wait, stretched as far as it may be. */
const RETRY_MS_MAX = Math.max(...RETRY_SECONDS) * 1200
/** How long an event is tried before it is a dead letter. */
export const GIVE_UP_MS: number = 7 * 86_400_000
/** How long an endpoint may take to answer. */
export const ATTEMPT_MS_MAX = 20_000
/** Hooks of one vendor: each gets every event. */
export const HOOKS_MAX = 16
/** Posts under way to one hook: neighbours of a slow customer's events get their turn. */
const POSTS_PER_HOOK_MAX = 8
/** Records moved in one write when a hook is disabled. */
const MOVED_MAX = 64

/** Posts one event; signed by the adapter, as Standard Webhooks says. */
export interface WebhookPost {
  /** @throws Anything: the event is tried again; an error's `code` is shown. */
  post(request: {
    readonly url: string
    readonly id: string
    /** Seconds since 1970, of this attempt. */
    readonly timestamp: number
    readonly body: string
    /** `whsec_…` */
    readonly secret: string
    readonly signal: AbortSignal
  }): Promise<{ readonly status: number }>
}

export interface Hook {
  readonly id: string
  readonly url: string
  readonly isDisabled: boolean
}

/** An event that is on its way or was given up. */
export interface QueuedEvent {
  readonly id: string
  readonly customer: string
  readonly hook: string
  readonly url: string
  readonly queuedMs: number
  readonly attempts: number
  /** When it is tried next; absent: it waits for the one before it, or is a dead letter. */
  readonly nextMs?: number | undefined
  /** What the last attempt came to: an error's code, or `HTTP_` and the status. */
  readonly lastCode?: string | undefined
}

export interface VendorHooksOptions {
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
  readonly post: WebhookPost
  readonly changed: () => void
  /** Told of faults that are this program's own. */
  readonly onFault: (error: unknown) => void
}

/**
 * Asked to write `ops`, which delete a delivered event; nothing else is due about its entry if
 * `isLast`.
 */
export type Delivered = (delivered: {
  readonly customer: Uint8Array
  readonly about: Uint8Array | undefined
  readonly isLast: boolean
  readonly ops: readonly VaultOp[]
}) => Promise<void>

export class VendorHooks {
  readonly #options: VendorHooksOptions
  readonly #hooksTable: Table
  readonly #hooks = new Map<string, StoredHook>()
  readonly #lines: HookLines
  readonly #posting = new Map<string, number>()
  readonly #wake = new Signal()
  readonly #mutex = new Mutex()

  private constructor(options: VendorHooksOptions) {
    this.#options = options
    this.#hooksTable = options.vault.table("vendor.hooks")
    this.#lines = new HookLines(options.vault)
  }

  static async open(options: VendorHooksOptions): Promise<VendorHooks> {
    const hooks = new VendorHooks(options)
    await hooks.#load()
    return hooks
  }

  get all(): readonly Hook[] {
    return [...this.#hooks.values()].map(shown)
  }

  /**
   * @returns The hook and its secret. One that this address has already stays as it is, and is
   * enabled again if it was not.
   * @throws {VendorError} `HOOK_URL_INVALID`, `HOOK_LIMIT`.
   */
  add(url: string): Promise<{ readonly hook: Hook; readonly secret: string }> {
    return this.#mutex.run(async () => {
      const target = hookUrl(url)
      const there = [...this.#hooks.values()].find((hook) => hook.url === target)
      // Whoever was cut off before reading the secret adds it again.
      if (there !== undefined && !there.isDisabled)
        return { hook: shown(there), secret: there.secret }
      if (there === undefined && this.#hooks.size >= HOOKS_MAX) {
        throw new VendorError("HOOK_LIMIT", `at most ${HOOKS_MAX} hooks`)
      }
      const { random } = this.#options
      const hook: StoredHook =
        there === undefined
          ? { id: random.bytes(8), url: target, secret: newSecret(random), isDisabled: false }
          : { ...there, isDisabled: false }
      await this.#saveHook(hook)
      return { hook: shown(hook), secret: hook.secret }
    })
  }

  /**
   * Brings what is to be told about a customer in line with the disk: a write of its events failed,
   * and may have landed all the same. Before anything else is queued about that customer, else what
   * is newer would be told first.
   */
  async reread(customer: Uint8Array): Promise<void> {
    for (const hook of this.#hooks.values()) {
      await this.#lines.reread(this.#lines.at(customer, hook))
    }
    this.#wake.notify()
  }

  /** Whether an event about this entry is on its way or was given up. */
  isPending(customer: Uint8Array, about: Uint8Array): boolean {
    return this.#lines.isPending(customer, this.#hooks.values(), bytesToHex(about))
  }

  /** Whether each enabled hook takes one more event about this customer. */
  hasRoom(customer: Uint8Array): boolean {
    return this.#lines.hasRoom(customer, this.#enabled())
  }

  /** To be written together with what the event tells of. `undefined`: there are no hooks. */
  stage(
    customer: Uint8Array,
    event: WebhookEvent,
    about: Uint8Array | undefined,
  ): StagedEvent | undefined {
    const enabled = this.#enabled()
    if (enabled.length === 0) return undefined
    const queuedMs = this.#options.clock.now()
    const { ops, commit } = this.#lines.stage(enabled, { customer, event, about, queuedMs })
    return {
      ops,
      commit: () => {
        commit()
        this.#wake.notify()
      },
    }
  }

  get queued(): readonly QueuedEvent[] {
    return this.#lines.all.flatMap((line) =>
      line.waiting.map((one, i) => ({
        ...told(line, one),
        attempts: i === 0 ? line.attempts : 0,
        nextMs: i === 0 ? line.nextMs : undefined,
        lastCode: i === 0 ? line.lastCode : undefined,
      })),
    )
  }

  get dead(): readonly QueuedEvent[] {
    return this.#lines.all.flatMap((line) =>
      line.dead.map((one) => ({ ...told(line, one), attempts: 0, lastCode: one.code })),
    )
  }

  /**
   * Tries again at once: a dead letter, or what waits for its next attempt.
   *
   * @param id - Of the event; absent: all of them.
   * @returns How many are tried.
   * @throws {VendorError} `EVENT_UNKNOWN`, `HOOK_DISABLED`.
   */
  replay(id: string | undefined): Promise<number> {
    return this.#mutex.run(async () => {
      let count = 0
      let isDisabled = false
      for (const line of this.#lines.all) {
        const { hook } = line
        const dead = line.dead.filter((one) => id === undefined || one.id === id)
        const isWaiting = line.waiting.some((one) => id === undefined || one.id === id)
        if (this.#hooks.get(bytesToHex(hook.id))?.isDisabled) {
          isDisabled ||= dead.length > 0
          continue
        }
        const now = this.#options.clock.now()
        for (const one of dead) await this.#lines.revive(line, one, now)
        if (dead.length > 0 || isWaiting) line.nextMs = 0
        count += dead.length + (isWaiting ? 1 : 0)
      }
      if (count === 0 && isDisabled) {
        throw new VendorError("HOOK_DISABLED", "its hook answered 410")
      }
      if (count === 0 && id !== undefined) {
        throw new VendorError("EVENT_UNKNOWN", "no event of that id waits or was given up")
      }
      this.#wake.notify()
      return count
    })
  }

  /** Posts until `signal` fires; resolves once what was under way has ended. */
  async run(signal: AbortSignal, delivered: Delivered): Promise<void> {
    const posting = new Set<Promise<void>>()
    while (!signal.aborted) {
      const armed = this.#wake.arm()
      const now = this.#options.clock.now()
      let soonest = Number.POSITIVE_INFINITY
      for (const line of this.#lines.all) {
        if (line.isPosting || line.waiting.length === 0) continue
        // A wait longer than any: the clock was put back.
        if (line.nextMs - now > RETRY_MS_MAX) line.nextMs = now
        if (line.nextMs > now) {
          soonest = Math.min(soonest, line.nextMs)
          continue
        }
        const id = bytesToHex(line.hook.id)
        const busy = this.#posting.get(id) ?? 0
        if (busy >= POSTS_PER_HOOK_MAX) continue
        this.#posting.set(id, busy + 1)
        line.isPosting = true
        // Whoever was served goes to the end.
        this.#lines.toEnd(line)
        const task = this.#serve(line, signal, delivered).finally(() => {
          posting.delete(task)
          line.isPosting = false
          this.#posting.set(id, (this.#posting.get(id) ?? 1) - 1)
          this.#lines.tidy(line)
          this.#wake.notify()
        })
        posting.add(task)
      }
      await this.#pause(armed, soonest, signal)
    }
    await Promise.all(posting)
  }

  async #pause(armed: Promise<void>, untilMs: number, signal: AbortSignal): Promise<void> {
    await inScope(signal, async (scope) => {
      const stopped = new Promise<void>((resolve) => {
        scope.addEventListener("abort", () => resolve(), { once: true })
        if (scope.aborted) resolve()
      })
      const waits = [armed, stopped]
      if (untilMs !== Number.POSITIVE_INFINITY) {
        const ms = Math.max(0, untilMs - this.#options.clock.now())
        waits.push(this.#options.clock.sleep(ms, scope).catch(() => undefined))
      }
      await Promise.race(waits)
    })
  }

  /** One attempt at a line's first event. */
  async #serve(line: Line, signal: AbortSignal, delivered: Delivered): Promise<void> {
    const [first] = line.waiting
    if (first === undefined) return
    try {
      const [found] = await this.#lines.events(line, [first])
      if (found === undefined) return
      const { event } = found
      const code = await this.#attempt(line.hook, event, signal)
      if (signal.aborted && code !== undefined) return
      if (code === undefined) await this.#succeed(line, found, delivered)
      else if (code === "HTTP_410") await this.#disable(line)
      else await this.#fail(line, found, code)
    } catch (error) {
      // The vault failed, or this program: the event stays, and is tried again later.
      this.#postpone(line, errorCode(error) ?? "FAULT")
      if (errorCode(error) === undefined) this.#options.onFault(error)
    }
    this.#options.changed()
  }

  /** @returns `undefined` for an answer of 2xx, else what it came to. */
  async #attempt(
    hook: StoredHook,
    event: StoredEvent,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { clock, post } = this.#options
    const done = new AbortController()
    // Whatever the adapter does with its signal, no line waits longer than this.
    const late = clock.sleep(ATTEMPT_MS_MAX, AbortSignal.any([signal, done.signal])).then(() => {
      throw new VendorError("HOOK_TIMEOUT", "the hook does not answer")
    })
    try {
      const posted = post.post({
        url: hook.url,
        id: event.id,
        timestamp: Math.floor(clock.now() / 1000),
        body: bytesToUtf8(event.body),
        secret: hook.secret,
        signal: AbortSignal.any([signal, done.signal]),
      })
      const { status } = await Promise.race([posted, late])
      return status >= 200 && status < 300 ? undefined : `HTTP_${status}`
    } catch (error) {
      return errorCode(error) ?? "HOOK_FAILED"
    } finally {
      done.abort(new Error("over"))
    }
  }

  async #succeed(
    line: Line,
    { waiting: first, event: { about } }: WaitingEvent,
    delivered: Delivered,
  ): Promise<void> {
    const { customer } = line
    await delivered({
      customer,
      about,
      isLast: about !== undefined && !this.#lines.isElsewhere(line, this.#hooks.values(), first),
      ops: [this.#lines.opToSettle(line, first)],
    })
    this.#lines.settled(line, first)
  }

  async #fail(line: Line, found: WaitingEvent, code: string): Promise<void> {
    const { clock } = this.#options
    // A clock that was put forward must not end it at its first failure.
    const isTried = line.attempts >= RETRY_SECONDS.length
    if (!isTried || clock.now() - found.waiting.queuedMs < GIVE_UP_MS) {
      this.#postpone(line, code)
      return
    }
    await this.#lines.bury(line, [found], code)
    line.attempts = 0
    line.nextMs = 0
  }

  #postpone(line: Line, code: string): void {
    const { clock, random } = this.#options
    const seconds = RETRY_SECONDS[Math.min(line.attempts, RETRY_SECONDS.length - 1)] ?? 1
    line.attempts++
    line.lastCode = code
    // Between four and six fifths of it.
    line.nextMs = clock.now() + Math.floor(seconds * (800 + randomBelow(random, 401)))
  }

  /** 410: nobody is there any more. What is being posted meanwhile gets an answer of its own. */
  async #disable(answered: Line): Promise<void> {
    const { hook } = answered
    await this.#saveHook({ ...hook, isDisabled: true })
    for (const line of this.#lines.all) {
      if (!equalBytes(line.hook.id, hook.id)) continue
      for (;;) {
        const from = line.isPosting && line !== answered ? 1 : 0
        const some = line.waiting.slice(from, from + MOVED_MAX)
        if (some.length === 0) break
        const events = await this.#lines.events(line, some)
        if (events.length > 0) await this.#lines.bury(line, events, "HTTP_410")
      }
    }
  }

  async #saveHook(hook: StoredHook): Promise<void> {
    await this.#options.vault.write([
      this.#hooksTable.put(hook.id, 0, encodeStored(hookSchema, hook)),
    ])
    this.#hooks.set(bytesToHex(hook.id), hook)
    this.#options.changed()
  }

  async #load(): Promise<void> {
    for await (const { value } of this.#hooksTable.groups()) {
      const hook = decodeStored(hookSchema, value)
      this.#hooks.set(bytesToHex(hook.id), hook)
    }
    await this.#lines.load((id) => this.#hooks.get(bytesToHex(id)))
  }

  #enabled(): readonly StoredHook[] {
    return [...this.#hooks.values()].filter(({ isDisabled }) => !isDisabled)
  }
}

function shown({ id, url, isDisabled }: StoredHook): Hook {
  return { id: bytesToHex(id), url, isDisabled }
}

function told(
  { customer, hook }: Line,
  { id, queuedMs }: Waiting,
): Pick<QueuedEvent, "id" | "customer" | "hook" | "url" | "queuedMs"> {
  return {
    id,
    customer: bytesToHex(customer),
    hook: bytesToHex(hook.id),
    url: hook.url,
    queuedMs,
  }
}
