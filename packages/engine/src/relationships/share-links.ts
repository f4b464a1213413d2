/**
 * A share's link to its mailbox: what comes from there, what is kept of what its relay signed, and when
 * it may forget.
 *
 * Source: DESIGN, "Meeting" (a share's mailbox has two readers).
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { mailboxNameSchema } from "@fulcrum/log/ids"
import type { Vault } from "@fulcrum/store/vault"
import { CARRIED_SPAN_BYTES_MAX, CARRIED_SPANS_MAX } from "../items/relationship-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { LinkedSpace, StoredSpan } from "../mailboxes/linked-space.ts"
import { MailboxLink } from "../mailboxes/mailbox-link.ts"
import { ownAccess } from "../mailboxes/record-link.ts"
import { storedPublicKey } from "../membership/stored-public-key.ts"
import type { Knocks } from "./knocks.ts"
import type { OpenRelationship, Relationships } from "./relationships.ts"
import type { SharePlace } from "./share-places.ts"
import { dueReceipts } from "./share-receipts.ts"

/** Bytes of a share's spans that one entry of the record carries. */
const CARRIED_BYTES_MAX: number = 512 * 1024

export interface ShareLinksOptions {
  readonly ledger: Ledger
  readonly relationships: Relationships
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
  readonly knocks: Knocks
  /** The record's links. */
  record(): readonly MailboxLink[]
  /** Whether every other own device is known to hold all of a share. */
  devicesHold(relationship: OpenRelationship): boolean
  /** Something was added to a share. */
  changed(relationship: OpenRelationship): void
  /** Whether this device is a member and can write. */
  mayWrite(): boolean
}

export class ShareLinks {
  readonly #options: ShareLinksOptions

  constructor(options: ShareLinksOptions) {
    this.#options = options
  }

  /** The link of a share to the mailbox of one of its places, on one relay. */
  link(relationship: OpenRelationship, place: SharePlace, address: string): MailboxLink {
    const { vault, clock, random, relationships, knocks } = this.#options
    const { item } = relationship.secrets
    const { mailboxSeed, accessSeed } = place.seeds()
    const mailboxKey = signingKeyFromSeed(mailboxSeed)
    const holder = signingKeyFromSeed(accessSeed)
    const vendorAccess = storedPublicKey(item.vendorAccess)
    const isFirst = place.name === undefined
    const create = {
      key: mailboxKey,
      kind: "drop",
      readers: [holder.publicKey, vendorAccess],
      // The token has paid for the first one.
      ...(isFirst &&
        item.token && {
          admission: { door: mailboxNameSchema.decode(item.door), token: item.token },
        }),
    } as const
    const access = ownAccess({ mailboxKey, holder, create, clock, random })
    const space: LinkedSpace = {
      replica: relationship.space.replica,
      // Own devices have each other's, and what was read the record carries.
      ...(!isFirst && { known: () => relationship.space.vendorRows }),
      admit: async (spans) => {
        await relationships.admit(relationship, spans)
        this.#options.changed(relationship)
      },
      stored: (items) => this.#keepReceipts(relationship, items),
      mayAcknowledge: (next) => this.#mayAcknowledge(relationship, next),
      arrive: async (client, isNew) => {
        if (await knocks.leave(relationship, client, isNew)) this.#options.changed(relationship)
      },
    }
    return new MailboxLink({ address, access, space, vault, clock, random })
  }

  /** Relays' receipts for entries of the person's lane become entries of the record. */
  async #keepReceipts(relationship: OpenRelationship, items: readonly StoredSpan[]): Promise<void> {
    if (!this.#options.mayWrite()) return
    const due = dueReceipts(relationship, items)
    if (due.length === 0) return
    await this.#options.ledger.transact(async (step) => {
      for (const value of due) step.add({ kind: "relayReceipt", value })
    })
  }

  /**
   * A drop forgets only what the record carries in an archive, for own devices that have not fetched it
   * and for the recovery words. Where no archive can be reached, what every own device has is enough.
   */
  async #mayAcknowledge(relationship: OpenRelationship, next: number): Promise<number | undefined> {
    if (!this.#options.mayWrite()) return undefined
    if (this.#options.record().every(({ code }) => code !== undefined)) {
      return this.#isWithAll(relationship) ? next - 1 : undefined
    }
    if (await this.#carry(relationship)) return undefined
    const behind = await Promise.all(this.#options.record().map((link) => link.isBehind()))
    return behind.every(Boolean) ? undefined : next - 1
  }

  /** Whether every own device has all of a share. */
  #isWithAll(relationship: OpenRelationship): boolean {
    const { devices } = this.#options.ledger.membership.view
    return devices.length <= 1 || this.#options.devicesHold(relationship)
  }

  /** Puts some of a share's spans that the record does not carry yet into it. @returns Whether there are any. */
  async #carry(relationship: OpenRelationship): Promise<boolean> {
    const { ledger } = this.#options
    const { replica } = relationship.space
    const held = replica.tree.merge(ledger.state.carried(relationship.id), [])
    const { spans } = await replica.spansAfter(held, { bytesMax: CARRIED_BYTES_MAX })
    const some = spans.slice(0, CARRIED_SPANS_MAX)
    // One that no entry has room for stays where it is.
    if (some.length > 0 && some.every(({ length }) => length <= CARRIED_SPAN_BYTES_MAX)) {
      const id = relationship.secrets.item.id
      await ledger.transact(async (step) => {
        step.add({ kind: "carried", value: { relationship: id, spans: some } })
      })
    }
    return some.length > 0
  }
}
