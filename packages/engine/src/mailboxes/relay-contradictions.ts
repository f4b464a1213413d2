/**
 * What proves that a relay went back behind what it had signed about a mailbox.
 *
 * | table           | group                     | order  | value                                    |
 * | --------------- | ------------------------- | ------ | ---------------------------------------- |
 * | `engine.alarms` | hash of mailbox and relay | rising | array of signed receipts, canonical CBOR |
 *
 * @module
 */
import { array, bytesMax, decodeAs, encodeAs, type Schema } from "@fulcrum/codec/schema"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"

/** How often one relay may contradict what it signed about one mailbox. */
export const CONTRADICTIONS_MAX = 3

/** Order of what another device witnessed. */
const WITNESSED = 1000

const ALARMS = "engine.alarms"
const proofsSchema: Schema<readonly Uint8Array[]> = array(bytesMax(2048), 8)

/** A mailbox whose relay contradicted what it had signed about it. */
export interface ContradictedMailbox {
  readonly address: string
  readonly times: number
  /** So often that nothing more is said to it. */
  readonly isGivenUp: boolean
}

/** How many mailboxes relays contradicted what they had signed of, those that are used no more too. */
export async function countContradictedMailboxes(vault: Vault): Promise<number> {
  let count = 0
  for await (const _ of vault.table(ALARMS).groups()) count++
  return count
}

/** Those of one relay about one mailbox. */
export class RelayContradictions {
  readonly #table: Table
  readonly #group: Uint8Array

  /** @param group - The hash of mailbox and relay. */
  constructor(vault: Vault, group: Uint8Array) {
    this.#table = vault.table(ALARMS)
    this.#group = group
  }

  /** Those that were shown to this device, and what another was shown. */
  async countAll(): Promise<number> {
    let count = 0
    for await (const _ of this.#table.list(this.#group)) count++
    return count
  }

  /** Those that were shown to this device. */
  async count(): Promise<number> {
    let count = 0
    for await (const { order } of this.#table.list(this.#group)) if (order < WITNESSED) count++
    return count
  }

  /** @returns What keeps one more. */
  async keep(proofs: readonly Uint8Array[]): Promise<VaultOp> {
    return this.#table.put(this.#group, await this.count(), encodeAs(proofsSchema, proofs))
  }

  /**
   * What another device was shown and what this one was. One such proof is kept, the first or the
   * first with more receipts: what is told again by devices that have not spoken with the relay since
   * is no other contradiction.
   *
   * @returns What keeps it; nothing, if there is one as good.
   */
  async keepWitnessed(proofs: readonly Uint8Array[]): Promise<readonly VaultOp[]> {
    const stored = await this.#table.get(this.#group, WITNESSED)
    const kept = stored && decodeAs(proofsSchema, stored, { bytesMax: 32 * 1024 })
    if (kept && kept.length >= proofs.length) return []
    return [this.#table.put(this.#group, WITNESSED, encodeAs(proofsSchema, proofs))]
  }
}
