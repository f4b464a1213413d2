/**
 * Runs a protocol's handler on a channel that was accepted.
 *
 * @module
 */

import { type Channel, NetError } from "./contract.ts"

export type Handler = (channel: Channel) => unknown

/** A handler that fails loses its channel; that the channel failed first is no news. */
export function serve(handler: Handler, channel: Channel): void {
  const fail = (error: unknown): void => {
    channel.abort(error instanceof Error ? error : new Error("the handler failed"))
    if (!(error instanceof NetError)) throw error
  }
  try {
    const served = handler(channel)
    if (served instanceof Promise) void served.catch(fail)
  } catch (error) {
    fail(error)
  }
}
