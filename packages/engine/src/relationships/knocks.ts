/**
 * The connect messages that are left at companies' front doors.
 *
 * | table            | group        | order | value                             |
 * | ---------------- | ------------ | ----- | --------------------------------- |
 * | `engine.knocked` | relationship | 0     | the relay's receipt               |
 * | `engine.knocked` | relationship | 1     | when it was given, canonical CBOR |
 *
 * @module
 */
import { decodeAs, encodeAs, uint } from "@fulcrum/codec/schema"
import type { Clock } from "@fulcrum/crypto/clock"
import { mailboxNameSchema } from "@fulcrum/log/ids"
import type { RelayClient } from "@fulcrum/relay/client"
import { RelayError } from "@fulcrum/relay/relay-error"
import type { Table, Vault } from "@fulcrum/store/vault"
import type { OpenRelationship } from "./relationships.ts"

const RECEIPT = 0
const TIME = 1
const timeSchema = uint()

/** A door forgets, too, what nobody fetched in time: an unanswered message is left again. */
const AGAIN_MS = 86_400_000

export class Knocks {
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #table: Table

  constructor(vault: Vault, clock: Clock) {
    this.#vault = vault
    this.#clock = clock
    this.#table = vault.table("engine.knocked")
  }

  /** Whether the connect message of a relationship has not been left at its door yet. */
  async isDue(relationship: OpenRelationship): Promise<boolean> {
    if (isAnswered(relationship)) return false
    return (await this.#table.get(relationship.secrets.item.id, RECEIPT)) === undefined
  }

  /**
   * Leaves the connect message, the same bytes each time, until the relay's receipt is here; and
   * while the company has not answered once more if the relay has lost what it had, and whenever it
   * connects a day later, for the relay forgets what is not fetched in time.
   *
   * @returns Whether it was left now.
   * @throws {RelayError} The door refuses it, and has never taken it.
   */
  async leave(
    relationship: OpenRelationship,
    client: RelayClient,
    isNew: boolean,
  ): Promise<boolean> {
    const { item, connect } = relationship.secrets
    if (connect === undefined || isAnswered(relationship)) return false
    const isFirst = isNew || (await this.isDue(relationship))
    if (!isFirst && !(await this.#isOld(relationship))) return false
    const now = encodeAs(timeSchema, Math.max(0, Math.floor(this.#clock.now())))
    // What is left again is not what the answer waits for: it may be here already.
    if (!isFirst) await this.#vault.write([this.#table.put(item.id, TIME, now)])
    const knocked = client.knock({
      door: mailboxNameSchema.decode(item.door),
      message: connect,
      ...(item.token && { token: item.token }),
    })
    const receipt = await knocked.catch((error: unknown) => {
      if (isFirst || !(error instanceof RelayError)) throw error
      return undefined
    })
    if (receipt === undefined) return false
    await this.#vault.write([
      this.#table.put(item.id, RECEIPT, receipt.bytes),
      this.#table.put(item.id, TIME, now),
    ])
    return true
  }

  /** Whether it was left so long ago that the door may have forgotten it. */
  async #isOld(relationship: OpenRelationship): Promise<boolean> {
    const time = await this.#table.get(relationship.secrets.item.id, TIME)
    if (time === undefined) return true
    const sinceMs = this.#clock.now() - decodeAs(timeSchema, time, { bytesMax: 16 })
    // A clock that was put back says nothing.
    return sinceMs < 0 || sinceMs >= AGAIN_MS
  }
}

function isAnswered({ space }: OpenRelationship): boolean {
  return space.agreedSignature !== undefined || space.refused !== undefined
}
