/**
 * A vendor's front door on one relay: makes the mailbox, pins the request, registers tokens, and
 * reads what was left there. A message is acknowledged once what became of it is durable.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { capabilityEnd, type MailboxRight, mailboxName, signCapability } from "@fulcrum/log/mailbox"
import type { RelayClient } from "@fulcrum/relay/client"
import { TOKENS_PER_REQUEST_MAX, WORK_BITS_DEFAULT } from "@fulcrum/relay/limits"
import type { OpenMailbox } from "@fulcrum/relay/open-mailbox"
import type { Table, Vault } from "@fulcrum/store/vault"
import { Signal } from "../waiting/signal.ts"
import { type DoorCursor, decodeStored, doorCursorSchema, encodeStored } from "./vendor-records.ts"

/** A notification is a hint: the door is also read this often. */
const POLL_MS = 2000
/** Bytes of messages read at a time. */
const PAGE_BYTES_MAX: number = 1024 * 1024

/** What the vendor wants its front door to say. */
export interface DoorNotice {
  /** The signed request; absent: there is none yet. */
  readonly request: Uint8Array | undefined
  /** Whether strangers may knock, for work. */
  readonly isPublic: boolean
  /** Number of the newest token. */
  readonly lastToken: number
}

export interface VendorDoorOptions {
  /** Names the relay in the cursor's table. */
  readonly relay: Uint8Array
  readonly doorKey: SigningKey
  readonly accessKey: SigningKey
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
  notice(): DoorNotice
  /** Tokens whose numbers are above `after`, at most so many. */
  tokensAfter(
    after: number,
    most: number,
  ): { readonly tokens: readonly Uint8Array[]; readonly last: number }
  /** Durable when it resolves. */
  receive(message: Uint8Array): Promise<void>
  changed(): void
}

export class VendorDoor {
  readonly #options: VendorDoorOptions
  readonly #cursors: Table
  readonly #wake = new Signal()
  #cursor: DoorCursor | undefined
  #pinned: Uint8Array | undefined
  #isPublic: boolean | undefined

  constructor(options: VendorDoorOptions) {
    this.#options = options
    this.#cursors = options.vault.table("vendor.doors")
  }

  /** Something is new here: a request, or tokens. */
  poke(): void {
    this.#wake.notify()
  }

  /** Whether the relay has been told of all tokens and of the request, on this connection. */
  get isUpToDate(): boolean {
    const { request, isPublic, lastToken } = this.#options.notice()
    return (
      this.#isPublic === isPublic &&
      (this.#cursor?.registered ?? 0) >= lastToken &&
      (request === undefined || (this.#pinned !== undefined && equalBytes(this.#pinned, request)))
    )
  }

  /** The connection ended: what the relay was told on it may have to be told again. */
  lost(): void {
    this.#pinned = undefined
    this.#isPublic = undefined
  }

  /** Works over one connection until it breaks or `signal` fires. */
  async serve(client: RelayClient, signal: AbortSignal): Promise<never> {
    this.lost()
    await this.#declare(client)
    const manage = await this.#open(client, "manage")
    const read = await this.#open(client, "read")
    await this.#align(read)
    // What was saved and could not be acknowledged, since the connection broke.
    await read.acknowledge(this.#require().next - 1)
    await read.watch(() => this.#wake.notify())
    const lost = client.closed.then(() => this.#wake.notify())
    for (;;) {
      const woken = this.#wake.arm()
      if (this.#isPublic !== this.#options.notice().isPublic) await this.#declare(client)
      await this.#pin(client, manage)
      await this.#register(manage)
      this.#options.changed()
      await this.#pull(read)
      await Promise.race([woken, lost, this.#options.clock.sleep(POLL_MS, signal)])
      signal.throwIfAborted()
    }
  }

  /** Makes the front door; if it is there, says anew whether strangers may knock. */
  async #declare(client: RelayClient): Promise<void> {
    const { doorKey, accessKey, notice } = this.#options
    const { isPublic } = notice()
    await client.create({
      key: doorKey,
      kind: "door",
      readers: [accessKey.publicKey],
      ...(isPublic && { workBits: WORK_BITS_DEFAULT }),
    })
    this.#isPublic = isPublic
  }

  async #open(client: RelayClient, right: MailboxRight): Promise<OpenMailbox> {
    const { doorKey, accessKey, clock, random } = this.#options
    const known = (await this.#load())?.head
    const capability = signCapability({
      mailboxKey: doorKey,
      right,
      holder: accessKey.publicKey,
      notAfter: capabilityEnd(clock.now()),
      serial: random.bytes(16),
    })
    const input = { capability, mailbox: doorKey.publicKey, holder: accessKey }
    return client.open({ ...input, ...(known && right === "read" && { known }) })
  }

  /** A relay that lost the door begins again: it is told all tokens once more. */
  async #align({ sequenceId }: OpenMailbox): Promise<void> {
    const cursor = await this.#load()
    if (cursor !== undefined && equalBytes(cursor.sequenceId, sequenceId)) return
    await this.#save({ sequenceId, next: 1, registered: 0 })
  }

  async #pin(client: RelayClient, manage: OpenMailbox): Promise<void> {
    const { request } = this.#options.notice()
    if (request === undefined) return
    if (this.#pinned === undefined) {
      const { object } = await client.pinned(mailboxName(this.#options.doorKey.publicKey))
      this.#pinned = object
    }
    if (this.#pinned !== undefined && equalBytes(this.#pinned, request)) return
    await manage.pin(request)
    this.#pinned = request
  }

  async #register(manage: OpenMailbox): Promise<void> {
    for (;;) {
      const cursor = this.#require()
      const { tokens, last } = this.#options.tokensAfter(cursor.registered, TOKENS_PER_REQUEST_MAX)
      if (tokens.length > 0) await manage.registerTokens(tokens)
      if (last > cursor.registered) await this.#save({ ...cursor, registered: last })
      if (tokens.length < TOKENS_PER_REQUEST_MAX) return
    }
  }

  async #pull(read: OpenMailbox): Promise<void> {
    for (;;) {
      const cursor = this.#require()
      const page = await read.read({ from: cursor.next, bytesMax: PAGE_BYTES_MAX })
      for (const { bytes } of page.items) await this.#options.receive(bytes)
      if (page.next > cursor.next) {
        const head = page.items.at(-1)?.receipt.bytes ?? cursor.head
        await this.#save({ ...cursor, next: page.next, head })
        await read.acknowledge(page.next - 1)
      }
      if (page.next >= page.end) return
    }
  }

  async #load(): Promise<DoorCursor | undefined> {
    if (this.#cursor === undefined) {
      const stored = await this.#cursors.get(this.#options.relay)
      if (stored !== undefined) this.#cursor = decodeStored(doorCursorSchema, stored)
    }
    return this.#cursor
  }

  async #save(cursor: DoorCursor): Promise<void> {
    await this.#options.vault.write([
      this.#cursors.put(this.#options.relay, 0, encodeStored(doorCursorSchema, cursor)),
    ])
    this.#cursor = cursor
  }

  #require(): DoorCursor {
    if (this.#cursor === undefined) throw new TypeError("a front door that was never aligned")
    return this.#cursor
  }
}
