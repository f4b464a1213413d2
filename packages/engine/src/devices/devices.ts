/**
 * A person's devices as she sees them.
 *
 * @module
 */
import type { MemberDevice, Removal, RemovedDevice } from "@fulcrum/access/member-state"
import type { Membership as MembershipView } from "@fulcrum/access/membership"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Ledger } from "../ledger/ledger.ts"
import type { DeviceActor, DeviceRow } from "../person/person-devices.ts"
import { lagOf } from "./device-lag.ts"
import type { Sighting } from "./device-sightings.ts"

/** How the devices stand, from this one. */
export interface DeviceStanding {
  readonly self: Uint8Array
  /** Whether this one was told that it does not belong any more. */
  readonly isRemoved: boolean
  readonly ledger: Ledger
  isConnected(id: Uint8Array): boolean
  holdsAll(id: Uint8Array): boolean
  sightingOf(id: Uint8Array): Promise<Sighting | undefined>
}

/** The ids of those who belong beside `own`. */
export function otherMembers({ devices }: MembershipView, own: Uint8Array): readonly Uint8Array[] {
  return devices.map(({ id }) => id).filter((id) => !equalBytes(id, own))
}

/** Whether there is another device than the one that asks, or was. */
export function isShared({ devices, removed }: MembershipView): boolean {
  return devices.length + removed.length > 1
}

/** Whether `own` belongs, and no other. */
export function isOnlyMember(view: MembershipView, own: Uint8Array): boolean {
  return view.devices.length === 1 && otherMembers(view, own).length === 0
}

/** @param view - Who belongs, as far as is known here. */
export async function listDevices(
  view: MembershipView,
  standing: DeviceStanding,
): Promise<readonly DeviceRow[]> {
  const { self, ledger, isRemoved } = standing
  const all = [...view.devices, ...view.removed]
  const row = async (
    device: MemberDevice,
    state: DeviceRow["state"],
    removals: readonly Removal[],
  ): Promise<DeviceRow> => {
    const { id, name } = device
    const isThis = equalBytes(id, self)
    const sighting = isThis ? undefined : await standing.sightingOf(id)
    return {
      id: bytesToHex(id),
      name,
      isThis,
      state: isThis && isRemoved ? "removed" : state,
      connected: !isThis && standing.isConnected(id),
      hasEverything: isThis || (state === "member" && standing.holdsAll(id)),
      kind: ledger.state.kinds.get(bytesToHex(id)),
      addedBy: adderOf(device, ledger, all),
      removedBy: removals.map(({ by }) => actorOf(by && all.find((one) => equalBytes(one.id, by)))),
      lastSeenMs: sighting?.seenMs,
      lag: sighting?.has && lagOf(ledger.record.tree, sighting.has),
    }
  }
  const rows = [
    ...view.devices.map((device) => row(device, "member", [])),
    ...view.removed.map((device: RemovedDevice) => row(device, "removed", device.removals)),
  ]
  return await Promise.all(rows)
}

/** By the key under which the entry that added it was written. */
function adderOf(
  device: MemberDevice,
  { membership }: Ledger,
  all: readonly MemberDevice[],
): DeviceActor | undefined {
  const writer = membership.writerOf(device.addedIn)
  if (writer === undefined || !membership.hasJoined) return undefined
  if (equalBytes(writer, device.writer)) return { by: "itself", name: device.name }
  return actorOf(all.find((one) => equalBytes(one.writer, writer)))
}

/** Whoever is no device has the words. */
function actorOf(device: MemberDevice | undefined): DeviceActor {
  if (device === undefined) return { by: "recovery", name: undefined }
  return { by: "device", name: device.name }
}
