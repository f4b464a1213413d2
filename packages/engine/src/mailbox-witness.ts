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

/** Receipts that wait; of more the oldest are passed over: their device tells its newest again. */
const WAITING_MAX = 8

export class MailboxWitness {
  readonly #vault: Vault
  readonly #contradictions: RelayContradictions
  readonly #waiting: Uint8Array[] = []

  constructor(vault: Vault, contradictions: RelayContradictions) {
    this.#vault = vault
    this.#contradictions = contradictions
  }

  /** Another device was given this. */
  add(receipt: Uint8Array): void {
    this.#waiting.push(receipt)
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift()
  }

  /** Asks the relay about each that waits; what contradicts it is kept as proof. */
  async hold(read: OpenMailbox): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const held = await read.hold(next)
      if (held.kind !== "contradicts") continue
      await this.#vault.write(await this.#contradictions.keepWitnessed(held.proofs))
    }
  }
}
