/**
 * Whose an Automerge actor is: the writer key of the device whose incarnation announced it first.
 *
 * Actors are drawn at random, so honest devices never announce one twice; whoever announces
 * another's gets nothing by it.
 *
 * @module
 */
import { bytesToHex, hexToBytes } from "@fulcrum/codec/bytes"
import type { AdmittedEntry } from "@fulcrum/log/replica"
import type { Table, VaultOp } from "@fulcrum/store/vault"

export class ActorOwners {
  readonly #table: Table
  /** What the table holds, or will once what `begin` gave is written. */
  readonly #known: Map<string, Uint8Array | undefined>
  readonly #begun = new Map<string, Uint8Array>()

  /**
   * @param table - `engine.actors`. For one batch: what is not written then is not remembered.
   * @param waiting - What is still to be written there.
   */
  constructor(table: Table, waiting: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.#table = table
    this.#known = new Map(waiting)
  }

  /** Those that this batch began. */
  get begun(): ReadonlyMap<string, Uint8Array> {
    return this.#begun
  }

  /** Notes an entry that begins an incarnation. @returns What keeps it. */
  async begin({ begin, writer }: AdmittedEntry): Promise<readonly VaultOp[]> {
    if (begin === undefined) return []
    const actor = bytesToHex(begin.actor)
    if ((await this.writerOf(actor)) !== undefined) return []
    this.#known.set(actor, writer)
    this.#begun.set(actor, writer)
    return [this.#table.put(begin.actor, 0, writer)]
  }

  /** @param actor - Hex. */
  async writerOf(actor: string): Promise<Uint8Array | undefined> {
    if (!this.#known.has(actor)) this.#known.set(actor, await this.#table.get(hexToBytes(actor)))
    return this.#known.get(actor)
  }
}
