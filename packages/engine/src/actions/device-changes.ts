/**
 * What a person changes about her devices, by their names.
 *
 * @module
 */
import type { MemberDevice } from "@fulcrum/access/member-state"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import type { IncarnationTree } from "@fulcrum/log/incarnation-tree"
import type { Vault } from "@fulcrum/store/vault"
import type { Attachments } from "../attachments/attachments.ts"
import { EngineError } from "../failures/engine-error.ts"
import type { Ledger } from "../ledger/ledger.ts"
import { deviceNameOf, goesBy } from "../membership/device-name.ts"
import type { DeviceRename, DeviceRow, RevokePlan } from "../person/person-devices.ts"
import { changeMembership, removeDevice } from "../relationships/membership-writes.ts"
import type { Relationships } from "../relationships/relationships.ts"

export interface DeviceChangesOptions {
  readonly ledger: Ledger
  readonly vault: Vault
  readonly random: Random
  /** This device's id. */
  readonly self: Uint8Array
  readonly relationships: Relationships
  readonly clock: Clock
  readonly attachments: Pick<Attachments, "countOn">
  /** Does what removals at the same time made due. */
  followUp(): Promise<void>
  /** How the devices stand. */
  rows(): Promise<readonly DeviceRow[]>
}

export class DeviceChanges {
  readonly #options: DeviceChangesOptions

  constructor(options: DeviceChangesOptions) {
    this.#options = options
  }

  /** Removing it again finishes what was cut off. */
  async revoke(name: string): Promise<void> {
    const { ledger, followUp } = this.#options
    await ledger.mend()
    const device = this.#other(name)
    if (device === undefined) return followUp()
    await removeDevice(this.#options, device.id)
    // What it showed ahead of its history is shown no more once the step has ended.
    await ledger.still(async () => undefined)
  }

  /** Writes nothing. */
  async planRevoke(wanted: string): Promise<RevokePlan> {
    const device = this.#other(wanted)
    if (device === undefined) {
      return { name: wanted, device: undefined, entries: 0, attachments: 0, companies: 0 }
    }
    const { ledger, attachments, rows } = this.#options
    const id = bytesToHex(device.id)
    return {
      name: device.name,
      device: (await rows()).find((one) => one.id === id),
      entries: entriesBy(device, ledger.record.tree),
      attachments: await attachments.countOn(device.id),
      companies: ledger.state.relationships.size,
    }
  }

  /**
   * Gives a member another name, this device too.
   *
   * @throws {EngineError} `DEVICE_UNKNOWN`, `DEVICE_AMBIGUOUS`, `DEVICE_NAME_TAKEN`,
   * `DEVICE_NAME_INVALID`.
   */
  async rename(wanted: string, typed: string): Promise<DeviceRename> {
    const name = deviceNameOf(typed)
    const { ledger } = this.#options
    await ledger.mend()
    const before = ledger.membership.deviceNamed(wanted)
    if (before.name !== name) {
      await changeMembership(this.#options, ({ membership }) => {
        const others = membership.view.devices.filter(({ id }) => !equalBytes(id, before.id))
        if (others.some((one) => goesBy(one, name))) {
          throw new EngineError("DEVICE_NAME_TAKEN", "another device goes by that name")
        }
        return [{ kind: "rename", value: { device: before.id, name } }]
      })
    }
    return { name, before: before.name }
  }

  /** The member that goes by a name; `undefined` if it was removed. */
  #other(name: string): MemberDevice | undefined {
    const { ledger, self } = this.#options
    if (ledger.membership.wasRemoved(name)) return undefined
    const device = ledger.membership.deviceNamed(name)
    if (!equalBytes(device.id, self)) return device
    throw new EngineError("DEVICE_IS_THIS", "this is that device")
  }
}

/** How many entries of a device are here. */
function entriesBy({ writer }: MemberDevice, tree: IncarnationTree): number {
  let entries = 0
  for (const node of tree.nodes()) {
    if (equalBytes(node.writer, writer)) entries += node.sequence - node.first + 1
  }
  return entries
}
