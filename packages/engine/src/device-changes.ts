/**
 * What a person changes about her devices, by their names.
 *
 * @module
 */
import type { MemberDevice } from "@fulcrum/access/member-state"
import { equalBytes } from "@fulcrum/codec/bytes"
import type { Random } from "@fulcrum/crypto/random"
import { EngineError } from "./engine-error.ts"
import type { Ledger } from "./ledger.ts"
import { changeMembership } from "./membership-writes.ts"

export interface DeviceChangesOptions {
  readonly ledger: Ledger
  readonly random: Random
  /** This device's id. */
  readonly self: Uint8Array
  /** Does what a removal makes due. */
  followUp(): Promise<void>
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
    if (device !== undefined) {
      await changeMembership(this.#options, ({ record }) => [
        { kind: "remove", value: { device: device.id, on: record.vector } },
      ])
    }
    await followUp()
  }

  async planRevoke(name: string): Promise<{ readonly name: string }> {
    return { name: this.#other(name)?.name ?? name }
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
