/**
 * That others told this device of its removal, which it cannot read in the record any more: by a notice
 * as they met, or by the mark in the key span that a relay has. Kept until the record shows that it
 * belongs all the same.
 *
 * @module
 */
import type { EpochId } from "@fulcrum/log/ids"
import type { DeviceState } from "./device-state.ts"
import type { Membership } from "./membership.ts"
import { readNoticeFor } from "./removal-notice.ts"

type Known = Pick<Membership, "tag" | "epochKey" | "isBroughtBack" | "removedIn" | "onRemovalHeard">

interface RemovalAlarmOptions {
  readonly membership: Known
  readonly device: Pick<DeviceState, "id">
  /** What was kept of what was heard before: the epoch of the removal, or one before it. */
  readonly epoch: Uint8Array | undefined
  /** Called with what is to be kept. */
  heard(epoch: EpochId): void
}

export class RemovalAlarm {
  readonly #options: RemovalAlarmOptions
  #epoch: Uint8Array | undefined

  constructor(options: RemovalAlarmOptions) {
    this.#options = options
    const { membership, epoch } = options
    this.#epoch = epoch
    membership.onRemovalHeard = (removedIn) => this.#take(removedIn)
    if (membership.removedIn !== undefined) this.#take(membership.removedIn)
  }

  /** Whether this device was told that it was removed, and is not known to belong all the same. */
  get isRaised(): boolean {
    return this.#epoch !== undefined && !this.#isOver(this.#epoch)
  }

  /** Takes a notice, unless it is not genuine, of another device, or long over. */
  hear(notice: Uint8Array): void {
    const { membership, device } = this.#options
    const epochKey = (id: EpochId) => membership.epochKey(id)
    const epoch = readNoticeFor(notice, { device: device.id, space: membership.tag, epochKey })
    if (epoch !== undefined && !this.#isOver(epoch)) this.#take(epoch)
  }

  #take(epoch: EpochId): void {
    this.#epoch = epoch
    this.#options.heard(epoch)
  }

  /** The removal that announced this epoch, or followed it, is here, and the device belongs. */
  #isOver(epoch: Uint8Array): boolean {
    return this.#options.membership.isBroughtBack(this.#options.device.id, epoch)
  }
}
