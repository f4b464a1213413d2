/**
 * What a relay signed for other own devices about a mailbox, held against what it shows this one: a
 * relay that shows each of them another mailbox, or keeps the newest back from one, is found by it.
 *
 * A device that was told less learns nothing new from that but that it was: it goes on with what it
 * is shown, and the record comes to it from the other device. Nor does one such finding end the
 * speaking with a relay: one whose disk was put back once looks the same to a device that has been
 * there since and hears from one that has not.
 *
 * @module
 */
import type { OpenMailbox } from "@fulcrum/relay/open-mailbox"
import type { Vault } from "@fulcrum/store/vault"
import type { RelayContradictions } from "./relay-contradictions.ts"

/** Devices whose newest receipt waits: more than anybody has. */
const WAITING_MAX = 64

export class MailboxWitness {
  readonly #vault: Vault
  readonly #contradictions: RelayContradictions
  /** The newest of each device. */
  readonly #waiting = new Map<string, Uint8Array>()

  constructor(vault: Vault, contradictions: RelayContradictions) {
    this.#vault = vault
    this.#contradictions = contradictions
  }

  /**
   * Another device was given this.
   *
   * @returns Whether nothing waited before.
   */
  add(device: string, receipt: Uint8Array): boolean {
    const isFirst = this.#waiting.size === 0
    if (this.#waiting.size < WAITING_MAX || this.#waiting.has(device)) {
      this.#waiting.set(device, receipt)
    }
    return isFirst
  }

  /**
   * Asks the relay about those that wait now, each once; what contradicts it is kept as proof. What
   * could not be asked about waits on.
   */
  async hold(read: Pick<OpenMailbox, "hold">): Promise<void> {
    for (const [device, receipt] of [...this.#waiting]) {
      const held = await read.hold(receipt)
      if (held.kind === "contradicts") {
        await this.#vault.write(await this.#contradictions.keepWitnessed(held.proofs))
      }
      if (this.#waiting.get(device) === receipt) this.#waiting.delete(device)
    }
  }
}
