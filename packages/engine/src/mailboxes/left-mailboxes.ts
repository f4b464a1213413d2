/**
 * Mailboxes that the record has left: each is told by every device that used it, or that itself had
 * the record leave it, where the record lies now, and again whenever that changes, for a device that
 * was away may know no other. While it lies nowhere they go on being read: whoever adds a relay says
 * so there.
 *
 * | table         | group                     | order | value                                            |
 * | ------------- | ------------------------- | ----- | ------------------------------------------------ |
 * | `engine.left` | hash of mailbox and relay | 0     | when it was left, canonical CBOR                 |
 * | `engine.left` | hash of mailbox and relay | 1     | hash of where the record lay when it was told so |
 * | `engine.left` | hash of mailbox and relay | 2     | nothing: this device has the record leave it     |
 *
 * @module
 */
import { bytesToHex, compareBytes, concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { decodeAs, encodeAs, uint } from "@fulcrum/codec/schema"
import type { Clock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { sha256 } from "@fulcrum/crypto/hash"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { errorCode } from "../failures/error-code.ts"
import type { RecordRelayItem } from "../items/record-items.ts"
import { linkGroup } from "./mailbox-cursor.ts"
import type { MailboxLink } from "./mailbox-link.ts"

/** How long a relay that does not answer is tried. */
const TELL_MS_MAX: number = 30 * 86_400_000

const TABLE = "engine.left"
const SINCE = 0
const TOLD = 1
const LEFT_BY_THIS = 2
const sinceSchema = uint()

/**
 * That this device has the record leave a mailbox: for the write that says so. Others that use it may
 * know of no other, and this one may never have reached it.
 */
export function leaving(vault: Vault, { address, mailboxSeed }: RecordRelayItem): VaultOp {
  const { publicKey } = signingKeyFromSeed(mailboxSeed)
  const group = linkGroup(publicKey, address)
  return vault.table(TABLE).put(group, LEFT_BY_THIS, new Uint8Array())
}

export class LeftMailboxes {
  readonly #vault: Vault
  readonly #table: Table
  readonly #clock: Clock
  readonly #living: () => readonly RecordRelayItem[]
  /** By mailbox, where the record lay when it was told; `undefined`: it is given up. */
  readonly #told = new Map<string, string | undefined>()
  /** Those that were left while this program runs. */
  readonly #fresh = new Set<string>()

  /** @param living - Where the record lies. */
  constructor(vault: Vault, clock: Clock, living: () => readonly RecordRelayItem[]) {
    this.#vault = vault
    this.#table = vault.table(TABLE)
    this.#clock = clock
    this.#living = living
  }

  /** Whether nothing is left to be told, as far as is known in memory. */
  isKnownOver({ group }: MailboxLink): boolean {
    const key = bytesToHex(group)
    if (!this.#told.has(key)) return false
    const told = this.#told.get(key)
    return told === undefined || (this.#isSomewhere && told === bytesToHex(this.#where()))
  }

  /** Whether somebody may wait for it: this program has found it left, or the record lies nowhere. */
  async isAwaited(link: MailboxLink): Promise<boolean> {
    if (await this.isOver(link)) return false
    return this.#fresh.has(bytesToHex(link.group)) || !this.#isSomewhere
  }

  /** Somebody has waited: once is enough. */
  waited({ group }: MailboxLink): void {
    this.#fresh.delete(bytesToHex(group))
  }

  async isOver(link: MailboxLink): Promise<boolean> {
    if (this.isKnownOver(link)) return true
    const { group } = link
    const key = bytesToHex(group)
    const told = await this.#table.get(group, TOLD)
    if (told !== undefined) this.#told.set(key, bytesToHex(told))
    if (!(await this.#isOurs(link)) || (await this.#isTriedLong(group))) {
      this.#told.set(key, undefined)
    }
    return this.isKnownOver(link)
  }

  /** Everything is there that says where the record lies. @returns Whether that is all. */
  async tell({ group }: MailboxLink): Promise<boolean> {
    if (!this.#isSomewhere) return false
    const where = this.#where()
    this.#told.set(bytesToHex(group), bytesToHex(where))
    await this.#note(group, TOLD, where)
    return true
  }

  /** It is not there any more, or its relay is believed no more; until the next start. */
  giveUp({ group }: MailboxLink): void {
    this.#told.set(bytesToHex(group), undefined)
  }

  get #isSomewhere(): boolean {
    return this.#living().length > 0
  }

  #where(): Uint8Array {
    const places = this.#living().map(({ address, mailboxSeed }) =>
      concatBytes([mailboxSeed, utf8ToBytes(address)]),
    )
    return sha256(...places.toSorted(compareBytes))
  }

  /** On a disk that takes nothing it is told once more at the next start. */
  async #note(group: Uint8Array, order: number, value: Uint8Array): Promise<void> {
    try {
      await this.#vault.write([this.#table.put(group, order, value)])
    } catch (error) {
      if (errorCode(error) === undefined) throw error
    }
  }

  async #isOurs(link: MailboxLink): Promise<boolean> {
    const isLeftByThis = (await this.#table.get(link.group, LEFT_BY_THIS)) !== undefined
    return isLeftByThis || link.wasUsed()
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
