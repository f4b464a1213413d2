/**
 * That others told this device of its removal, which it cannot read in the record any more: by a notice
 * as they met, or by the mark in the key span that a relay has. Kept until the record shows that it
 * belongs all the same.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { type EpochId, epochIdSchema } from "@fulcrum/log/ids"
import type { DeviceState } from "./device-state.ts"
import type { Membership } from "./membership.ts"
import { readNoticeFor } from "./removal-notice.ts"
import { isToBeBelieved } from "./removal-tellers.ts"

type Known = Pick<
  Membership,
  | "tag"
  | "entries"
  | "view"
  | "epochKey"
  | "isBroughtBack"
  | "removedIn"
  | "disbelieved"
  | "onRemovalHeard"
>

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
    for (const removedIn of membership.removedIn) this.#take(removedIn)
  }

  /** Whether this device was told that it was removed, and is not known to belong all the same. */
  get isRaised(): boolean {
    return [...this.#options.membership.removedIn, this.#epoch].some(
      (epoch) => epoch !== undefined && !this.#isOver(epoch) && this.#isBelieved(epoch),
    )
  }

  /**
   * Names of removed devices that say so and are not believed, though it may be true: another one removed
   * them, which this device may have to hold for removed before (decision 24).
   */
  get disbelieved(): readonly string[] {
    const { membership, device } = this.#options
    const { removed } = membership.view
    const names = membership.disbelieved.flatMap(({ writer }) => {
      const one = removed.find((row) => equalBytes(row.writer, writer))
      const isByThis = one?.removals.some(({ by }) => by && equalBytes(by, device.id))
      return one === undefined || isByThis ? [] : [one.name]
    })
    return [...new Set(names)]
  }

  /**
   * Takes a notice, unless it is not genuine, of another device, long over, or what one could say who
   * was removed itself.
   */
  hear(notice: Uint8Array): void {
    const { membership, device } = this.#options
    const { id } = device
    const epochKey = (epoch: EpochId) => membership.epochKey(epoch)
    const genuine = readNoticeFor(notice, { device: id, space: membership.tag, epochKey })
    const [newest] = genuine
    if (newest === undefined || this.#isOver(newest)) return
    const believed = genuine.find((epoch) => this.#isBelieved(epoch))
    if (believed !== undefined) this.#take(believed)
  }

  /** Whoever told it may be known to be removed by now. */
  #isBelieved(epoch: Uint8Array): boolean {
    const { membership, device } = this.#options
    if (membership.removedIn.some((one) => equalBytes(one, epoch))) return true
    if (membership.disbelieved.some((one) => equalBytes(one.epoch, epoch))) return false
    const id = epochIdSchema.decode(epoch)
    // Of an earlier run: the key span that said so has not been read again.
    return membership.epochKey(id) === undefined || isToBeBelieved(membership, device.id, id)
  }

  #take(epoch: EpochId): void {
    this.#epoch = epoch
    this.#options.heard(epoch)
  }

  /** A removal that announced this epoch, or came after it, is here, and the device belongs. */
  #isOver(epoch: Uint8Array): boolean {
    return this.#options.membership.isBroughtBack(this.#options.device.id, epoch)
  }
}
