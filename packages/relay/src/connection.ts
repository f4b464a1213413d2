/**
 * One connection to a relay, from its challenge to its end.
 *
 * Requests run side by side within bounds; reads and their answers one at a time, so that a slow
 * reader holds one page and not many. A capability counts only with its holder's proof over this
 * connection's nonce and both transport keys, and is looked at again with each use.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { contexts } from "@fulcrum/crypto/contexts"
import { verify } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { MailboxName } from "@fulcrum/log/ids"
import { LogError } from "@fulcrum/log/log-error"
import {
  checkBinding,
  type MailboxRight,
  mailboxName,
  verifyCapability,
} from "@fulcrum/log/mailbox"
import { verifySpan } from "@fulcrum/log/span"
import { asRelayError } from "./as-relay-error.ts"
import type { RelayLimits } from "./limits.ts"
import type { Mailboxes } from "./mailboxes.ts"
import type { MeetingEnd, Meetings } from "./meetings.ts"
import type { RelayMetrics } from "./metrics.ts"
import { type Handle, OpenHandles } from "./open-handles.ts"
import { createPace } from "./pace.ts"
import {
  createClaim,
  decodeRequest,
  encodeFromRelay,
  RELAY_VERSION,
  type RelayChannel,
  type RelayMethod,
  type RelayMethods,
  type RelayPush,
  type RelayRequest,
  type RelayResult,
  removeClaim,
} from "./protocol.ts"
import { isRelayRefusal, RelayError } from "./relay-error.ts"
import { malformed, RETRY_SECONDS, SUSPECT, tooOften } from "./suspect-refusals.ts"
import { WatchPushes } from "./watch-pushes.ts"

export interface ConnectionOptions {
  readonly channel: RelayChannel
  readonly mailboxes: Mailboxes
  readonly meetings: Meetings
  readonly clock: Clock
  readonly random: Random
  readonly limits: RelayLimits
  readonly metrics: RelayMetrics
  readonly stop: AbortSignal
}

/** Seconds between two looks at whether the other side still takes what is sent. */
const WATCHDOG_SECONDS = 5

/** Serves until either side ends it. Throws only what is a fault of this program. */
export async function serveConnection(options: ConnectionOptions): Promise<void> {
  const connection = new Connection(options)
  try {
    await connection.serve()
  } finally {
    connection.release()
  }
}

class Connection {
  readonly #options: ConnectionOptions
  readonly #nonce: Uint8Array
  readonly #end = new AbortController()
  readonly #handles = new OpenHandles()
  readonly #meetingEnd: MeetingEnd = { push: (push) => this.#push(push) }
  readonly #pushes = new WatchPushes((handle) => this.#pushNext(handle))
  /** Since when each send under way has waited, in order. */
  readonly #sending = new Set<{ since: number }>()
  #reading: Promise<unknown> = Promise.resolve()
  #inFlight = 0
  #inFlightBytes = 0
  #room: (() => void) | undefined
  #lastId = 0
  #hasGreeted = false
  #refusals = 0
  #created = 0
  #knocks = 0
  #meets = 0
  #fault: unknown

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#nonce = options.random.bytes(32)
  }

  async serve(): Promise<void> {
    const { channel, clock, limits, stop } = this.#options
    const { requestsPerSecond, bytesPerSecond } = limits
    const pace = createPace({ clock, requestsPerSecond, bytesPerSecond })
    const hangUp = (): void => this.#hangUp("the relay is closing")
    stop.addEventListener("abort", hangUp, { once: true })
    const watchdog = this.#watch()
    try {
      const version = RELAY_VERSION
      const value = { version, nonce: this.#nonce }
      await this.#send(encodeFromRelay({ kind: "challenge", value }))
      for await (const message of channel.messages()) {
        if (this.#end.signal.aborted) break
        await pace.take(message.length, this.#end.signal)
        await this.#waitForRoom(message.length)
        this.#inFlight++
        this.#inFlightBytes += message.length
        void this.#handle(message)
      }
      await channel.close()
    } catch (error) {
      // The channel ended in some way or other: there is nobody left to tell.
      channel.abort(error instanceof Error ? error : new Error("the connection ended"))
    } finally {
      stop.removeEventListener("abort", hangUp)
      this.#end.abort(new Error("the connection ended"))
      await watchdog
    }
    if (this.#fault !== undefined) throw this.#fault
  }

  release(): void {
    this.#handles.closeAll()
    this.#options.meetings.leave(this.#meetingEnd)
  }

  /** Ends a connection that says nothing valid, or does not take what it asked for. */
  async #watch(): Promise<void> {
    const { clock, limits } = this.#options
    let begun = clock.now()
    while (!this.#end.signal.aborted) {
      try {
        await clock.sleep(WATCHDOG_SECONDS * 1000, this.#end.signal)
      } catch {
        return
      }
      const now = clock.now()
      const [oldest] = this.#sending
      // Nothing began after now: the clock was put back.
      begun = Math.min(begun, now)
      if (oldest !== undefined) oldest.since = Math.min(oldest.since, now)
      if (!this.#hasGreeted && now - begun > limits.greetSeconds * 1000) {
        this.#hangUp("nothing valid was said")
      } else if (oldest !== undefined && now - oldest.since > limits.sendSeconds * 1000) {
        this.#hangUp("the other side takes nothing")
      }
    }
  }

  #hangUp(reason: string): void {
    const error = new Error(reason)
    this.#end.abort(error)
    this.#options.channel.abort(error)
  }

  async #waitForRoom(bytes: number): Promise<void> {
    const { inFlightMax, inFlightBytesMax } = this.#options.limits
    while (
      this.#inFlight > 0 &&
      (this.#inFlight >= inFlightMax || this.#inFlightBytes + bytes > inFlightBytesMax)
    ) {
      await new Promise<void>((resolve) => {
        this.#room = resolve
      })
    }
  }

  async #handle(message: Uint8Array): Promise<void> {
    try {
      await this.#answer(message)
    } catch (error) {
      // A channel that is gone is noticed by its loop; anything else is a fault of this program.
      if (!(error instanceof RelayError && error.code === "RELAY_CLOSED")) {
        this.#fault = error
        this.#hangUp("the relay failed")
      }
    } finally {
      this.#inFlight--
      this.#inFlightBytes -= message.length
      this.#room?.()
      this.#room = undefined
    }
  }

  async #answer(message: Uint8Array): Promise<void> {
    let request: RelayRequest
    try {
      request = decodeRequest(message)
      if (request.id <= this.#lastId) throw malformed("a request's number that does not rise")
    } catch (error) {
      // Whoever cannot speak the protocol is not listened to further.
      await this.#refuse(0, "none", error)
      await this.#part()
      return
    }
    this.#lastId = request.id
    if (request.method.kind !== "read") return this.#perform(request)
    const turn = this.#reading.then(() => this.#perform(request))
    this.#reading = turn.catch(() => undefined)
    return turn
  }

  async #perform({ id, method }: RelayRequest): Promise<void> {
    let result: RelayResult
    try {
      result = await this.#run(method)
    } catch (error) {
      await this.#refuse(id, method.kind, error)
      if (this.#refusals > this.#options.limits.refusalsMax) await this.#part()
      return
    }
    this.#hasGreeted = true
    this.#options.metrics.request(method.kind, "ok")
    await this.#send(encodeFromRelay({ kind: "result", value: { id, result } }))
  }

  async #refuse(id: number, method: string, error: unknown): Promise<void> {
    const known = asRelayError(error)
    if (known === undefined) throw error
    const code = isRelayRefusal(known.code) ? known.code : "RELAY_STORE"
    this.#options.metrics.request(method, code)
    if (SUSPECT.has(code)) this.#refusals++
    else this.#hasGreeted = true
    const retryAfterSeconds = known.retryAfterSeconds ?? RETRY_SECONDS[code]
    await this.#send(encodeFromRelay({ kind: "error", value: { id, code, retryAfterSeconds } }))
  }

  /** Ends the connection once what was said has left. */
  async #part(): Promise<void> {
    this.#end.abort(new Error("the protocol was broken"))
    await this.#options.channel.close()
  }

  async #run(method: RelayMethod): Promise<RelayResult> {
    switch (method.kind) {
      case "create":
        return this.#create(method.value)
      case "open":
        return this.#open(method.value)
      case "append":
        return this.#append(method.value)
      case "read":
        return this.#read(method.value)
      case "watch":
        return this.#watchMailbox(method.value.handle)
      case "acknowledge":
        return this.#acknowledge(method.value)
      case "pin":
        return this.#pin(method.value)
      case "pinned":
        return this.#pinned(method.value.mailbox)
      case "tokens":
        return this.#tokens(method.value)
      case "knock":
        return this.#knock(method.value)
      case "replace":
        return this.#replace(method.value)
      case "remove":
        return this.#remove(method.value)
      case "meet":
        return this.#meet(method.value)
      case "meetJoin":
        return this.#meetJoin(method.value)
      case "meetSend":
        return this.#meetSend(method.value.bytes)
      case "meetLeave":
        this.#options.meetings.leave(this.#meetingEnd)
        return DONE
      case "close":
        return this.#closeHandle(method.value.handle)
    }
  }

  async #create({ signature, ...fields }: RelayMethods["create"]): Promise<RelayResult> {
    const { mailboxes, limits } = this.#options
    const claim = createClaim(mailboxes.key.publicKey, this.#nonce, fields)
    if (!verify(contexts.relayCreate, fields.mailbox, claim, signature)) {
      throw new RelayError("RELAY_FORBIDDEN", "not signed by the mailbox's key for this connection")
    }
    if (fields.admission === undefined && !mailboxes.has(mailboxName(fields.mailbox))) {
      if (this.#created >= limits.mailboxesPerConnectionMax) throw tooOften("mailboxes")
      this.#created++
    }
    const { sequenceId, next } = await mailboxes.create(fields)
    return { kind: "created", value: { sequenceId, next } }
  }

  async #open({ capability: encoded, proof }: RelayMethods["open"]): Promise<RelayResult> {
    const { mailboxes, clock, limits, channel } = this.#options
    const capability = verifyCapability(encoded, clock.now())
    const isBound = checkBinding({
      relayKey: mailboxes.key.publicKey,
      dialerKey: channel.remotePublicKey,
      nonce: this.#nonce,
      capability,
      proof,
    })
    if (!isBound) throw new RelayError("RELAY_FORBIDDEN", "the capability's holder did not sign")
    const name = mailboxName(capability.mailbox)
    mailboxes.get(name)
    await mailboxes.touch(name)
    let handle = this.#handles.find(encoded)
    if (handle === undefined) {
      if (this.#handles.size >= limits.handlesMax) throw tooOften("open mailboxes")
      const { right, holder, notAfter } = capability
      handle = this.#handles.add(encoded, { name, right, holder, notAfter })
    }
    const { sequenceId, next, root, head } = mailboxes.get(name)
    return { kind: "opened", value: { handle, sequenceId, next, root, head } }
  }

  #closeHandle(handle: number): RelayResult {
    this.#handles.close(handle)
    return DONE
  }

  /** @throws {RelayError} `RELAY_FORBIDDEN`, `RELAY_CAPABILITY_EXPIRED`. */
  #opened(handle: number, right: MailboxRight): Handle {
    return this.#handles.require(handle, right, this.#options.clock.now())
  }

  async #append({ handle, span }: RelayMethods["append"]): Promise<RelayResult> {
    const { name, holder } = this.#opened(handle, "append")
    try {
      verifySpan(span)
    } catch (error) {
      // A newer program's span is kept as it is, for newer programs to read.
      if (!(error instanceof LogError && error.code === "LOG_VERSION")) throw error
    }
    const receipt = await this.#options.mailboxes.append(name, { bytes: span, by: holder })
    return { kind: "receipt", value: receipt }
  }

  async #read({ handle, from, bytesMax }: RelayMethods["read"]): Promise<RelayResult> {
    const { name } = this.#opened(handle, "read")
    const page = await this.#options.mailboxes.read(name, { from, bytesMax })
    return { kind: "page", value: page }
  }

  #watchMailbox(handle: number): RelayResult {
    const opened = this.#opened(handle, "read")
    opened.unwatch ??= this.#options.mailboxes.subscribe(opened.name, () =>
      this.#pushes.mark(handle),
    )
    return DONE
  }

  async #acknowledge({ handle, upTo }: RelayMethods["acknowledge"]): Promise<RelayResult> {
    const { name, holder } = this.#opened(handle, "read")
    await this.#options.mailboxes.acknowledge(name, holder, upTo)
    return DONE
  }

  async #pin({ handle, object }: RelayMethods["pin"]): Promise<RelayResult> {
    await this.#options.mailboxes.pin(this.#opened(handle, "manage").name, object)
    return DONE
  }

  async #pinned(name: MailboxName): Promise<RelayResult> {
    const { workBits } = this.#options.mailboxes.get(name)
    const object = await this.#options.mailboxes.pinned(name)
    return { kind: "pinned", value: { object, workBits } }
  }

  async #tokens({ handle, hashes }: RelayMethods["tokens"]): Promise<RelayResult> {
    await this.#options.mailboxes.registerTokens(this.#opened(handle, "manage").name, hashes)
    return DONE
  }

  async #knock({ door, admission, message }: RelayMethods["knock"]): Promise<RelayResult> {
    if (++this.#knocks > this.#options.limits.knocksPerConnectionMax) throw tooOften("messages")
    const receipt = await this.#options.mailboxes.knock(door, admission, message)
    return { kind: "receipt", value: receipt }
  }

  async #replace({ handle, merged, covered }: RelayMethods["replace"]): Promise<RelayResult> {
    const { name, holder } = this.#opened(handle, "append")
    await this.#options.mailboxes.replace(name, { merged, covered, by: holder })
    return DONE
  }

  async #remove({ mailbox, signature }: RelayMethods["remove"]): Promise<RelayResult> {
    const { mailboxes } = this.#options
    const claim = removeClaim(mailboxes.key.publicKey, this.#nonce, mailbox)
    if (!verify(contexts.relayRemove, mailbox, claim, signature)) {
      throw new RelayError("RELAY_FORBIDDEN", "not signed by the mailbox's key for this connection")
    }
    await mailboxes.remove(mailboxName(mailbox))
    return DONE
  }

  #meet({ name }: RelayMethods["meet"]): RelayResult {
    this.#countMeeting()
    const value = this.#options.meetings.begin(this.#meetingEnd, name)
    this.#options.metrics.count("meetings_total")
    return { kind: "meeting", value }
  }

  #meetJoin({ place }: RelayMethods["meetJoin"]): RelayResult {
    this.#countMeeting()
    return { kind: "meeting", value: this.#options.meetings.join(this.#meetingEnd, place) }
  }

  async #meetSend(bytes: Uint8Array): Promise<RelayResult> {
    await this.#options.meetings.send(this.#meetingEnd, bytes)
    return DONE
  }

  #countMeeting(): void {
    if (++this.#meets > this.#options.limits.meetsPerConnectionMax) throw tooOften("meetings")
  }

  async #pushNext(handle: number): Promise<void> {
    const opened = this.#handles.get(handle)
    if (opened === undefined) return
    const next = this.#options.mailboxes.next(opened.name)
    await this.#push({ kind: "watched", value: { handle, next } })
  }

  #push(push: RelayPush): Promise<void> {
    return this.#send(encodeFromRelay({ kind: "push", value: push }))
  }

  async #send(message: Uint8Array): Promise<void> {
    const sending = { since: this.#options.clock.now() }
    this.#sending.add(sending)
    try {
      await this.#options.channel.send(message)
    } catch (cause) {
      if (cause instanceof RangeError) throw cause
      throw new RelayError("RELAY_CLOSED", "the connection ended", { cause })
    } finally {
      this.#sending.delete(sending)
    }
  }
}

const DONE: RelayResult = { kind: "done", value: {} }
