/**
 * The new device's side of a pairing, as a pure machine: events in, actions out.
 *
 * | phase   | waits for                 | a restart                                    |
 * | ------- | ------------------------- | -------------------------------------------- |
 * | new     | a connection              | begins anew                                  |
 * | greeted | the host's reply          | the code is used up                          |
 * | claimed | the package, once approved | goes on: shows its claim again               |
 * | kept    | a yes to the check words  | goes on: asks for that, acknowledges again   |
 * | ended   | nothing                   |                                              |
 *
 * What it needs to go on is stored before its claim is sent: from then on `resumeGuest` brings it
 * back, at the host's addresses or wherever the host can be found, as long as the host keeps the
 * package. Nothing that comes over the line clears that state, since what says that it failed is
 * not signed by anyone; the caller does, when the person gives up or the record is open.
 * Actions are carried out in their order, each done before the next begins.
 *
 * @module
 */
import type { CpaceRun } from "@fulcrum/crypto/cpace"
import type { Random } from "@fulcrum/crypto/random"
import type { PairingFailure } from "./access-error.ts"
import {
  certifyDevice,
  type DeviceSecrets,
  decodeDeviceSecrets,
  encodeDeviceCertificate,
  encodeDeviceSecrets,
} from "./device.ts"
import { PAIRING_ANSWER_MS, PAIRING_APPROVAL_MS } from "./pairing-host.ts"
import { hasIdentity } from "./pairing-identity.ts"
import {
  acknowledgement,
  checkWords,
  claimDigest,
  commitTo,
  guestSaid,
  type HostInfo,
  hostSaid,
  OWN_VERSIONS,
  openHostInfo,
  openPackage,
  type Session,
  sealCertificate,
  startRun,
} from "./pairing-keys.ts"
import {
  encodePairingMessage,
  type Frame,
  failedMessage,
  failureOf,
  isVersionShared,
  PAIRING_NONCE_BYTES,
  type PairingMessage,
  type Reply,
  readFrame,
  readPayload,
  SESSION_ID_BYTES,
} from "./pairing-messages.ts"
import type { PairingPackage } from "./pairing-package.ts"
import { decodeGuestState, encodeGuestState, type GuestState } from "./pairing-state.ts"
import { orRefuse } from "./read.ts"
import { type GivenCode, isScanned } from "./scanned-code.ts"

/** Damaged messages that are answered by asking again, before somebody in between is assumed. */
export const PAIRING_DAMAGED_MAX = 8

export interface PairingGuestSetup {
  readonly code: GivenCode
  /** Drawn for this pairing: `generateDevice`. */
  readonly device: DeviceSecrets
  readonly random: Random
}

export type GuestEvent =
  | { readonly kind: "connected" }
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  | { readonly kind: "disconnected" }
  /** The person saw the same words on the other device. */
  | { readonly kind: "confirmed" }
  /** Other words. */
  | { readonly kind: "declined" }
  | { readonly kind: "tick" }

export type GuestAction =
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  | { readonly kind: "store-state"; readonly state: Uint8Array }
  | { readonly kind: "show-check-words"; readonly words: readonly string[] }
  /** The host asks its person now; where it can be found again if the line breaks. */
  | { readonly kind: "waiting-for-approval"; readonly host: HostInfo }
  | {
      readonly kind: "done"
      readonly device: DeviceSecrets
      readonly package: PairingPackage
    }
  | { readonly kind: "fail"; readonly code: PairingFailure }

type Phase =
  | { readonly name: "new" }
  | {
      readonly name: "greeted"
      readonly code: GivenCode
      readonly run: CpaceRun
      readonly sessionId: Uint8Array
      readonly nonce: Uint8Array
    }
  | { readonly name: "claimed"; readonly state: GuestState }
  | {
      readonly name: "kept"
      readonly state: GuestState
      readonly sealed: Uint8Array
      readonly opened: PairingPackage
    }
  | { readonly name: "ended" }

export class PairingGuest {
  readonly #setup: PairingGuestSetup | undefined
  readonly #device: DeviceSecrets
  #phase: Phase
  #isConnected = false
  /** The check words were found right here. */
  #isConfirmed = false
  #deadlineMs = Number.POSITIVE_INFINITY
  #damaged = 0

  constructor(begun: {
    readonly setup?: PairingGuestSetup
    readonly device: DeviceSecrets
    readonly phase: Phase
  }) {
    this.#setup = begun.setup
    this.#device = begun.device
    this.#phase = begun.phase
  }

  get isEnded(): boolean {
    return this.#phase.name === "ended"
  }

  /** Whether the host's package is here. */
  get isKept(): boolean {
    return this.#phase.name === "kept"
  }

  /** Where the host said that it can be found, once it did. */
  get host(): HostInfo | undefined {
    return this.#phase.name === "claimed" || this.#phase.name === "kept"
      ? this.#phase.state.host
      : undefined
  }

  step(event: GuestEvent, nowMs: number): readonly GuestAction[] {
    if (nowMs >= this.#deadlineMs) return this.#fail("PAIR_PEER_ABSENT")
    switch (event.kind) {
      case "connected":
        return this.#connect(nowMs)
      case "message":
        return this.#receive(event.bytes, nowMs)
      case "disconnected":
        this.#isConnected = false
        return this.#phase.name === "greeted" ? this.#fail("PAIR_PEER_ABSENT") : []
      case "confirmed":
        return this.#confirm()
      case "declined":
        return this.#decline()
      case "tick":
        return []
    }
  }

  /** Whoever is at the other end is told, so that its person is asked no longer. */
  #decline(): readonly GuestAction[] {
    if (this.isEnded) return []
    const told = { kind: "send", bytes: failedMessage("PAIR_REFUSED") } as const
    return [...(this.#isConnected ? [told] : []), ...this.#fail("PAIR_REFUSED")]
  }

  #connect(nowMs: number): readonly GuestAction[] {
    this.#isConnected = true
    switch (this.#phase.name) {
      case "new":
        return this.#greet(nowMs)
      case "claimed":
        this.#deadlineMs = nowMs + PAIRING_APPROVAL_MS
        return [{ kind: "send", bytes: this.#phase.state.claim }]
      case "kept":
        return this.#acknowledge(this.#phase)
      case "greeted":
      case "ended":
        return []
    }
  }

  #greet(nowMs: number): readonly GuestAction[] {
    const setup = this.#setup
    if (setup === undefined) throw new TypeError("a resumed guest starts no run")
    const { code, random } = setup
    const sessionId = random.bytes(SESSION_ID_BYTES)
    const nonce = random.bytes(PAIRING_NONCE_BYTES)
    const commitment = commitTo(nonce, sessionId)
    const associatedData = guestSaid(OWN_VERSIONS, { sessionId, commitment })
    const run = startRun({ role: "initiator", code, sessionId, associatedData, random })
    this.#phase = { name: "greeted", code, run, sessionId, nonce }
    this.#deadlineMs = nowMs + PAIRING_ANSWER_MS
    const value = { sessionId, commitment, share: run.share }
    const kind = isScanned(code) ? "scanned" : "hello"
    return [{ kind: "send", bytes: encodePairingMessage({ kind, value }) }]
  }

  #receive(encoded: Uint8Array, nowMs: number): readonly GuestAction[] {
    const phase = this.#phase
    if (phase.name === "new" || phase.name === "ended") return []
    const frame = orRefuse(() => readFrame(encoded))
    if (phase.name === "greeted") return this.#claim(phase, frame, nowMs)
    const message = frame && orRefuse(() => readPayload(frame))
    switch (message?.kind) {
      case "asking":
        return phase.name === "claimed" ? this.#wait(phase.state, message.value.sealed) : []
      case "package":
        return phase.name === "claimed"
          ? this.#keep(phase.state, message.value.sealed)
          : this.#acknowledge(phase)
      case "failed":
        return phase.name === "claimed" ? this.#fail(failureOf(message.value.code)) : []
      case "reply":
      case "identified":
        return []
      default:
        return phase.name === "claimed" ? this.#doubt(phase.state) : []
    }
  }

  #claim(
    phase: Extract<Phase, { name: "greeted" }>,
    frame: Frame | undefined,
    nowMs: number,
  ): readonly GuestAction[] {
    if (frame && !isVersionShared(frame)) return this.#fail("PAIR_VERSION")
    const message = frame && orRefuse(() => readPayload(frame))
    if (message?.kind === "failed") return this.#fail(failureOf(message.value.code))
    const made = frame && orRefuse(() => this.#makeClaim(phase, frame, message))
    if (made === undefined) {
      return [
        { kind: "send", bytes: failedMessage("PAIR_CODE_WRONG") },
        ...this.#fail("PAIR_CODE_WRONG"),
      ]
    }
    this.#phase = { name: "claimed", state: made }
    this.#deadlineMs = nowMs + PAIRING_APPROVAL_MS
    return [
      { kind: "store-state", state: encodeGuestState(made) },
      { kind: "send", bytes: made.claim },
      { kind: "show-check-words", words: made.words },
    ]
  }

  #makeClaim(
    phase: Extract<Phase, { name: "greeted" }>,
    frame: Frame,
    message: PairingMessage | undefined,
  ): GuestState | undefined {
    const reply = message && answerOf(phase, message)
    if (reply === undefined) return undefined
    const { run, sessionId, nonce } = phase
    const { share, proof } = reply
    const cpace = run.finish({ share, associatedData: hostSaid(frame) })
    const session = { id: sessionId, key: cpace.confirm(proof) }
    const certificate = encodeDeviceCertificate(certifyDevice(this.#device))
    const sealed = sealCertificate(session, nonce, certificate)
    const value = { sessionId, nonce, proof: cpace.proof, sealed }
    return {
      device: encodeDeviceSecrets(this.#device),
      sessionId,
      sessionKey: session.key,
      claim: encodePairingMessage({ kind: "claim", value }),
      words: checkWords(session, nonce),
    }
  }

  #wait(state: GuestState, sealed: Uint8Array): readonly GuestAction[] {
    const host = orRefuse(() => openHostInfo(sessionOf(state), sealed))
    if (host === undefined) return this.#doubt(state)
    if (state.host !== undefined) return []
    const told = { ...state, host }
    this.#phase = { name: "claimed", state: told }
    return [
      { kind: "store-state", state: encodeGuestState(told) },
      { kind: "waiting-for-approval", host },
    ]
  }

  #keep(state: GuestState, sealed: Uint8Array): readonly GuestAction[] {
    const opened = openWith(state, this.#device, sealed)
    if (opened === undefined) return this.#doubt(state)
    const kept = { ...state, sealedPackage: sealed }
    this.#phase = { name: "kept", state: kept, sealed, opened }
    this.#deadlineMs = Number.POSITIVE_INFINITY
    const stored = { kind: "store-state", state: encodeGuestState(kept) } as const
    return [stored, ...this.#join()]
  }

  #confirm(): readonly GuestAction[] {
    if (this.#isConfirmed) return []
    this.#isConfirmed = true
    return this.#join()
  }

  /** Once both are there: what it needs, and a yes from whoever compared the words. */
  #join(): readonly GuestAction[] {
    if (this.#phase.name !== "kept" || !this.#isConfirmed) return []
    const told = this.#isConnected ? this.#acknowledge(this.#phase) : []
    return [...told, { kind: "done", device: this.#device, package: this.#phase.opened }]
  }

  /** Not before somebody has said that the words are the same: the host takes it for a device that joins. */
  #acknowledge({ state, sealed }: Extract<Phase, { name: "kept" }>): readonly GuestAction[] {
    if (!this.#isConfirmed) return []
    const value = { proof: acknowledgement(sessionOf(state), sealed) }
    return [{ kind: "send", bytes: encodePairingMessage({ kind: "acknowledged", value }) }]
  }

  /** What does not open was changed on the way: ask again, but not for ever. */
  #doubt(state: GuestState): readonly GuestAction[] {
    this.#damaged++
    if (this.#damaged > PAIRING_DAMAGED_MAX) return this.#fail("PAIR_CODE_WRONG")
    return this.#isConnected ? [{ kind: "send", bytes: state.claim }] : []
  }

  #fail(code: PairingFailure): readonly GuestAction[] {
    this.#phase = { name: "ended" }
    this.#deadlineMs = Number.POSITIVE_INFINITY
    return [{ kind: "fail", code }]
  }
}

/** Begins with a code; `connected` sends the one guess. */
export function createPairingGuest(setup: PairingGuestSetup): PairingGuest {
  return new PairingGuest({ setup, device: setup.device, phase: { name: "new" } })
}

/**
 * Goes on from stored state after a restart: `connected` shows the claim again. If the package
 * was kept already, it is handed out once the check words are confirmed again.
 *
 * @throws {AccessError} `ACCESS_STATE_UNREADABLE`.
 */
export function resumeGuest(stored: Uint8Array): {
  readonly guest: PairingGuest
  readonly actions: readonly GuestAction[]
} {
  const state = decodeGuestState(stored)
  const device = decodeDeviceSecrets(state.device)
  const sealed = state.sealedPackage
  const opened = sealed && openWith(state, device, sealed)
  if (sealed === undefined || opened === undefined) {
    const guest = new PairingGuest({ device, phase: { name: "claimed", state } })
    const words = state.words
    return { guest, actions: [{ kind: "show-check-words", words }] }
  }
  const guest = new PairingGuest({ device, phase: { name: "kept", state, sealed, opened } })
  // Nobody knows whether the words were compared before the end.
  return { guest, actions: [{ kind: "show-check-words", words: state.words }] }
}

/** @returns `undefined`: it is no answer, or of another device than the one whose code was scanned. */
function answerOf(
  { code, run, sessionId, nonce }: Extract<Phase, { name: "greeted" }>,
  message: PairingMessage,
): Reply | undefined {
  if (!isScanned(code)) return message.kind === "reply" ? message.value : undefined
  if (message.kind !== "identified") return undefined
  const { share, sealed } = message.value
  const commitment = commitTo(nonce, sessionId)
  const said = { sessionId, commitment, guestShare: run.share, hostShare: share }
  return hasIdentity(code, sealed, said) ? message.value : undefined
}

function sessionOf({ sessionId, sessionKey }: GuestState): Session {
  return { id: sessionId, key: sessionKey }
}

function openWith(
  state: GuestState,
  device: DeviceSecrets,
  sealed: Uint8Array,
): PairingPackage | undefined {
  const [session, claim] = [sessionOf(state), claimDigest(state.claim)]
  return orRefuse(() => openPackage({ session, key: device.wrap, claim, sealed }))
}
