/**
 * The existing device's side of a pairing, as a pure machine: events in, actions out.
 *
 * | phase    | waits for                  | a restart                                            |
 * | -------- | -------------------------- | ---------------------------------------------------- |
 * | open     | a first hello, two minutes | nothing was claimed: a new code                      |
 * | claimed  | the guest's claim          | the code is used up: `PAIR_CODE_USED`, a new code    |
 * | asking   | the person's yes or no     | likewise                                             |
 * | approved | the guest's acknowledgement | goes on: the same sealed package to the same claim  |
 * | ended    | nothing                    |                                                      |
 *
 * The first hello is the one guess: `store-state` comes before the answer to it, and whoever
 * comes next is told `PAIR_CODE_USED`. It says which of the two secrets it goes by, the words or the
 * QR code's; one machine has both, so both have one guess together. All that follows is the same.
 * Actions are carried out in their order, each done before the next begins; if `store-state` fails,
 * none after it. Source: DESIGN, "Meeting"; SECURITY R13.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { equalInConstantTime } from "@fulcrum/crypto/constant-time"
import type { CpaceUnconfirmed } from "@fulcrum/crypto/cpace"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Verified } from "@fulcrum/log/verified"
import type { PairingFailure } from "./access-error.ts"
import { type DeviceCertificate, type DeviceId, readDeviceCertificate } from "./device.ts"
import type { PairingCode } from "./pairing-code.ts"
import { proveIdentity } from "./pairing-identity.ts"
import {
  acknowledgement,
  checkWords,
  claimDigest,
  commitTo,
  guestSaid,
  type HostInfo,
  hostSaid,
  OWN_VERSIONS,
  openCertificate,
  type Session,
  sealHostInfo,
  sealPackage,
  startRun,
} from "./pairing-keys.ts"
import {
  type Claim,
  encodePairingMessage,
  type Frame,
  failedMessage,
  failureOf,
  type Hello,
  isVersionShared,
  type PairingMessage,
  type Reply,
  readFrame,
  readPayload,
} from "./pairing-messages.ts"
import type { PairingPackage } from "./pairing-package.ts"
import { type Approved, decodeHostState, encodeHostState } from "./pairing-state.ts"
import { orRefuse } from "./read.ts"
import type { ScannedCode } from "./scanned-code.ts"

/** How long a code may be claimed: to walk to the other device and type it. */
export const PAIRING_CODE_MS = 120_000

/** How long a guest may take to answer a reply: a few round trips through a slow relay. */
export const PAIRING_ANSWER_MS = 30_000

/** How long the person may take to compare words and say yes. */
export const PAIRING_APPROVAL_MS: number = 10 * 60_000

/** How long an approved guest may stay away before its package is given up: a week. */
export const PAIRING_RESUME_MS: number = 7 * 24 * 60 * 60_000

export interface PairingHostSetup {
  readonly code: PairingCode
  /** The same pairing by QR code. */
  readonly scanned?: ScannedHost
  readonly random: Random
  readonly nowMs: number
  /** This device's name and addresses, for a guest that knows the code. */
  readonly info: HostInfo
}

export interface ScannedHost {
  readonly code: ScannedCode
  /** The key of which the code has the fingerprint. */
  readonly writer: SigningKey
}

/** Who is at the other end of a channel is the caller's to name; `peer` only tells ends apart. */
export type HostEvent =
  | { readonly kind: "message"; readonly peer: string; readonly bytes: Uint8Array }
  | { readonly kind: "disconnected"; readonly peer: string }
  /** The person said yes; `package` holds an epoch of which the new device is a member. */
  | { readonly kind: "approved"; readonly package: PairingPackage }
  | { readonly kind: "refused" }
  /** The new device was met in the record space: it has its package, whatever became of the ack. */
  | { readonly kind: "met" }
  | { readonly kind: "tick" }

export type HostAction =
  | { readonly kind: "send"; readonly peer: string; readonly bytes: Uint8Array }
  | { readonly kind: "store-state"; readonly state: Uint8Array }
  | { readonly kind: "clear-state" }
  | { readonly kind: "show-check-words"; readonly words: readonly string[] }
  | { readonly kind: "ask-approval"; readonly certificate: Verified<DeviceCertificate> }
  | { readonly kind: "done"; readonly device: DeviceId; readonly name: string }
  | { readonly kind: "fail"; readonly code: PairingFailure }

type Phase =
  | { readonly name: "open" }
  | {
      readonly name: "claimed"
      readonly peer: string
      readonly hello: Hello
      readonly helloBytes: Uint8Array
      readonly cpace: CpaceUnconfirmed
    }
  | {
      readonly name: "asking"
      readonly peer: string | undefined
      readonly session: Session
      readonly claim: Uint8Array
      readonly certificate: Verified<DeviceCertificate>
      readonly askingBytes: Uint8Array
    }
  | { readonly name: "approved"; readonly approved: Approved }
  | { readonly name: "ended"; readonly says: PairingFailure }

export class PairingHost {
  readonly #setup: PairingHostSetup | undefined
  #phase: Phase
  #deadlineMs: number

  constructor(begun: {
    readonly setup?: PairingHostSetup
    readonly phase: Phase
    readonly deadlineMs: number
  }) {
    this.#setup = begun.setup
    this.#phase = begun.phase
    this.#deadlineMs = begun.deadlineMs
  }

  /** The device that was approved, once it was. */
  get approved(): { readonly device: DeviceId; readonly name: string } | undefined {
    return this.#phase.name === "approved" ? this.#phase.approved : undefined
  }

  get isEnded(): boolean {
    return this.#phase.name === "ended"
  }

  step(event: HostEvent, nowMs: number): readonly HostAction[] {
    if (this.#phase.name !== "ended" && nowMs >= this.#deadlineMs) return this.#expire(event)
    switch (event.kind) {
      case "message":
        return this.#receive(event.peer, event.bytes, nowMs)
      case "approved":
        return this.#approve(event.package, nowMs)
      case "refused":
        return this.#phase.name === "asking" ? this.#fail("PAIR_REFUSED", this.#phase.peer) : []
      case "met":
        return this.#phase.name === "approved" ? this.#finish(this.#phase.approved) : []
      case "disconnected":
        return this.#disconnect(event.peer)
      case "tick":
        return []
    }
  }

  #receive(peer: string, encoded: Uint8Array, nowMs: number): readonly HostAction[] {
    const phase = this.#phase
    const read = readMessage(encoded)
    switch (phase.name) {
      case "open":
        return this.#guess(peer, encoded, read, nowMs)
      case "claimed":
        return this.#answer(phase, peer, encoded, read?.message, nowMs)
      case "asking":
        if (peer === phase.peer && isRefusal(read?.message)) {
          return this.#fail("PAIR_REFUSED", undefined)
        }
        if (!equalBytes(claimDigest(encoded), phase.claim)) return turnAway(peer, read?.message)
        this.#phase = { ...phase, peer }
        return [{ kind: "send", peer, bytes: phase.askingBytes }]
      case "approved":
        return this.#deliver(phase.approved, peer, encoded, read?.message)
      case "ended":
        return turnAway(peer, read?.message, phase.says)
    }
  }

  /** The first message, whatever it is, uses the code up. */
  #guess(
    peer: string,
    encoded: Uint8Array,
    read: ReadMessage | undefined,
    nowMs: number,
  ): readonly HostAction[] {
    const used = {
      kind: "store-state",
      state: encodeHostState({ kind: "used", value: {} }),
    } as const
    if (read !== undefined && !isVersionShared(read.frame)) {
      return [used, ...this.#fail("PAIR_VERSION", peer)]
    }
    const greeted = read && this.#greet(read)
    if (greeted === undefined) return [used, ...this.#fail("PAIR_CODE_WRONG", peer)]
    const { hello, cpace, answer } = greeted
    this.#phase = { name: "claimed", peer, hello, helloBytes: encoded, cpace }
    this.#deadlineMs = nowMs + PAIRING_ANSWER_MS
    return [used, { kind: "send", peer, bytes: encodePairingMessage(answer) }]
  }

  /** @returns `undefined`: this is no guess at a code that is open here. */
  #greet({ frame, message }: ReadMessage) {
    const { code: typed, scanned, random } = known(this.#setup)
    const isScan = message?.kind === "scanned"
    const code = isScan ? scanned?.code : typed
    if ((message?.kind !== "hello" && !isScan) || code === undefined) return undefined
    const hello = message.value
    const { sessionId, commitment, share } = hello
    const associatedData = hostSaid(OWN_VERSIONS)
    const run = startRun({ role: "responder", code, random, sessionId, associatedData })
    const said = guestSaid(frame, { sessionId, commitment })
    const cpace = orRefuse(() => run.finish({ share, associatedData: said }))
    if (cpace === undefined) return undefined
    const reply = { share: run.share, proof: cpace.proof }
    return {
      hello,
      cpace,
      answer: isScan ? identified(known(scanned), hello, reply) : plain(reply),
    }
  }

  #answer(
    phase: Extract<Phase, { name: "claimed" }>,
    peer: string,
    encoded: Uint8Array,
    message: PairingMessage | undefined,
    nowMs: number,
  ): readonly HostAction[] {
    const isPeer = peer === phase.peer
    if (isPeer && equalBytes(encoded, phase.helloBytes)) return []
    if (isPeer && message?.kind === "failed") return this.#fail("PAIR_CODE_WRONG", undefined)
    const claimed = message?.kind === "claim" ? checkClaim(message.value, phase) : undefined
    // Somebody else at the door must not end it for the guest inside.
    if (claimed === undefined) {
      return isPeer ? this.#fail("PAIR_CODE_WRONG", peer) : turnAway(peer, message)
    }
    const { session, certificate, words } = claimed
    const value = { sealed: sealHostInfo(session, known(this.#setup).info) }
    const askingBytes = encodePairingMessage({ kind: "asking", value })
    const claim = claimDigest(encoded)
    this.#phase = { name: "asking", peer, session, claim, certificate, askingBytes }
    this.#deadlineMs = nowMs + PAIRING_APPROVAL_MS
    return [
      { kind: "send", peer, bytes: askingBytes },
      { kind: "show-check-words", words },
      { kind: "ask-approval", certificate },
    ]
  }

  #approve(pairingPackage: PairingPackage, nowMs: number): readonly HostAction[] {
    if (this.#phase.name !== "asking") return []
    const { peer, session, claim, certificate } = this.#phase
    const to = certificate.wrap
    const random = known(this.#setup).random
    const sealed = sealPackage({ session, to, claim, pairingPackage, random })
    const message = encodePairingMessage({ kind: "package", value: { sealed } })
    const approved: Approved = {
      device: certificate.id,
      name: certificate.name,
      claim,
      message,
      acknowledgement: acknowledgement(session, sealed),
      approvedAtMs: nowMs,
    }
    this.#phase = { name: "approved", approved }
    this.#deadlineMs = nowMs + PAIRING_RESUME_MS
    const state = encodeHostState({ kind: "approved", value: approved })
    const sends = peer === undefined ? [] : [{ kind: "send", peer, bytes: message } as const]
    return [{ kind: "store-state", state }, ...sends]
  }

  #deliver(
    approved: Approved,
    peer: string,
    encoded: Uint8Array,
    message: PairingMessage | undefined,
  ): readonly HostAction[] {
    if (message?.kind === "acknowledged") {
      const isGuest = equalInConstantTime(message.value.proof, approved.acknowledgement)
      return isGuest ? this.#finish(approved) : []
    }
    if (!equalBytes(claimDigest(encoded), approved.claim)) return turnAway(peer, message)
    return [{ kind: "send", peer, bytes: approved.message }]
  }

  #disconnect(peer: string): readonly HostAction[] {
    if (this.#phase.name === "asking" && this.#phase.peer === peer) {
      this.#phase = { ...this.#phase, peer: undefined }
    }
    return []
  }

  #expire(event: HostEvent): readonly HostAction[] {
    const code = this.#phase.name === "open" ? "PAIR_CODE_EXPIRED" : "PAIR_PEER_ABSENT"
    const peer = event.kind === "message" ? event.peer : undefined
    return this.#fail(code, peer)
  }

  #finish({ device, name }: Approved): readonly HostAction[] {
    this.#phase = { name: "ended", says: "PAIR_CODE_USED" }
    return [{ kind: "clear-state" }, { kind: "done", device, name }]
  }

  #fail(code: PairingFailure, tell: string | undefined): readonly HostAction[] {
    const says = code === "PAIR_PEER_ABSENT" ? "PAIR_CODE_USED" : code
    this.#phase = { name: "ended", says: says === "PAIR_CODE_WRONG" ? "PAIR_CODE_USED" : says }
    const bytes = failedMessage(says)
    const sends = tell === undefined ? [] : [{ kind: "send", peer: tell, bytes } as const]
    return [...sends, { kind: "clear-state" }, { kind: "fail", code }]
  }
}

/** Opens a code for its one guess. */
export function createPairingHost(setup: PairingHostSetup): PairingHost {
  const deadlineMs = setup.nowMs + PAIRING_CODE_MS
  return new PairingHost({ setup, phase: { name: "open" }, deadlineMs })
}

/**
 * Goes on from stored state after a restart. An approved guest gets its package still; before
 * that, `actions` say `PAIR_CODE_USED`: the person asks for a new code.
 *
 * @throws {AccessError} `ACCESS_STATE_UNREADABLE`.
 */
export function resumeHost(state: Uint8Array): {
  readonly host: PairingHost
  readonly actions: readonly HostAction[]
} {
  const { kind, value } = decodeHostState(state)
  if (kind === "approved") {
    const deadlineMs = value.approvedAtMs + PAIRING_RESUME_MS
    const phase = { name: "approved", approved: value } as const
    return { host: new PairingHost({ phase, deadlineMs }), actions: [] }
  }
  const phase = { name: "ended", says: "PAIR_CODE_USED" } as const
  return {
    host: new PairingHost({ phase, deadlineMs: 0 }),
    actions: [{ kind: "clear-state" }, { kind: "fail", code: "PAIR_CODE_USED" }],
  }
}

interface ReadMessage {
  readonly frame: Frame
  readonly message: PairingMessage | undefined
}

function readMessage(encoded: Uint8Array): ReadMessage | undefined {
  return orRefuse(() => {
    const frame = readFrame(encoded)
    return { frame, message: isVersionShared(frame) ? readPayload(frame) : undefined }
  })
}

function checkClaim(claim: Claim, phase: Extract<Phase, { name: "claimed" }>) {
  const { sessionId, commitment } = phase.hello
  const isSession = equalBytes(claim.sessionId, sessionId)
  if (!isSession || !equalBytes(commitTo(claim.nonce, sessionId), commitment)) return undefined
  return orRefuse(() => {
    const session = { id: sessionId, key: phase.cpace.confirm(claim.proof) }
    const opened = openCertificate(session, claim.nonce, claim.sealed)
    const certificate = readDeviceCertificate(opened)
    return { session, certificate, words: checkWords(session, claim.nonce) }
  })
}

function plain(value: Reply): PairingMessage {
  return { kind: "reply", value }
}

function identified({ code, writer }: ScannedHost, hello: Hello, reply: Reply): PairingMessage {
  const { sessionId, commitment, share: guestShare } = hello
  const said = { sessionId, commitment, guestShare, hostShare: reply.share }
  const value = { ...reply, sealed: proveIdentity(code, writer, said) }
  return { kind: "identified", value }
}

/** The guest saw other words, and says so: nobody in between could say less by cutting the line. */
function isRefusal(message: PairingMessage | undefined): boolean {
  return message?.kind === "failed" && failureOf(message.value.code) === "PAIR_REFUSED"
}

/** Only who asks for something is answered, so that two hosts never talk to each other for ever. */
function turnAway(
  peer: string,
  message: PairingMessage | undefined,
  says: PairingFailure = "PAIR_CODE_USED",
): readonly HostAction[] {
  const asking: readonly (string | undefined)[] = ["hello", "scanned", "claim"]
  const isAsking = asking.includes(message?.kind)
  return isAsking ? [{ kind: "send", peer, bytes: failedMessage(says) }] : []
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError("a resumed host starts no run")
  return value
}
