/**
 * Relays' addresses, as people type them.
 *
 * @module
 */
import { addressParts } from "@fulcrum/net/address"
import { NetError } from "@fulcrum/net/contract"
import { EngineError } from "../failures/engine-error.ts"

/** @throws {EngineError} `RELAY_ADDRESS_INVALID`. */
export function requireRelayAddress(address: string): void {
  try {
    if (addressParts(address).peerId !== undefined) return
  } catch (error) {
    if (!(error instanceof NetError)) throw error
  }
  const message = "a relay's address ends in /p2p/ and its id"
  throw new EngineError("RELAY_ADDRESS_INVALID", message)
}

/** The relay that an address leads to, whichever way: its peer id. */
export function relayId(address: string): string {
  return address.slice(address.lastIndexOf("/p2p/") + 5)
}
