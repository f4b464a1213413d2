/**
 * Keeps the beacon of the recovery words on each of the record's relays, so that the words find it
 * there. Every device does, whenever what it should say changes, once it has read all that the relay
 * has of the record: so none puts back an older one. Beacons of words that were replaced are removed.
 *
 * | table           | group                     | order | value                                     |
 * | --------------- | ------------------------- | ----- | ----------------------------------------- |
 * | `engine.beacon` | hash of relay and mailbox | 0     | canonical CBOR of {@link KeptBeacon}      |
 *
 * Source: DESIGN, "Meeting" (recovery).
 *
 * @module
 */
import { type Beacon, encodeBeacon, type RecordKeys, sealBeacon } from "@fulcrum/access/beacon"
import { bytesToHex, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import {
  bytesMax,
  decodeAs,
  encodeAs,
  optional,
  type Schema,
  struct,
  text,
  uint,
} from "@fulcrum/codec/schema"
import type { Clock } from "@fulcrum/crypto/clock"
import { type SigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { sha256 } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import { mailboxName } from "@fulcrum/log/mailbox"
import type { RelayClient } from "@fulcrum/relay/client"
import type { OpenMailbox } from "@fulcrum/relay/open-mailbox"
import { isRelayRefusal, RelayError } from "@fulcrum/relay/relay-error"
import type { Table, Vault } from "@fulcrum/store/vault"
import type { BeaconItem } from "../items/record-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import { isAbsent } from "../mailboxes/mailbox-opening.ts"
import { ownCapability } from "../mailboxes/record-link.ts"
import { relayId } from "../mailboxes/relay-address.ts"

/** One that is as it should be is looked after this often: a relay may have lost it. */
const LOOK_MS: number = 7 * 86_400_000
/** A relay that refused it is asked again after this long. */
const REFUSED_MS: number = 10 * 60_000

/** How a beacon stands at a relay, as far as this device knows. */
interface KeptBeacon {
  /** Digest of what it says; empty: it was removed, or refused. */
  readonly digest: Uint8Array
  /** When it was put or looked after, by the clock here. */
  readonly atMs: number
  /** Why the relay refused it. */
  readonly code?: string | undefined
}

const keptSchema: Schema<KeptBeacon> = struct({
  digest: bytesMax(32),
  atMs: uint(),
  code: optional(text(64)),
})

const EMPTY: Uint8Array = new Uint8Array()

interface VisitedRelay {
  readonly client: RelayClient
  /** By which it is known, at whatever address. */
  readonly id: string
}

export interface BeaconKeeperOptions {
  readonly ledger: Ledger
  readonly vault: Vault
  readonly keys: RecordKeys
  /** This device's key in the record space, which its capabilities are given to. */
  readonly writer: SigningKey
  readonly clock: Clock
  readonly random: Random
  /** Whether this device is a member and can write. */
  mayWrite(): boolean
}

export class BeaconKeeper {
  readonly #options: BeaconKeeperOptions
  readonly #table: Table
  readonly #kept = new Map<string, KeptBeacon | undefined>()

  constructor(options: BeaconKeeperOptions) {
    this.#options = options
    this.#table = options.vault.table("engine.beacon")
  }

  /** What it should say now; `undefined`: the words are of a time before beacons. */
  get due(): { readonly item: BeaconItem; readonly beacon: Beacon } | undefined {
    const { ledger, keys } = this.#options
    const item = this.#current
    if (item === undefined) return undefined
    const mailboxes = ledger.state.relays.map(({ address, mailboxSeed }) => ({
      relay: address,
      seed: mailboxSeed,
    }))
    const { signature } = item
    const epochs = ledger.membership.view.heads
    return { item, beacon: { anchor: { ...keys, signature }, epochs, mailboxes } }
  }

  /**
   * Brings a relay's beacons in line, over a connection on which all that it has of the record was
   * read. A refusal is kept for {@link standing}.
   *
   * @throws {RelayError} The connection broke. @throws The store's error.
   */
  async keep(client: RelayClient, address: string): Promise<void> {
    if (!this.#options.mayWrite()) return
    const { due } = this
    const relay = { client, id: relayId(address) }
    if (due !== undefined) await this.#put(relay, due)
    for (const item of this.#options.ledger.state.beacons.values()) {
      if (item !== due?.item) await this.#remove(relay, item)
    }
  }

  /** A relay has lost what it had of the record, or never had any: beacons are put there anew. */
  forget(address: string): void {
    for (const { mailboxSeed } of this.#options.ledger.state.beacons.values()) {
      const group = groupOf(relayId(address), signingKeyFromSeed(mailboxSeed))
      this.#kept.set(bytesToHex(group), undefined)
    }
  }

  /** Whether the relay at an address has the beacon as it should be, or why not. */
  async standing(address: string): Promise<{ readonly isThere: boolean; readonly code?: string }> {
    const { due } = this
    if (due === undefined) return { isThere: false }
    const key = signingKeyFromSeed(due.item.mailboxSeed)
    const kept = await this.#load(groupOf(relayId(address), key))
    const isThere = kept !== undefined && equalBytes(kept.digest, digestOf(due.beacon))
    return { isThere, ...(kept?.code !== undefined && { code: kept.code }) }
  }

  get #current(): BeaconItem | undefined {
    const { state, membership } = this.#options.ledger
    const { recovery } = membership.view
    return recovery && state.beacons.get(bytesToHex(recovery.writer))
  }

  async #put(
    { client, id }: VisitedRelay,
    { item, beacon }: { readonly item: BeaconItem; readonly beacon: Beacon },
  ): Promise<void> {
    const key = signingKeyFromSeed(item.mailboxSeed)
    const group = groupOf(id, key)
    const kept = await this.#load(group)
    const digest = digestOf(beacon)
    const isRight = kept !== undefined && equalBytes(kept.digest, digest)
    if (kept !== undefined && this.#isRecent(kept, isRight)) return
    await this.#asked(group, digest, async () => {
      if (isRight && (await isPinned(client, key))) return
      await this.#pin(client, key, beacon)
    })
  }

  #isRecent({ atMs, code }: KeptBeacon, isRight: boolean): boolean {
    const now = this.#options.clock.now()
    // A clock that was put back makes it due.
    const within = (ms: number) => now >= atMs && now - atMs < ms
    return isRight ? within(LOOK_MS) : code !== undefined && within(REFUSED_MS)
  }

  async #pin(client: RelayClient, key: SigningKey, beacon: Beacon): Promise<void> {
    const { ledger, random } = this.#options
    const { recovery } = ledger.membership.view
    if (recovery === undefined) return
    const mailbox = await this.#open(client, key)
    try {
      const to = recovery.wrap
      await mailbox.pin(sealBeacon({ beacon, to, mailbox: mailbox.name, random }))
    } finally {
      await mailbox.close()
    }
  }

  async #open(client: RelayClient, mailboxKey: SigningKey): Promise<OpenMailbox> {
    const { writer: holder } = this.#options
    const capability = ownCapability({ ...this.#options, mailboxKey, holder, right: "manage" })
    const input = { capability, mailbox: mailboxKey.publicKey, holder }
    const there = await orAbsent(client.open(input))
    if (there !== undefined) return there
    await client.create({ key: mailboxKey, kind: "archive" })
    return client.open(input)
  }

  async #remove({ client, id }: VisitedRelay, item: BeaconItem): Promise<void> {
    const key = signingKeyFromSeed(item.mailboxSeed)
    const group = groupOf(id, key)
    const kept = await this.#load(group)
    const isDone = kept?.digest.length === 0 && kept.code === undefined
    if (isDone || (kept !== undefined && this.#isRecent(kept, false))) return
    await this.#asked(group, EMPTY, () => orAbsent(client.remove(key)))
  }

  /** Notes what came of it; a refusal is no failure of the connection. */
  async #asked(group: Uint8Array, digest: Uint8Array, work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
      await this.#note(group, { digest, atMs: this.#nowMs })
    } catch (error) {
      if (!(error instanceof RelayError) || !isRelayRefusal(error.code)) throw error
      await this.#note(group, { digest: EMPTY, atMs: this.#nowMs, code: error.code })
    }
  }

  get #nowMs(): number {
    return Math.max(0, Math.floor(this.#options.clock.now()))
  }

  async #load(group: Uint8Array): Promise<KeptBeacon | undefined> {
    const key = bytesToHex(group)
    if (!this.#kept.has(key)) {
      const stored = await this.#table.get(group)
      this.#kept.set(key, stored && decodeAs(keptSchema, stored, { bytesMax: 256 }))
    }
    return this.#kept.get(key)
  }

  async #note(group: Uint8Array, kept: KeptBeacon): Promise<void> {
    await this.#options.vault.write([this.#table.put(group, 0, encodeAs(keptSchema, kept))])
    this.#kept.set(bytesToHex(group), kept)
  }
}

async function isPinned(client: RelayClient, key: SigningKey): Promise<boolean> {
  const door = await orAbsent(client.pinned(mailboxName(key.publicKey)))
  return door?.object !== undefined
}

/** @returns `undefined`: the relay has no such mailbox, or has it no more. */
async function orAbsent<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function digestOf(beacon: Beacon): Uint8Array {
  return sha256(encodeBeacon(beacon))
}

function groupOf(relay: string, key: SigningKey): Uint8Array {
  return sha256(utf8ToBytes(relay), key.publicKey)
}
