/**
 * One visit to a relay: a fresh transport key, a connection of its own, and away again.
 *
 * Source: DESIGN, "Keys" (transport keys are throw-away; each relationship dials for itself).
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { mailboxNameSchema } from "@fulcrum/log/ids"
import { type Channel, type Host, NetError, type Network } from "@fulcrum/net/contract"
import { connectRelay, type RelayClient } from "@fulcrum/relay/client"
import { RELAY_PROTOCOL } from "@fulcrum/relay/protocol"
import { RelayError } from "@fulcrum/relay/relay-error"
import { EngineError } from "../failures/engine-error.ts"
import { errorCode } from "../failures/error-code.ts"
import { isAbsent } from "./mailbox-opening.ts"

/** How long a relay may take to be reached. */
export const DIAL_MS_MAX = 10_000

export interface RelayVisitOptions {
  readonly network: Network
  readonly clock: Clock
  readonly address: string
  readonly signal: AbortSignal
}

/**
 * @returns What `work` returns; the connection is closed by then.
 * @throws {NetError | RelayError} The relay cannot be reached, or says no.
 */
export async function visitRelay<T>(
  { network, clock, address, signal }: RelayVisitOptions,
  work: (client: RelayClient, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const host = await network.host()
  try {
    const { client, channel } = await reach(host, { clock, address, signal })
    const leave = () => channel.abort(new Error("stopped"))
    signal.addEventListener("abort", leave, { once: true })
    try {
      signal.throwIfAborted()
      return await work(client, signal)
    } finally {
      signal.removeEventListener("abort", leave)
      await client.close()
    }
  } finally {
    await host.close()
  }
}

async function reach(
  host: Host,
  { clock, address, signal }: Omit<RelayVisitOptions, "network">,
): Promise<{ readonly client: RelayClient; readonly channel: Channel }> {
  const dialing = deadline(clock, signal)
  try {
    const channel = await host.dial(address, RELAY_PROTOCOL, { signal: dialing.signal })
    const client = await connectRelay(channel, {
      clock,
      dialerKey: host.publicKey,
      signal: dialing.signal,
    })
    return { client, channel }
  } catch (error) {
    if (errorCode(error) !== undefined) throw error
    // What was waited for was cut short, by the deadline or by whoever stopped it.
    throw new NetError("NET_TIMEOUT", "the relay does not answer", { cause: error })
  } finally {
    dialing.done()
  }
}

/**
 * What a door pins, from the first relay that answers.
 *
 * @returns `undefined` if no relay that answers has it.
 * @throws {EngineError} `CONNECT_UNREACHABLE`: no relay answers.
 */
export async function fetchPinned(
  { network, clock, signal }: Pick<RelayVisitOptions, "network" | "clock" | "signal">,
  relays: readonly string[],
  door: Uint8Array,
): Promise<Uint8Array | undefined> {
  const mailbox = mailboxNameSchema.decode(door)
  let failure: unknown
  for (const address of relays) {
    try {
      const visit = { network, clock, address, signal }
      return await visitRelay(visit, async (client) => (await client.pinned(mailbox)).object)
    } catch (error) {
      if (!(error instanceof NetError || error instanceof RelayError)) throw error
      if (isAbsent(error)) return undefined
      failure = error
    }
  }
  const message = "neither the vendor nor its relay can be reached"
  throw new EngineError("CONNECT_UNREACHABLE", message, { cause: failure })
}

/** One for all: making an error costs more than ending a sleep with it. */
const DONE = new Error("done in time")

/** Aborts after {@link DIAL_MS_MAX}, unless done before; also when `signal` does. */
export function deadline(
  clock: Clock,
  signal: AbortSignal,
  ms: number = DIAL_MS_MAX,
): { readonly signal: AbortSignal; done(): void } {
  const late = new AbortController()
  const done = new AbortController()
  clock.sleep(ms, AbortSignal.any([signal, done.signal])).then(
    () => late.abort(new Error("took too long")),
    () => undefined,
  )
  return { signal: AbortSignal.any([signal, late.signal]), done: () => done.abort(DONE) }
}
