/**
 * Dialing an own device at whichever of its addresses it answers, and finding out that it is another
 * that does.
 *
 * @module
 */
import type { MemberDevice } from "@fulcrum/access/member-state"
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Channel, Host } from "@fulcrum/net/contract"
import { DIAL_MS_MAX } from "../mailboxes/relay-visit.ts"
import { inScope } from "../waiting/scope.ts"
import type { Signal } from "../waiting/signal.ts"
import { dialAny, type Reached } from "./dial-any.ts"
import { SYNC_PROTOCOL } from "./sync-link.ts"
import { withoutTransport } from "./whereabouts.ts"

/** How long whoever answered may take to show who it is, before others are asked too. */
const MET_MS = 1000

/** What is known of a connection that was dialed from here. */
export interface Dialed {
  readonly address: string
  /** To be called once it shows who answers. */
  known?(device: string): void
}

export interface OwnDialingOptions {
  readonly clock: Clock
  /** Notified when a device is met or lost, or addresses become known. */
  readonly changed: Signal
  /** Where a device may be reached, newest knowledge first. */
  addressesOf(device: MemberDevice): readonly string[]
  /** Meets whoever is at the other end, until the connection ends. @returns The own device that it is. */
  run(channel: Channel, dialed: Dialed): Promise<string | undefined>
  /** Whether another device was met at an address, and is connected still. */
  isAnothers(address: string, device: string): boolean
}

export class OwnDialing {
  readonly #options: OwnDialingOptions
  /** Addresses at which somebody is being dialed and has not said who it is. */
  readonly #asked = new Set<string>()

  constructor(options: OwnDialingOptions) {
    this.#options = options
  }

  /**
   * Meets whoever answers first, until the connection ends, or until it shows that it is another. Before
   * the record is here several devices may be at one address, for all that is known: it is asked once.
   *
   * @returns The own device that was met. @throws {NetError} of the last address that does not answer.
   */
  async dial(host: Host, device: MemberDevice, signal: AbortSignal): Promise<string | undefined> {
    let failure: unknown
    const id = bytesToHex(device.id)
    const left = new Set(this.#options.addressesOf(device).map(withoutTransport))
    while (left.size > 0 && !signal.aborted) {
      const free = [...left].filter((address) => !this.#asked.has(address))
      if (free.length === 0) {
        await this.#options.changed.wait(signal)
        continue
      }
      const asked = free.filter((address) => !this.#options.isAnothers(address, id))
      for (const address of free) if (!asked.includes(address)) left.delete(address)
      if (asked.length === 0) continue
      try {
        // Another that is there now goes on by itself; this one may be elsewhere.
        const met = await this.#dialAny(host, device, { asked, left, signal })
        if (met === id) return met
      } catch (error) {
        failure = error
      }
    }
    if (failure !== undefined) throw failure
    return undefined
  }

  /**
   * Meets whoever answers first at one of these addresses.
   *
   * @param at - `asked`: nobody else dials them meanwhile. `left`: loses those that need not be asked again.
   * @returns As {@link dial}; `undefined`: nobody was met there, or not soon, and there are others to ask.
   * @throws {NetError} None answers.
   */
  async #dialAny(
    host: Host,
    device: MemberDevice,
    at: {
      readonly asked: readonly string[]
      readonly left: Set<string>
      readonly signal: AbortSignal
    },
  ): Promise<string | undefined> {
    const another = Promise.withResolvers<string>()
    const isMet = new AbortController()
    const held = new Set(at.asked)
    const release = (addresses: Iterable<string>) => {
      for (const address of addresses) if (held.delete(address)) this.#asked.delete(address)
      this.#options.changed.notify()
    }
    for (const address of held) this.#asked.add(address)
    try {
      const { channel, address } = await this.#reachAny(host, device, at)
      release(at.asked.filter((one) => one !== address))
      const link = this.#options.run(channel, {
        address,
        known(met) {
          isMet.abort()
          if (met !== bytesToHex(device.id)) another.resolve(met)
          release([address])
        },
      })
      // It goes on by itself if another answers.
      link.catch(() => undefined)
      const notSoon = Promise.withResolvers<undefined>()
      const late = this.#options.clock.sleep(MET_MS, AbortSignal.any([at.signal, isMet.signal]))
      late.then(() => at.left.size > 0 && notSoon.resolve(undefined)).catch(() => undefined)
      return await Promise.race([link, another.promise, notSoon.promise])
    } finally {
      isMet.abort()
      release([...held])
    }
  }

  async #reachAny(
    host: Host,
    device: MemberDevice,
    { asked, left, signal }: { asked: readonly string[]; left: Set<string>; signal: AbortSignal },
  ): Promise<Reached> {
    const { clock } = this.#options
    try {
      return await inScope(signal, async (scope) => {
        const stop = new AbortController()
        const late = clock.sleep(DIAL_MS_MAX, scope).catch(() => undefined)
        void Promise.race([late, this.#untilMoved(device, scope)]).then(() => stop.abort())
        const options = { clock, signal: stop.signal }
        const reached = await dialAny(host, asked, SYNC_PROTOCOL, options)
        left.delete(reached.address)
        return reached
      })
    } catch (error) {
      for (const address of asked) left.delete(address)
      throw error
    }
  }

  /** Resolves when other addresses of a device are known than now, or `signal` fires. */
  async #untilMoved(device: MemberDevice, signal: AbortSignal): Promise<void> {
    const at = () => this.#options.addressesOf(device).map(withoutTransport).join()
    const before = at()
    while (!signal.aborted && at() === before) await this.#options.changed.wait(signal)
  }
}
