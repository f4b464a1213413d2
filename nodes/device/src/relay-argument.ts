/**
 * A relay's address, as it was typed.
 *
 * @module
 */
import { addressParts } from "@fulcrum/net/address"
import { codeOf, ProgramError } from "./program-error.ts"

/** @throws {ProgramError} `RELAY_ADDRESS_INVALID` */
export function requireRelay(address: string): void {
  try {
    if (addressParts(address).peerId !== undefined) return
  } catch (error) {
    if (codeOf(error) !== "NET_ADDRESS_INVALID") throw error
  }
  throw new ProgramError(
    "RELAY_ADDRESS_INVALID",
    "a relay's address ends in /p2p/ and its id",
    "give it whole, as `fulcrum-relay up` prints it",
  )
}
