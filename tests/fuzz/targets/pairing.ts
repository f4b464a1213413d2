/**
 * The machines by which two devices pair and meet: one side is the product's, all that it hears is
 * the fuzzer's.
 *
 * @module
 */
import { AccessError } from "@fulcrum/access/access-error"
import { createMeeting, type Meeting, type MeetingRole } from "@fulcrum/access/meeting"
import { reduceMembership } from "@fulcrum/access/membership"
import { parsePairingCode } from "@fulcrum/access/pairing-code"
import {
  createPairingGuest,
  type GuestEvent,
  type PairingGuest,
  resumeGuest,
} from "@fulcrum/access/pairing-guest"
import {
  createPairingHost,
  type HostEvent,
  type PairingHost,
  resumeHost,
} from "@fulcrum/access/pairing-host"
import type { PairingPackage } from "@fulcrum/access/pairing-package"
import { type GivenCode, generateScannedCode } from "@fulcrum/access/scanned-code"
import { add, device, entry, epoch, remove } from "../../../packages/access/test/key-history.ts"
import { made } from "../../../packages/access/test/pairing-line.ts"
import { joinMessages, splitMessages } from "../messages.ts"
import { fixedRandom } from "../space.ts"
import { type FuzzTarget, holds } from "../target.ts"

const code = parsePairingCode("4711-copper-lemon-orbit")

/** What a host hands over. */
export const pairingPackage: PairingPackage = made

const scannedCode = generateScannedCode({
  ...{ random: fixedRandom("scanned"), writer: device("phone").writer.publicKey, expiresAtMs: 0 },
  ...{ relays: [], addresses: [] },
})

const hostOf = (): PairingHost =>
  createPairingHost({
    scanned: { code: scannedCode, writer: device("phone").writer },
    ...{ code, random: fixedRandom("host"), nowMs: 0 },
    info: { name: "phone", addresses: ["/ip4/127.0.0.1/tcp/4002"] },
  })
const guestOf = (given: GivenCode = code): PairingGuest =>
  createPairingGuest({ code: given, device: device("laptop"), random: fixedRandom("guest") })

interface Recorded {
  readonly toHost: readonly Uint8Array[]
  readonly toGuest: readonly Uint8Array[]
  readonly hostStates: readonly Uint8Array[]
  readonly guestStates: readonly Uint8Array[]
}

/** A pairing of two honest devices; the person says yes when both have said what they can. */
function honestPairing(given?: GivenCode): Recorded {
  const [host, guest] = [hostOf(), guestOf(given)]
  const recorded = {
    ...{ toHost: [] as Uint8Array[], toGuest: [] as Uint8Array[] },
    ...{ hostStates: [] as Uint8Array[], guestStates: [] as Uint8Array[] },
  }
  const take = (
    actions: readonly {
      readonly kind: string
      readonly bytes?: Uint8Array
      readonly state?: Uint8Array
    }[],
    to: Uint8Array[],
    states: Uint8Array[],
  ) => {
    for (const { kind, bytes, state } of actions) {
      if (kind === "send" && bytes) to.push(bytes)
      if (kind === "store-state" && state) states.push(state)
      if (kind === "show-check-words" && to === recorded.toHost) {
        take(guest.step({ kind: "confirmed" }, 0), recorded.toHost, recorded.guestStates)
      }
    }
  }
  const { toHost, toGuest, hostStates, guestStates } = recorded
  take(guest.step({ kind: "connected" }, 0), toHost, guestStates)
  for (let [heard, told, isApproved] = [0, 0, false]; heard < toHost.length || !isApproved; ) {
    const bytes = toHost[heard]
    if (bytes) {
      heard++
      take(host.step({ kind: "message", peer: "guest", bytes }, 0), toGuest, hostStates)
    } else {
      isApproved = true
      take(host.step({ kind: "approved", package: pairingPackage }, 0), toGuest, hostStates)
    }
    for (; told < toGuest.length; told++) {
      const answer = toGuest[told] ?? new Uint8Array()
      take(guest.step({ kind: "message", bytes: answer }, 0), toHost, guestStates)
    }
  }
  return recorded
}

const APPROVE = Uint8Array.of(0)
const TIME = Uint8Array.of(1, 30)

const HOST_EVENTS: readonly HostEvent[] = [
  { kind: "approved", package: pairingPackage },
  { kind: "tick" },
  { kind: "refused" },
  { kind: "met" },
  { kind: "disconnected", peer: "guest" },
]

/** Up to two bytes are an event and the seconds before it; 0xff first is a stranger's message. */
function driveHost(host: PairingHost, messages: readonly Uint8Array[]): string {
  const kinds = new Set<string>()
  let nowMs = 0
  for (const message of messages) {
    const [first = 0, seconds = 0] = message
    const isStranger = first === 0xff
    const event: HostEvent =
      message.length <= 2
        ? (HOST_EVENTS[first % HOST_EVENTS.length] ?? { kind: "tick" })
        : {
            kind: "message",
            peer: isStranger ? "stranger" : "guest",
            bytes: isStranger ? message.subarray(1) : message,
          }
    if (message.length <= 2) nowMs += seconds * 1000
    for (const action of host.step(event, nowMs)) {
      kinds.add(action.kind === "fail" ? action.code : action.kind)
    }
  }
  return [...kinds].toSorted().join(" ")
}

const GUEST_EVENTS: readonly GuestEvent[] = [
  { kind: "connected" },
  { kind: "tick" },
  { kind: "disconnected" },
  { kind: "confirmed" },
  { kind: "declined" },
]

function driveGuest(guest: PairingGuest, messages: readonly Uint8Array[]): string {
  const kinds = new Set<string>()
  let nowMs = 0
  const take = (event: GuestEvent) => {
    for (const action of guest.step(event, nowMs)) {
      kinds.add(action.kind === "fail" ? action.code : action.kind)
    }
  }
  take({ kind: "connected" })
  for (const message of messages) {
    const [first = 0, seconds = 0] = message
    if (message.length > 2) take({ kind: "message", bytes: message })
    else {
      nowMs += seconds * 1000
      take(GUEST_EVENTS[first % GUEST_EVENTS.length] ?? { kind: "tick" })
    }
  }
  return [...kinds].toSorted().join(" ")
}

const pairingHost: FuzzTarget = {
  name: "pairing-host",
  form: "cbor",
  isSequence: true,
  batch: 64,
  open: () => {
    const { toHost } = honestPairing()
    const [hello = APPROVE, claim = APPROVE, acknowledged = APPROVE] = toHost
    const [scanned = APPROVE, ...others] = honestPairing(scannedCode).toHost
    return {
      seeds: [
        [scanned, ...others.slice(0, 1), APPROVE, ...others.slice(1)],
        [hello, claim, APPROVE, acknowledged],
        [hello, claim, APPROVE, TIME, claim, acknowledged],
        [hello, Uint8Array.of(0xff, ...hello), claim, Uint8Array.of(2)],
      ].map(joinMessages),
      errors: [],
      run: (input) => driveHost(hostOf(), splitMessages(input)),
    }
  },
}

/** By a code that was typed, or that was scanned. */
const pairingGuest = (name: string, given: GivenCode): FuzzTarget => ({
  name,
  form: "cbor",
  isSequence: true,
  batch: 64,
  open: () => {
    const { toGuest } = honestPairing(given)
    return {
      seeds: [toGuest, [...toGuest.slice(0, 2), TIME, Uint8Array.of(2), Uint8Array.of(0)]].map(
        joinMessages,
      ),
      errors: [],
      run: (input) => driveGuest(guestOf(given), splitMessages(input)),
    }
  },
})

/** State that was stored, then messages to who goes on from it. */
const pairingResume: FuzzTarget = {
  name: "pairing-resume",
  form: "cbor",
  isSequence: true,
  batch: 64,
  open: () => {
    const { hostStates, guestStates, toHost, toGuest } = honestPairing()
    return {
      seeds: [
        ...hostStates.map((state) => [state, ...toHost.slice(1)]),
        ...guestStates.map((state) => [state, ...toGuest.slice(1)]),
      ].map(joinMessages),
      errors: [AccessError],
      run(input) {
        const [state = APPROVE, ...messages] = splitMessages(input)
        // A host's state is a variant of two, a guest's a struct of seven.
        if (state[0] === 0x82) {
          const { host } = resumeHost(state)
          return `host ${driveHost(host, messages)}`
        }
        return `guest ${driveGuest(resumeGuest(state).guest, messages)}`
      },
    }
  },
}

const meetingEntries = [
  entry("a by phone", add("phone"), add("laptop"), add("tablet")),
  entry("b < a by phone", remove("tablet")),
]
const transports = { dialer: new Uint8Array(32).fill(1), listener: new Uint8Array(32).fill(2) }

function meetingOf(role: MeetingRole, name: string): Meeting {
  const other = role === "dialer" ? "listener" : "dialer"
  return createMeeting({
    ...{ role, meetingKey: pairingPackage.meetingKey, self: device(name), nowMs: 0 },
    ...{ localTransport: transports[role], remoteTransport: transports[other] },
    membership: reduceMembership(meetingEntries, epoch("a")),
    noticeFor: () => new Uint8Array(100),
  })
}

/** What an honest other end says, by whom it is. */
function meetingSaid(role: MeetingRole, self: string, peer: string): readonly Uint8Array[] {
  const [own, other] = [
    meetingOf(role, self),
    meetingOf(role === "dialer" ? "listener" : "dialer", peer),
  ]
  const said: Uint8Array[] = []
  const queue: { readonly isMine: boolean; readonly bytes: Uint8Array }[] = []
  const take = (isMine: boolean, actions: ReturnType<Meeting["start"]>) => {
    for (const action of actions) {
      if (action.kind !== "send") continue
      queue.push({ isMine, bytes: action.bytes })
      if (!isMine) said.push(action.bytes)
    }
  }
  take(true, own.start())
  take(false, other.start())
  for (const { isMine, bytes } of queue) {
    take(!isMine, (isMine ? other : own).step({ kind: "message", bytes }, 1))
  }
  return said
}

const meeting = (role: MeetingRole): FuzzTarget => ({
  name: `meeting-${role}`,
  form: "cbor",
  isSequence: true,
  batch: 128,
  open: () => ({
    seeds: ["laptop", "tablet", "phone", "stranger"].map((peer) =>
      joinMessages(meetingSaid(role, "phone", peer)),
    ),
    errors: [],
    run(input) {
      const machine = meetingOf(role, "phone")
      machine.start()
      const kinds: string[] = []
      for (const bytes of splitMessages(input).slice(0, 12)) {
        const wasOpen = machine.isOpen
        const event =
          bytes.length === 1 ? ({ kind: "tick" } as const) : ({ kind: "message", bytes } as const)
        const actions = machine.step(event, bytes.length === 1 ? (bytes[0] ?? 0) * 100 : 1)
        holds(wasOpen || actions.length === 0, "a meeting that is over says nothing")
        for (const action of actions) kinds.push(action.kind === "close" ? action.why : action.kind)
      }
      return kinds.join(" ")
    },
  }),
})

export const pairingTargets: readonly FuzzTarget[] = [
  pairingHost,
  pairingGuest("pairing-guest", code),
  pairingGuest("pairing-guest-scanned", scannedCode),
  pairingResume,
  meeting("dialer"),
  meeting("listener"),
]
