/**
 * Mailboxes that the record has left: each is told so once more by every device that used it, for a
 * device that was away may know no other. Then it is left alone.
 *
 * | table         | group                     | order | value                                 |
 * | ------------- | ------------------------- | ----- | ------------------------------------- |
 * | `engine.left` | hash of mailbox and relay | 0     | when it was left, canonical CBOR      |
 * | `engine.left` | hash of mailbox and relay | 1     | empty: it is over                     |
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { decodeAs, encodeAs, uint } from "@fulcrum/codec/schema"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Table, Vault } from "@fulcrum/store/vault"
import { errorCode } from "./error-code.ts"
import type { MailboxLink } from "./mailbox-link.ts"

/** How long a relay that does not answer is tried. */
const TELL_MS_MAX: number = 30 * 86_400_000

const SINCE = 0
const OVER = 1
const sinceSchema = uint()

export class LeftMailboxes {
  readonly #vault: Vault
  readonly #table: Table
  readonly #clock: Clock
  readonly #over = new Set<string>()
  /** Those that were left while this program runs. */
  readonly #fresh = new Set<string>()

  constructor(vault: Vault, clock: Clock) {
    this.#vault = vault
    this.#table = vault.table("engine.left")
    this.#clock = clock
  }

  /** Whether nothing is left to be told, as far as is known in memory. */
  isKnownOver(link: MailboxLink): boolean {
    return this.#over.has(bytesToHex(link.group))
  }

  /** Whether this program has found it left: somebody may wait for it to be told. */
  async isFresh(link: MailboxLink): Promise<boolean> {
    return !(await this.isOver(link)) && this.#fresh.has(bytesToHex(link.group))
  }

  async isOver(link: MailboxLink): Promise<boolean> {
    if (this.isKnownOver(link)) return true
    const { group } = link
    const isOver =
      (await this.#table.get(group, OVER)) !== undefined ||
      !(await link.wasUsed()) ||
      (await this.#isTriedLong(group))
    if (isOver) this.#over.add(bytesToHex(group))
    return isOver
  }

  /** It was told, or is not there any more. */
  async end({ group }: MailboxLink): Promise<void> {
    this.#over.add(bytesToHex(group))
    await this.#note(group, OVER, new Uint8Array(0))
  }

  /** On a disk that takes nothing it is told once more at the next start. */
  async #note(group: Uint8Array, order: number, value: Uint8Array): Promise<void> {
    try {
      await this.#vault.write([this.#table.put(group, order, value)])
    } catch (error) {
      if (errorCode(error) === undefined) throw error
    }
  }

  async #isTriedLong(group: Uint8Array): Promise<boolean> {
    const now = Math.max(0, Math.floor(this.#clock.now()))
    const stored = await this.#table.get(group, SINCE)
    if (stored !== undefined) {
      return now - decodeAs(sinceSchema, stored, { bytesMax: 16 }) > TELL_MS_MAX
    }
    this.#fresh.add(bytesToHex(group))
    await this.#note(group, SINCE, encodeAs(sinceSchema, now))
    return false
  }
}
