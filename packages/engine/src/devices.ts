/**
 * A person's devices as she sees them.
 *
 * @module
 */
import type { Membership as MembershipView } from "@fulcrum/access/membership"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { DeviceRow } from "./person-devices.ts"

/** How the devices stand, from this one. */
export interface DeviceStanding {
  readonly self: Uint8Array
  isConnected(id: Uint8Array): boolean
  holdsAll(id: Uint8Array): boolean
}

export function listDevices(
  { devices, removed }: MembershipView,
  standing: DeviceStanding,
): readonly DeviceRow[] {
  const row = (
    { id, name }: { readonly id: Uint8Array; readonly name: string },
    state: DeviceRow["state"],
  ): DeviceRow => {
    const isThis = equalBytes(id, standing.self)
    return {
      id: bytesToHex(id),
      name,
      isThis,
      state,
      connected: !isThis && standing.isConnected(id),
      hasEverything: isThis || (state === "member" && standing.holdsAll(id)),
    }
  }
  return [
    ...devices.map((device) => row(device, "member")),
    ...removed.map((device) => row(device, "removed")),
  ]
}
