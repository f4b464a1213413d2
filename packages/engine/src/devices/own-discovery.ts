/**
 * Own devices on the local network: found by a tag that changes daily, and told where this one is.
 *
 * @module
 */
import { discoveryTag } from "@fulcrum/access/meeting"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Discovery } from "@fulcrum/net/discovery"

/** How often the local network is searched anew. */
const DISCOVER_MS = 60_000

/**
 * Searches until `signal` fires.
 *
 * @param addresses - Where this device listens: announced, and not dialed.
 * @param found - Gets each address of another.
 */
export async function searchOwnDevices(
  options: {
    readonly discovery: Discovery
    readonly meetingKey: Uint8Array
    readonly clock: Clock
    readonly addresses: readonly string[]
    found(address: string): Promise<void>
  },
  signal: AbortSignal,
): Promise<void> {
  const { discovery, meetingKey, clock, addresses, found } = options
  while (!signal.aborted) {
    const tag = discoveryTag({ meetingKey, nowMs: clock.now() })
    const round = new AbortController()
    const either = AbortSignal.any([signal, round.signal])
    await using _ = discovery.announce(tag, addresses)
    const over = clock.sleep(DISCOVER_MS, signal).then(
      () => round.abort(),
      () => undefined,
    )
    for await (const address of discovery.find(tag, { signal: either })) {
      if (!addresses.includes(address)) await found(address)
    }
    await over
  }
}
