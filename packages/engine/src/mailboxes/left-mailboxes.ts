/**
 * Mailboxes that the record has left: each is told by every device that used it, or that itself had
 * the record leave it, where the record lies now, and again whenever that changes, for a device that
 * was away may know no other.
 *
 * On thirty days each is looked into again, too, at each start and now and then: of two that removed each
 * other, one may say so there after this device has followed the other, and nowhere else that it
 * knows. Days are counted on which this device runs, for its clock may be wrong by years. While the
 * record lies nowhere they are read all the time: whoever adds a relay says so there.
 *
 * | table         | group                     | order | value                                        |
 * | ------------- | ------------------------- | ----- | -------------------------------------------- |
 * | `engine.left` | hash of mailbox and relay | 2     | nothing: this device has the record leave it |
 * | `engine.left` | hash of mailbox and relay | 3     | its days, canonical CBOR `[count, the last]` |
 *
 * Orders 0 and 1 were used once. The last day is in days since 1970, by this device's clock.
 *
 * @module
 */
import { bytesToHex, compareBytes, concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { decodeAs, encodeAs, struct, uint } from "@fulcrum/codec/schema"
import type { Clock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { sha256 } from "@fulcrum/crypto/hash"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { errorCode } from "../failures/error-code.ts"
import type { RecordRelayItem } from "../items/record-items.ts"
import { linkGroup } from "./mailbox-cursor.ts"
import type { MailboxLink } from "./mailbox-link.ts"
import { relayId } from "./relay-address.ts"

/** On how many days one is told and looked into. */
const DAYS_MAX = 30
const DAY_MS = 86_400_000

/** How long after it was told it is looked into again. */
export const LOOK_MS = 600_000

const TABLE = "engine.left"
const LEFT_BY_THIS = 2
const DAYS = 3
const daysSchema = struct({ count: uint(), last: uint() })

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
  /** By mailbox, where the record lay when it was told last, and when that was. */
  readonly #told = new Map<string, { readonly where: string; readonly atMs: number }>()
  /** Those that are told nothing more. */
  readonly #over = new Set<string>()
  /** Those that were left while this program runs. */
  readonly #fresh = new Set<string>()
  /** Those that somebody has waited for. */
  readonly #waited = new Set<string>()

  /** @param living - Where the record lies. */
  constructor(vault: Vault, clock: Clock, living: () => readonly RecordRelayItem[]) {
    this.#vault = vault
    this.#table = vault.table(TABLE)
    this.#clock = clock
    this.#living = living
  }

  /** Whether it is told nothing more, as far as is known in memory. */
  isKnownOver({ group }: MailboxLink): boolean {
    return this.#over.has(bytesToHex(group))
  }

  async isOver(link: MailboxLink): Promise<boolean> {
    if (this.isKnownOver(link)) return true
    const isOver = !(await this.#isOurs(link)) || (await this.#isLongOver(link.group))
    if (isOver) this.giveUp(link)
    return isOver
  }

  /** It is not there any more, or its relay is believed no more; until the next start. */
  giveUp({ group }: MailboxLink): void {
    this.#over.add(bytesToHex(group))
  }

  /** How long it need not be visited. */
  restMs({ group }: MailboxLink): number {
    const told = this.#told.get(bytesToHex(group))
    if (told === undefined || !this.#isSomewhere || told.where !== this.#where()) return 0
    const passedMs = this.#clock.now() - told.atMs
    // A clock that was set back says nothing of how long it was.
    return passedMs < 0 ? 0 : LOOK_MS - passedMs
  }

  /**
   * Whether somebody may wait for it: this program has found it left or has not looked into it, though
   * its relay is one that keeps the record; or the record lies nowhere.
   */
  async isAwaited(link: MailboxLink): Promise<boolean> {
    if ((await this.isOver(link)) || this.restMs(link) > 0) return false
    if (!this.#isSomewhere) return true
    const key = bytesToHex(link.group)
    return !this.#waited.has(key) && (this.#fresh.has(key) || this.#keepsRecord(link))
  }

  /** Somebody has waited: once is enough. */
  waited({ group }: MailboxLink): void {
    this.#waited.add(bytesToHex(group))
  }

  /** Everything is there that says where the record lies. @returns Whether that is all. */
  tell({ group }: MailboxLink): boolean {
    if (!this.#isSomewhere) return false
    this.#told.set(bytesToHex(group), { where: this.#where(), atMs: this.#clock.now() })
    return true
  }

  #keepsRecord({ address }: MailboxLink): boolean {
    const relay = relayId(address)
    return this.#living().some((place) => relayId(place.address) === relay)
  }

  get #isSomewhere(): boolean {
    return this.#living().length > 0
  }

  #where(): string {
    const places = this.#living().map(({ address, mailboxSeed }) =>
      concatBytes([mailboxSeed, utf8ToBytes(address)]),
    )
    return bytesToHex(sha256(...places.toSorted(compareBytes)))
  }

  /** On a disk that takes nothing it was left at the next start, too. */
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

  async #isLongOver(group: Uint8Array): Promise<boolean> {
    const last = Math.max(0, Math.floor(this.#clock.now() / DAY_MS))
    const stored = await this.#table.get(group, DAYS)
    if (stored === undefined) this.#fresh.add(bytesToHex(group))
    const days = stored && decodeAs(daysSchema, stored, { bytesMax: 32 })
    const count = (days?.count ?? 0) + (days?.last === last ? 0 : 1)
    if (count > DAYS_MAX) return true
    if (days?.last !== last) await this.#note(group, DAYS, encodeAs(daysSchema, { count, last }))
    return false
  }
}
