/**
 * Sees to it that every customer is answered, and that what has a day is dealt with on it: what
 * could not be written is tried again.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { inScope } from "../waiting/scope.ts"
import { Signal } from "../waiting/signal.ts"
import { nextDayMs } from "./vendor-calendar.ts"
import type { VendorCustomer } from "./vendor-customer.ts"

/** The longest sleep until a day to come: a machine that slept through it looks again. */
const LOOK_AGAIN_MS_MAX = 900_000
/** Between two tries of what is due and could not be written. */
const TRY_AGAIN_MS = 5000

export interface VendorSettlingOptions {
  readonly clock: Clock
  readonly customers: () => Iterable<VendorCustomer>
  /** Runs when it is this customer's turn among all that want to write. */
  readonly turn: (work: () => Promise<boolean>) => Promise<boolean>
  /** Something is to be sent to this customer. */
  readonly written: (customer: VendorCustomer) => void
  readonly onFault: (error: unknown) => void
}

export class VendorSettling {
  readonly #options: VendorSettlingOptions
  readonly #wake = new Signal()
  /** Those whose answers could not be written. */
  readonly #unsettled = new Set<VendorCustomer>()

  constructor(options: VendorSettlingOptions) {
    this.#options = options
  }

  /** A write about this customer failed, and may have landed. */
  lookAgain(customer: VendorCustomer): void {
    this.#unsettled.add(customer)
    this.#wake.notify()
  }

  /** Another day may be the next. */
  lookSoon(): void {
    this.#wake.notify()
  }

  /**
   * Never rejects: what is due stays due, and is looked at again.
   *
   * @returns Whether it could be written.
   */
  async settle(customer: VendorCustomer): Promise<boolean> {
    const wasUnsettled = this.#unsettled.delete(customer)
    try {
      const hasWritten = await this.#options.turn(() => customer.settle())
      if (hasWritten || wasUnsettled) this.#options.written(customer)
      return true
    } catch (error) {
      this.#unsettled.add(customer)
      this.#options.onFault(error)
      return false
    }
  }

  /** Until `signal` fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      await inScope(signal, async (scope) => {
        const woken = this.#wake.wait(scope)
        const next = await this.#dealWithDue()
        const ms = Math.min(LOOK_AGAIN_MS_MAX, Math.max(1, next - clock.now()))
        await Promise.race([woken, clock.sleep(ms, scope).catch(() => undefined)])
      })
    }
  }

  /** @returns When something is due next. */
  async #dealWithDue(): Promise<number> {
    const { clock, customers } = this.#options
    for (const customer of [...this.#unsettled]) await this.settle(customer)
    let next = this.#unsettled.size > 0 ? clock.now() + TRY_AGAIN_MS : Number.POSITIVE_INFINITY
    for (const customer of customers()) {
      const days = customer.pending.map(({ from = "", zone }) => nextDayMs(from, zone))
      if (days.length === 0) continue
      const soonest = Math.min(...days)
      if (soonest > clock.now()) next = Math.min(next, soonest)
      else {
        // What is still due then waits for room in the queue, or for the disk.
        await this.settle(customer)
        if (customer.pending.length > 0) next = Math.min(next, clock.now() + TRY_AGAIN_MS)
      }
    }
    return next
  }
}
