/**
 * A client of one relay, over one channel.
 *
 * Nothing that a relay says is believed for itself: receipts must be signed by the key that the
 * transport proved, be about what was sent or read, and fit all receipts before. A reply that is
 * not what the protocol says ends the connection. Connecting again is the caller's.
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { contexts } from "@fulcrum/crypto/contexts"
import { type PublicKey, type SigningKey, sign } from "@fulcrum/crypto/ed25519"
import type { MailboxName } from "@fulcrum/log/ids"
import { mailboxName, proveBinding } from "@fulcrum/log/mailbox"
import { spanHash } from "@fulcrum/log/span"
import { CLIENT_CHALLENGE_MS } from "./limits.ts"
import { type MailboxSession, type OpenMailbox, openMailbox } from "./open-mailbox.ts"
import {
  type CreateFields,
  createClaim,
  decodeFromRelay,
  type FromRelay,
  type KnockAdmission,
  type MailboxKind,
  type MeetingPlace,
  type OpenedFields,
  publicKeySchema,
  RELAY_VERSION,
  type RelayChannel,
  type RelayMethod,
  type RelayPush,
  type RelayResult,
  type RelayResults,
  removeClaim,
} from "./protocol.ts"
import { type RelayReceipt, verifyReceipt } from "./receipt.ts"
import { createReceiptTrail, type ReceiptTrail } from "./receipt-trail.ts"
import { isRelayRefusal, RelayError } from "./relay-error.ts"
import { createMeetingInbox, type MeetingInbox, type RelayMeeting } from "./relay-meeting.ts"
import { createRequestQueue, type RequestQueue } from "./request-queue.ts"
import { doWork } from "./work.ts"

export interface RelayClientOptions {
  readonly clock: Clock
  /** The transport key of the host that dialed; capabilities are bound to it. */
  readonly dialerKey: Uint8Array
  /** Aborts the wait for the relay's challenge. */
  readonly signal?: AbortSignal
}

export interface CreateMailbox {
  /** The mailbox's own key. */
  readonly key: SigningKey
  readonly kind: MailboxKind
  /** Who must acknowledge before an item of a drop or door is removed. */
  readonly readers?: readonly PublicKey[]
  /** A front door's token, which pays for this mailbox. */
  readonly admission?: { readonly door: MailboxName; readonly token: Uint8Array }
  /** Doors: work that a message without a token must show; absent: tokens only. */
  readonly workBits?: number
}

export interface OpenInput {
  readonly capability: Uint8Array
  /** The key that the mailbox is named by. */
  readonly mailbox: PublicKey
  /** The key that the capability was given to. */
  readonly holder: SigningKey
  /** The newest receipt of this mailbox that is kept here, from any time before. */
  readonly known?: Uint8Array
}

export interface FrontDoor {
  /** The public object that is pinned there. */
  readonly object: Uint8Array | undefined
  /** The work that it asks of strangers; absent: it asks for a token. */
  readonly workBits: number | undefined
}

export interface KnockInput {
  readonly door: MailboxName
  readonly message: Uint8Array
  /** A one-time token; absent: work is done instead. */
  readonly token?: Uint8Array
  readonly signal?: AbortSignal
}

export interface RelayClient extends AsyncDisposable {
  /** The relay's key, proved by the transport. */
  readonly relay: PublicKey
  readonly closed: Promise<void>
  /** Creates a mailbox; if it is there, declares its readers and work anew. */
  create(mailbox: CreateMailbox): Promise<RelayResults["created"]>
  /**
   * @throws {RelayError} `RELAY_UNKNOWN_MAILBOX`: create it, and refill it from what is kept here;
   * `RELAY_EQUIVOCATION`: the relay has gone back behind a receipt that is known.
   */
  open(input: OpenInput): Promise<OpenMailbox>
  pinned(mailbox: MailboxName): Promise<FrontDoor>
  /**
   * Leaves a message at a front door, against a token or by working for it. The same bytes again
   * get the same receipt.
   */
  knock(input: KnockInput): Promise<RelayReceipt>
  remove(mailbox: SigningKey): Promise<void>
  /** Begins a meeting; one at a time on a connection. @param name - 32 bytes that both know. */
  meet(name?: Uint8Array): Promise<RelayMeeting>
  join(place: MeetingPlace): Promise<RelayMeeting>
  close(): Promise<void>
}

/**
 * Takes over a channel that was dialed to a relay.
 *
 * @throws {RelayError} `RELAY_TIMEOUT`, `RELAY_CLOSED`, `RELAY_PROTOCOL`, `RELAY_VERSION`,
 * `RELAY_FULL`; the channel is closed then.
 */
export async function connectRelay(
  channel: RelayChannel,
  options: RelayClientOptions,
): Promise<RelayClient> {
  const messages = channel.messages()[Symbol.asyncIterator]()
  try {
    const nonce = await awaitChallenge(messages, options)
    return new Client(channel, messages, nonce, options)
  } catch (error) {
    channel.abort(error instanceof Error ? error : new Error("no relay"))
    throw error
  }
}

async function awaitChallenge(
  messages: AsyncIterator<Uint8Array>,
  { clock, signal }: RelayClientOptions,
): Promise<Uint8Array> {
  const stop = new AbortController()
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
  const tooLate = clock.sleep(CLIENT_CHALLENGE_MS, either).then((): never => {
    throw new RelayError("RELAY_TIMEOUT", "the relay does not speak")
  })
  try {
    const { value, done } = await Promise.race([messages.next(), tooLate])
    if (done === true) throw closed()
    const message = decodeFromRelay(value)
    if (message.kind === "error") throw refusal(message.value)
    if (message.kind !== "challenge") throw broken("a relay speaks first with its challenge")
    const { version, nonce } = message.value
    if (version !== RELAY_VERSION) {
      throw new RelayError("RELAY_VERSION", "the relay speaks another version")
    }
    return nonce
  } finally {
    stop.abort(new Error("the relay has spoken"))
    tooLate.catch(() => undefined)
  }
}

class Client implements RelayClient, MailboxSession {
  readonly relay: PublicKey
  readonly closed: Promise<void>
  readonly #channel: RelayChannel
  readonly #clock: Clock
  readonly #nonce: Uint8Array
  readonly #dialerKey: Uint8Array
  readonly #queue: RequestQueue
  readonly #watchers = new Map<number, (next: number) => void>()
  /** One for each life of a mailbox, shared by all that is open there. */
  readonly #trails = new Map<string, ReceiptTrail>()
  #meeting: MeetingInbox | undefined

  constructor(
    channel: RelayChannel,
    messages: AsyncIterator<Uint8Array>,
    nonce: Uint8Array,
    options: RelayClientOptions,
  ) {
    this.#channel = channel
    this.#clock = options.clock
    this.#nonce = nonce
    this.#dialerKey = options.dialerKey
    this.relay = publicKeySchema.decode(channel.remotePublicKey)
    this.#queue = createRequestQueue({
      clock: options.clock,
      send: (message) => channel.send(message),
      lost: (error) => this.#lose(error),
    })
    this.closed = this.#listen(messages)
  }

  async ask<K extends keyof RelayResults>(method: RelayMethod, kind: K): Promise<RelayResults[K]> {
    const result = await this.#queue.ask(method)
    if (isResult(result, kind)) return result.value
    throw this.distrust(broken("an answer to another question"))
  }

  distrust(error: unknown): unknown {
    this.#lose(error instanceof RelayError ? error : broken("what the relay says does not hold"))
    return error
  }

  watch(handle: number, listener: ((next: number) => void) | undefined): void {
    if (listener === undefined) this.#watchers.delete(handle)
    else this.#watchers.set(handle, listener)
  }

  async create(mailbox: CreateMailbox): Promise<RelayResults["created"]> {
    const { key, kind, readers = [], admission, workBits } = mailbox
    const fields: CreateFields = { mailbox: key.publicKey, kind, readers, admission, workBits }
    const claim = createClaim(this.relay, this.#nonce, fields)
    const signature = sign(contexts.relayCreate, key, claim)
    return this.ask({ kind: "create", value: { ...fields, signature } }, "created")
  }

  async open({ capability, mailbox, holder, known }: OpenInput): Promise<OpenMailbox> {
    const proof = proveBinding({
      relayKey: this.relay,
      dialerKey: this.#dialerKey,
      nonce: this.#nonce,
      capability,
      holderKey: holder,
    })
    const opened = await this.ask({ kind: "open", value: { capability, proof } }, "opened")
    const name = mailboxName(mailbox)
    const { handle, sequenceId, next } = opened
    try {
      const trail = this.#trailOf(name, sequenceId)
      const head = checkHead(trail, opened)
      checkKnown({ trail, relay: this.relay, sequenceId, head, known })
      return openMailbox({
        ...{ session: this, relay: this.relay, handle, name, sequenceId, next, head, trail },
      })
    } catch (error) {
      throw this.distrust(error)
    }
  }

  #trailOf(mailbox: MailboxName, sequenceId: Uint8Array): ReceiptTrail {
    const id = bytesToHex(mailbox) + bytesToHex(sequenceId)
    const there = this.#trails.get(id)
    if (there !== undefined) return there
    const trail = createReceiptTrail({ relay: this.relay, mailbox, sequenceId })
    this.#trails.set(id, trail)
    return trail
  }

  async pinned(mailbox: MailboxName): Promise<FrontDoor> {
    const { object, workBits } = await this.ask({ kind: "pinned", value: { mailbox } }, "pinned")
    return { object, workBits }
  }

  async knock({ door, message, token, signal }: KnockInput): Promise<RelayReceipt> {
    const hash = spanHash(message)
    const admission: KnockAdmission =
      token === undefined
        ? { kind: "work", value: await this.#work(door, hash, signal) }
        : { kind: "token", value: token }
    const bytes = await this.ask({ kind: "knock", value: { door, admission, message } }, "receipt")
    try {
      const receipt = verifyReceipt(bytes, this.relay)
      if (!equalBytes(receipt.mailbox, door) || !equalBytes(receipt.hash, hash)) {
        throw broken("a receipt for something else")
      }
      return receipt
    } catch (error) {
      throw this.distrust(error)
    }
  }

  async #work(
    door: MailboxName,
    item: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const { workBits: bits } = await this.pinned(door)
    if (bits === undefined) {
      throw new RelayError("RELAY_WORK", "this front door asks for a token")
    }
    return doWork({ door, item, bits, clock: this.#clock, ...(signal && { signal }) })
  }

  async remove(mailbox: SigningKey): Promise<void> {
    const claim = removeClaim(this.relay, this.#nonce, mailbox.publicKey)
    const signature = sign(contexts.relayRemove, mailbox, claim)
    const value = { mailbox: mailbox.publicKey, signature }
    await this.ask({ kind: "remove", value }, "done")
  }

  meet(name?: Uint8Array): Promise<RelayMeeting> {
    return this.#enter({ kind: "meet", value: { name } }, "host")
  }

  join(place: MeetingPlace): Promise<RelayMeeting> {
    return this.#enter({ kind: "meetJoin", value: { place } }, "guest")
  }

  async #enter(method: RelayMethod, role: "host" | "guest"): Promise<RelayMeeting> {
    const inbox = createMeetingInbox(role)
    this.#meeting?.fail(new RelayError("RELAY_PEER_ABSENT", "another meeting has begun"))
    // Before the answer: the other side's first push may be right behind it.
    this.#meeting = inbox
    const { nameplate, expiresInSeconds } = await this.ask(method, "meeting")
    return {
      nameplate,
      expiresInSeconds,
      joined: inbox.joined,
      receive: () => inbox.receive(),
      send: async (bytes) => {
        await this.ask({ kind: "meetSend", value: { bytes } }, "done")
      },
      leave: async () => {
        inbox.fail(new RelayError("RELAY_PEER_ABSENT", "this side has left"))
        if (this.#meeting !== inbox) return
        this.#meeting = undefined
        await this.ask({ kind: "meetLeave", value: {} }, "done")
      },
    }
  }

  async close(): Promise<void> {
    this.#end(closed())
    await this.#channel.close()
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Hands out what the relay says, until the channel ends. */
  async #listen(messages: AsyncIterator<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        const { value, done } = await messages.next()
        if (done === true) break
        this.#take(decodeFromRelay(value))
      }
      this.#end(closed())
    } catch (error) {
      this.#lose(
        error instanceof RelayError
          ? error
          : new RelayError("RELAY_CLOSED", "the connection to the relay ended", { cause: error }),
      )
    }
  }

  #take(message: FromRelay): void {
    switch (message.kind) {
      case "challenge":
        throw broken("a second challenge")
      case "result":
        this.#queue.answer(message.value.id, message.value.result)
        return
      case "error":
        if (message.value.id === 0) throw refusal(message.value)
        this.#queue.answer(message.value.id, refusal(message.value))
        return
      case "push":
        this.#takePush(message.value)
    }
  }

  #takePush(push: RelayPush): void {
    if (push.kind !== "watched") this.#meeting?.take(push)
    else this.#watchers.get(push.value.handle)?.(push.value.next)
  }

  #lose(error: RelayError): void {
    this.#end(error)
    this.#channel.abort(error)
  }

  #end(error: RelayError): void {
    this.#queue.fail(error)
    this.#meeting?.fail(error)
    this.#watchers.clear()
  }
}

/** The newest receipt must be that of the position before the next, with the root that is told. */
function checkHead(trail: ReceiptTrail, opened: OpenedFields): RelayReceipt | undefined {
  const head = opened.head && trail.note(opened.head)
  if ((head?.position ?? 0) !== opened.next - 1) throw broken("a mailbox without its last receipt")
  const root = trail.rootAt(opened.next - 1)
  if (root === undefined || !equalBytes(root, opened.root)) throw broken("a root of nothing")
  return head
}

/** A relay that has lost what it signed for, in the same life of a mailbox, has gone back. */
function checkKnown(input: {
  readonly trail: ReceiptTrail
  readonly relay: PublicKey
  readonly sequenceId: Uint8Array
  readonly head: RelayReceipt | undefined
  readonly known: Uint8Array | undefined
}): void {
  const { trail, relay, sequenceId, head } = input
  const known = input.known && verifyReceipt(input.known, relay)
  if (known === undefined || !equalBytes(known.sequenceId, sequenceId)) return
  if (known.position > (head?.position ?? 0)) {
    throw new RelayError("RELAY_EQUIVOCATION", "the relay has gone back behind what it signed", {
      proofs: head === undefined ? [known.bytes] : [known.bytes, head.bytes],
    })
  }
  trail.note(known.bytes)
}

function isResult<K extends keyof RelayResults>(
  result: RelayResult,
  kind: K,
): result is Extract<RelayResult, { kind: K }> & { readonly value: RelayResults[K] } {
  return result.kind === kind
}

function refusal(error: {
  readonly code: string
  readonly retryAfterSeconds?: number | undefined
}) {
  const { code, retryAfterSeconds } = error
  if (!isRelayRefusal(code)) return broken("a refusal of an unknown kind")
  return new RelayError(code, `the relay answers ${code}`, { retryAfterSeconds })
}

function broken(detail: string): RelayError {
  return new RelayError("RELAY_PROTOCOL", detail)
}

function closed(): RelayError {
  return new RelayError("RELAY_CLOSED", "the connection to the relay ended")
}
