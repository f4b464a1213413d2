/**
 * How two own devices recognise each other, whatever addresses and transport keys they have today.
 *
 * Each message is canonical CBOR `[kind, payload]`, in this order:
 *
 * | kind | message | from     | payload                                                         |
 * | ---: | ------- | -------- | --------------------------------------------------------------- |
 * |    0 | knock   | dialer   | `[version, mac]`: HMAC under the meeting key over both ends     |
 * |    1 | answer  | listener | `[mac]`: likewise, in another context                           |
 * |    2 | proof   | dialer   | `[device id, signature]` by its writer key over role, both ends, |
 * |      |         |          | the answer's mac and the id                                     |
 * |    2 | proof   | listener | the same for the other side                                     |
 * |    3 | welcome | dialer   | `[]`: the listener's proof holds                                |
 * |    4 | notice  | either   | `[bytes]`, instead of a proof or welcome: you are removed       |
 *
 * The ends are the transport keys that the connection itself has proved, so nothing said here is
 * of use on another connection. Before a right knock a listener says nothing at all, and after
 * the meeting key only a member's signature opens anything: a removed device still knows the
 * meeting key, is recognised, gets its notice and nothing else.
 * Source: DESIGN, "Keys", "How own devices meet again".
 *
 * @module
 */
import { bytesToHex, equalBytes, uint64ToBytes } from "@fulcrum/codec/bytes"
import { encodeCbor } from "@fulcrum/codec/cbor"
import {
  bytes,
  bytesMax,
  encodeAs,
  type Infer,
  literal,
  type Schema,
  struct,
  variant,
} from "@fulcrum/codec/schema"
import { equalInConstantTime } from "@fulcrum/crypto/constant-time"
import { contexts } from "@fulcrum/crypto/contexts"
import { SIGNATURE_BYTES, sign, verify } from "@fulcrum/crypto/ed25519"
import { hmac } from "@fulcrum/crypto/hash"
import { type DeviceId, type DeviceSecrets, deviceIdSchema } from "./device.ts"
import type { MemberDevice, RemovedDevice } from "./member-state.ts"
import { findRemoved, type Membership } from "./membership.ts"
import { orRefuse, readAs } from "./read.ts"

export type MeetingRole = "dialer" | "listener"

/** How long a meeting may take: five short messages. */
export const MEETING_MS = 10_000

/** Bytes of a notice: one small span. */
export const NOTICE_BYTES_MAX: number = 16 * 1024

const MEETING_BYTES_MAX = NOTICE_BYTES_MAX + 64
const DAY_MS = 86_400_000

export interface MeetingSetup {
  readonly role: MeetingRole
  readonly meetingKey: Uint8Array
  readonly self: Pick<DeviceSecrets, "id" | "writer">
  /** Public transport keys, as the connection proved them. */
  readonly localTransport: Uint8Array
  readonly remoteTransport: Uint8Array
  readonly membership: Membership
  /** What a removed device is told, if it is known: see `rotation.ts`. */
  readonly noticeFor: (device: RemovedDevice) => Uint8Array | undefined
  readonly nowMs: number
}

export type MeetingEvent =
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  | { readonly kind: "tick" }

export type MeetingAction =
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  /** The other end is this member. What comes next on the channel is its. */
  | { readonly kind: "met"; readonly device: MemberDevice }
  /** The other end has this device's own keys: a copied folder, or a copied machine. */
  | { readonly kind: "met-self" }
  | { readonly kind: "met-removed"; readonly device: RemovedDevice }
  /** The other end says that this device is removed; believe the notice, once it opens. */
  | { readonly kind: "told-removed"; readonly notice: Uint8Array }
  | { readonly kind: "close"; readonly why: MeetingEnd }

export type MeetingEnd =
  /** Not what a device of this record would say. */
  | "stranger"
  /** It knows the meeting key, but no key entry here names it: it may be newer than these. */
  | "unknown"
  | "removed"
  | "self"
  | "timeout"

type Message = Infer<typeof messageSchema>

const messageSchema = variant({
  knock: [0, struct({ version: literal(1), mac: bytes(32) })],
  answer: [1, struct({ mac: bytes(32) })],
  proof: [2, struct({ device: deviceIdSchema, signature: bytes(SIGNATURE_BYTES) })],
  welcome: [3, struct({})],
  notice: [4, struct({ notice: bytesMax(NOTICE_BYTES_MAX) })],
})

interface Ends {
  readonly dialer: Uint8Array
  readonly listener: Uint8Array
}

/** One meeting on one connection. */
export class Meeting {
  readonly #setup: MeetingSetup
  readonly #ends: Ends
  #awaits: Message["kind"] | undefined
  /** Whom a listener met, until the dialer has said that it is content too. */
  #met: MemberDevice | undefined

  constructor(setup: MeetingSetup) {
    const { role, localTransport, remoteTransport } = setup
    this.#setup = setup
    this.#ends =
      role === "dialer"
        ? { dialer: localTransport, listener: remoteTransport }
        : { dialer: remoteTransport, listener: localTransport }
    this.#awaits = role === "dialer" ? "answer" : "knock"
  }

  /** Still under way. */
  get isOpen(): boolean {
    return this.#awaits !== undefined
  }

  /** What the dialer says first; a listener says nothing. */
  start(): readonly MeetingAction[] {
    if (this.#setup.role === "listener") return []
    const mac = knockOf(this.#setup.meetingKey, this.#ends)
    return [send({ kind: "knock", value: { version: 1, mac } })]
  }

  step(event: MeetingEvent, nowMs: number): readonly MeetingAction[] {
    if (this.#awaits === undefined) return []
    if (nowMs >= this.#setup.nowMs + MEETING_MS) return this.#close("timeout")
    if (event.kind === "tick") return []
    const limits = { bytesMax: MEETING_BYTES_MAX }
    const message = orRefuse(() => readAs(messageSchema, event.bytes, limits))
    if (message?.kind === "notice" && this.#mayBeDismissed()) {
      const { notice } = message.value
      return [{ kind: "told-removed", notice }, ...this.#close("removed")]
    }
    if (message?.kind !== this.#awaits) return this.#close("stranger")
    switch (message.kind) {
      case "knock":
        return this.#answer(message.value.mac)
      case "answer":
        return this.#prove(message.value.mac)
      case "proof":
        return this.#recognise(message.value.device, message.value.signature)
      case "welcome":
        return this.#met === undefined ? [] : this.#meet(this.#met)
      case "notice":
        return this.#close("stranger")
    }
  }

  /** Only to a proof is a notice an answer: before it, nobody knows whom to dismiss. */
  #mayBeDismissed(): boolean {
    const isDialer = this.#setup.role === "dialer"
    return this.#awaits === (isDialer ? "proof" : "welcome")
  }

  #answer(mac: Uint8Array): readonly MeetingAction[] {
    const { meetingKey } = this.#setup
    if (!equalInConstantTime(mac, knockOf(meetingKey, this.#ends))) return this.#close("stranger")
    this.#awaits = "proof"
    return [send({ kind: "answer", value: { mac: answerOf(meetingKey, this.#ends) } })]
  }

  #prove(mac: Uint8Array): readonly MeetingAction[] {
    const { meetingKey } = this.#setup
    if (!equalInConstantTime(mac, answerOf(meetingKey, this.#ends))) return this.#close("stranger")
    this.#awaits = "proof"
    return [this.#proof()]
  }

  #recognise(id: DeviceId, signature: Uint8Array): readonly MeetingAction[] {
    const { membership, role, self } = this.#setup
    const device = membership.devices.find((it) => equalBytes(it.id, id))
    const removed = device ? undefined : findRemoved(membership, id)
    const known = device ?? removed
    if (known === undefined) return this.#close("unknown")
    const message = this.#signed(role === "dialer" ? "listener" : "dialer", id)
    if (!verify(contexts.meetingProof, known.writer, message, signature)) {
      return this.#close("stranger")
    }
    if (removed !== undefined) return this.#dismiss(removed)
    if (equalBytes(id, self.id)) return [{ kind: "met-self" }, ...this.#close("self")]
    if (role === "dialer") return [send({ kind: "welcome", value: {} }), ...this.#meet(known)]
    this.#met = known
    this.#awaits = "welcome"
    return [this.#proof()]
  }

  #meet(device: MemberDevice): readonly MeetingAction[] {
    this.#awaits = undefined
    return [{ kind: "met", device }]
  }

  #dismiss(device: RemovedDevice): readonly MeetingAction[] {
    const notice = this.#setup.noticeFor(device)
    const told = notice === undefined ? [] : [send({ kind: "notice", value: { notice } })]
    return [...told, { kind: "met-removed", device }, ...this.#close("removed")]
  }

  #proof(): MeetingAction {
    const { role, self } = this.#setup
    const signature = sign(contexts.meetingProof, self.writer, this.#signed(role, self.id))
    return send({ kind: "proof", value: { device: self.id, signature } })
  }

  #signed(role: MeetingRole, id: DeviceId): Uint8Array {
    const { dialer, listener } = this.#ends
    const answer = answerOf(this.#setup.meetingKey, this.#ends)
    return encodeCbor([role === "dialer" ? 0 : 1, dialer, listener, answer, id])
  }

  #close(why: MeetingEnd): readonly MeetingAction[] {
    this.#awaits = undefined
    return [{ kind: "close", why }]
  }
}

export function createMeeting(setup: MeetingSetup): Meeting {
  return new Meeting(setup)
}

/** What own devices announce and look for on a local network: another text each day (UTC). */
export function discoveryTag(made: {
  readonly meetingKey: Uint8Array
  readonly nowMs: number
}): string {
  const day = uint64ToBytes(Math.floor(made.nowMs / DAY_MS))
  return bytesToHex(hmac(contexts.discoveryTag, made.meetingKey, day).subarray(0, 16))
}

function knockOf(meetingKey: Uint8Array, { dialer, listener }: Ends): Uint8Array {
  return hmac(contexts.meetingKnock, meetingKey, dialer, listener)
}

function answerOf(meetingKey: Uint8Array, { dialer, listener }: Ends): Uint8Array {
  return hmac(contexts.meetingAnswer, meetingKey, dialer, listener)
}

function send(message: Message): MeetingAction {
  const schema: Schema<Message> = messageSchema
  return { kind: "send", bytes: encodeAs(schema, message) }
}
