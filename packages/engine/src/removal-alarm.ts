/**
 * That others told this device of its removal, which it cannot see in the record any more: kept until
 * the record shows that the recovery words have brought it back since.
 *
 * @module
 */
import type { EpochId } from "@fulcrum/log/ids"
import type { DeviceState } from "./device-state.ts"
import type { Membership } from "./membership.ts"
import { readNoticeFor } from "./removal-notice.ts"

type Known = Pick<Membership, "tag" | "epochKey" | "isBroughtBack">

interface RemovalAlarmOptions {
  readonly membership: Known
  readonly device: Pick<DeviceState, "id">
  /** What the newest notice was sealed under; absent: none came. */
  readonly epoch: Uint8Array | undefined
}

export class RemovalAlarm {
  readonly #membership: Known
  readonly #device: Uint8Array
  #epoch: Uint8Array | undefined

  constructor({ membership, device, epoch }: RemovalAlarmOptions) {
    this.#membership = membership
    this.#device = device.id
    this.#epoch = epoch
  }

  /** Whether this device was told that it was removed, and is not known to be back. */
  get isRaised(): boolean {
    return this.#epoch !== undefined && !this.#isOver(this.#epoch)
  }

  /** @returns What it was sealed under; `undefined`: not genuine, of another device, or long over. */
  hear(notice: Uint8Array): EpochId | undefined {
    const epochKey = (id: EpochId) => this.#membership.epochKey(id)
    const own = { device: this.#device, space: this.#membership.tag, epochKey }
    const epoch = readNoticeFor(notice, own)
    if (epoch === undefined || this.#isOver(epoch)) return undefined
    this.#epoch = epoch
    return epoch
  }

  /** The removal that followed this epoch is here, and this device belongs all the same. */
  #isOver(epoch: Uint8Array): boolean {
    return this.#membership.isBroughtBack(this.#device, epoch)
  }
}
