/**
 * Dialing somebody who may be at one of several addresses: each is tried a moment after the one before,
 * or at once when that has failed, and whoever answers first is spoken to. Of an address that is not
 * here (a private network's elsewhere, a machine that is off) nothing is heard at all, often, for as
 * long as one waits.
 *
 * Source: RFC 8305 (Happy Eyeballs), section 5.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { type Channel, type Host, NetError } from "@fulcrum/net/contract"
import { inScope } from "../waiting/scope.ts"

/** From one address to the next: RFC 8305's "Connection Attempt Delay". */
export const NEXT_ADDRESS_MS = 250

export interface Reached {
  readonly channel: Channel
  readonly address: string
}

export interface DialAnyOptions {
  readonly clock: Clock
  /** Ends it; a channel that was handed over is not touched by it. */
  readonly signal: AbortSignal
}

/**
 * @param addresses - Those that are still being found are tried as they come; whoever finds them ends
 * that by its own signal.
 * @throws {NetError} Of the address that failed last, if none answers.
 */
export async function dialAny(
  host: Host,
  addresses: Iterable<string> | AsyncIterable<string>,
  protocol: string,
  { clock, signal }: DialAnyOptions,
): Promise<Reached> {
  const attempts = new Set<AbortController>()
  const answered = Promise.withResolvers<Reached>()
  let failure: unknown = new NetError("NET_UNREACHABLE", "no address is known")
  let reached: Reached | undefined
  const attempt = async (address: string): Promise<void> => {
    const own = new AbortController()
    attempts.add(own)
    try {
      const channel = await host.dial(address, protocol, { signal: own.signal })
      if (reached !== undefined || own.signal.aborted) {
        channel.abort(new Error("not needed"))
        return
      }
      reached = { channel, address }
      // Whoever has the channel ends it otherwise.
      attempts.delete(own)
      answered.resolve(reached)
    } catch (error) {
      failure = error
    }
  }
  return await inScope(signal, async (scope) => {
    scope.addEventListener("abort", () => {
      for (const own of attempts) own.abort(new Error("not needed"))
    })
    const tryAll = async () => {
      const all: Promise<void>[] = []
      for await (const address of addresses) {
        if (reached !== undefined || scope.aborted) break
        const one = attempt(address)
        all.push(one)
        const moment = clock.sleep(NEXT_ADDRESS_MS, scope).catch(() => undefined)
        await Promise.race([one, answered.promise, moment])
      }
      await Promise.all(all)
    }
    await Promise.race([answered.promise, tryAll()])
    if (reached === undefined) throw failure
    return reached
  })
}
