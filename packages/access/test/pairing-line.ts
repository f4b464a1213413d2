/**
 * The two ends of a pairing, and a line between them with somebody on it who may change what goes over.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { chainKeySchema, spaceTagSchema } from "@fulcrum/log/ids"
import { expect } from "vitest"
import { certifyDevice, type DeviceCertificate } from "../src/device.ts"
import { type PairingCode, parsePairingCode } from "../src/pairing-code.ts"
import {
  createPairingGuest,
  type GuestAction,
  type PairingGuest,
  resumeGuest,
} from "../src/pairing-guest.ts"
import {
  createPairingHost,
  type HostAction,
  type HostEvent,
  type PairingHost,
  resumeHost,
  type ScannedHost,
} from "../src/pairing-host.ts"
import type { PairingPackage } from "../src/pairing-package.ts"
import type { GivenCode } from "../src/scanned-code.ts"
import { device, epoch, epochKey } from "./key-history.ts"

export const code: PairingCode = parsePairingCode("4711-copper-lemon-orbit")
export const wrongCode: PairingCode = parsePairingCode("4711-copper-lemon-zebra")
export const made: PairingPackage = {
  space: spaceTagSchema.decode(seededRandom("space").bytes(32)),
  chainKey: chainKeySchema.decode(seededRandom("chain").bytes(32)),
  meetingKey: seededRandom("meeting").bytes(32),
  genesis: epoch("a"),
  epochs: [{ id: epoch("a"), key: epochKey("a") }],
  members: [certifyDevice(device("phone")), certifyDevice(device("laptop"))],
  mailboxes: [
    {
      relays: ["/dns4/relay.example/tcp/4001"],
      publicKey: device("mailbox").writer.publicKey,
      seed: device("mailbox").writer.seed,
      capabilities: [Uint8Array.of(1, 2, 3)],
    },
  ],
  addresses: ["/ip4/127.0.0.1/tcp/4002"],
}

let runs = 0
export const fresh = (): SeededRandom => seededRandom(`pairing ${runs++}`)

export function hostOf(typed: PairingCode = code, scanned?: ScannedHost): PairingHost {
  const info = { name: "phone", addresses: ["/ip4/127.0.0.1/tcp/4002"] }
  return createPairingHost({
    ...{ code: typed, random: fresh(), nowMs: 0, info },
    ...(scanned && { scanned }),
  })
}

export function guestOf(given: GivenCode = code, name = "laptop"): PairingGuest {
  return createPairingGuest({ code: given, device: device(name), random: fresh() })
}

/** The two ends of a line with somebody on it who may change what goes over. */
export class Line {
  host: PairingHost
  guest: PairingGuest
  readonly hostActions: HostAction[] = []
  readonly guestActions: GuestAction[] = []
  readonly sent: (readonly ["host" | "guest", Uint8Array])[] = []
  hostState: Uint8Array | undefined
  guestState: Uint8Array | undefined
  #queue: (readonly ["host" | "guest", Uint8Array])[] = []
  readonly #onWay: (bytes: Uint8Array, at: number) => readonly Uint8Array[]
  readonly #saysYes: boolean

  constructor(options: {
    readonly host?: PairingHost
    readonly guest?: PairingGuest
    readonly onWay?: (bytes: Uint8Array, at: number) => readonly Uint8Array[]
    /** Whether somebody sits at the guest who says yes at once; absent: so it is. */
    readonly saysYes?: boolean
  }) {
    this.host = options.host ?? hostOf()
    this.guest = options.guest ?? guestOf()
    this.#onWay = options.onWay ?? ((bytes) => [bytes])
    this.#saysYes = options.saysYes ?? true
  }

  connect(nowMs = 0): this {
    this.takeGuest(this.guest.step({ kind: "connected" }, nowMs))
    return this.run(nowMs)
  }

  hostStep(event: HostEvent, nowMs = 0): this {
    this.takeHost(this.host.step(event, nowMs))
    return this.run(nowMs)
  }

  approve(nowMs = 0): this {
    return this.hostStep({ kind: "approved", package: made }, nowMs)
  }

  run(nowMs = 0): this {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      const [to, bytes] = next
      if (to === "host") {
        this.takeHost(this.host.step({ kind: "message", peer: "guest", bytes }, nowMs))
      } else this.takeGuest(this.guest.step({ kind: "message", bytes }, nowMs))
    }
    return this
  }

  takeHost(actions: readonly HostAction[]): void {
    this.hostActions.push(...actions)
    for (const action of actions) {
      if (action.kind === "store-state") this.hostState = action.state
      if (action.kind === "clear-state") this.hostState = undefined
      if (action.kind === "send") this.#send("guest", action.bytes)
    }
  }

  takeGuest(actions: readonly GuestAction[]): void {
    this.guestActions.push(...actions)
    for (const action of actions) {
      if (action.kind === "store-state") this.guestState = action.state
      if (action.kind === "send") this.#send("host", action.bytes)
      if (action.kind === "show-check-words" && this.#saysYes) this.confirm()
    }
  }

  /** Whoever sits at the guest says that the words are the same. */
  confirm(nowMs = 0): this {
    this.takeGuest(this.guest.step({ kind: "confirmed" }, nowMs))
    return this
  }

  /** Both programs are killed and start again from what they stored. */
  restart(who: "host" | "guest"): this {
    this.#queue = []
    if (who === "guest") {
      const { guest, actions } = resumeGuest(this.guestState ?? new Uint8Array(0))
      this.guest = guest
      this.takeGuest(actions)
    } else {
      const { host, actions } = resumeHost(this.hostState ?? new Uint8Array(0))
      this.host = host
      this.takeHost(actions)
    }
    return this
  }

  get kinds(): { readonly host: readonly string[]; readonly guest: readonly string[] } {
    return { host: this.hostActions.map(labelOf), guest: this.guestActions.map(labelOf) }
  }

  #send(to: "host" | "guest", bytes: Uint8Array): void {
    const at = this.sent.push([to, bytes]) - 1
    for (const arriving of this.#onWay(bytes, at)) this.#queue.push([to, arriving])
  }
}

export const labelOf = (action: HostAction | GuestAction): string =>
  action.kind === "fail" ? action.code : action.kind
export const wordsOf = (
  actions: readonly (HostAction | GuestAction)[],
): readonly string[] | undefined =>
  actions.flatMap((action) => (action.kind === "show-check-words" ? [action.words] : []))[0]
export const approvalOf = (actions: readonly HostAction[]): DeviceCertificate | undefined =>
  actions.flatMap((it) => (it.kind === "ask-approval" ? [it.certificate] : []))[0]
export const packageOf = (actions: readonly GuestAction[]): PairingPackage | undefined =>
  actions.flatMap((it) => (it.kind === "done" ? [it.package] : []))[0]
const isOver = (name: string) => name === "done" || name.startsWith("PAIR_")

/** Whatever happened on the line: only the right device is asked about, only this package taken. */
export function expectSafe(line: Line): void {
  const asked = approvalOf(line.hostActions)
  if (asked !== undefined) {
    expect(equalBytes(asked.writer, device("laptop").writer.publicKey)).toBe(true)
    expect(wordsOf(line.hostActions)).toEqual(wordsOf(line.guestActions))
  }
  const taken = packageOf(line.guestActions)
  if (taken !== undefined) expect(taken).toEqual(made)
}

/** All are at the door before anybody is answered, in an order of chance; whoever is asked about gets a yes. */
export function crowd(
  host: PairingHost,
  guests: readonly PairingGuest[],
): { readonly asked: number; readonly outcomes: readonly string[] } {
  type Letter = readonly [guest: number, bytes: Uint8Array]
  const toHost: Letter[] = []
  const toGuests: Letter[] = []
  const outcomes = guests.map(() => "")
  let asked = 0
  const takeGuest = (i: number, actions: readonly GuestAction[]) => {
    for (const action of actions) {
      if (action.kind === "send") toHost.push([i, action.bytes])
      if (isOver(labelOf(action))) outcomes[i] = labelOf(action)
      if (action.kind === "show-check-words") {
        takeGuest(i, guests[i]?.step({ kind: "confirmed" }, 0) ?? [])
      }
    }
  }
  const takeHost = (event: HostEvent) => {
    for (const action of host.step(event, 0)) {
      if (action.kind === "send") toGuests.push([Number(action.peer), action.bytes])
      if (action.kind === "ask-approval") asked++
    }
  }
  for (const [i, guest] of guests.entries()) takeGuest(i, guest.step({ kind: "connected" }, 0))
  const random = fresh()
  const order = new Map(guests.map((_, i) => [i, random.bytes(4).join()]))
  toHost.sort(([a], [b]) => ((order.get(a) ?? "") < (order.get(b) ?? "") ? -1 : 1))
  while (toHost.length + toGuests.length > 0) {
    for (const [i, bytes] of toHost.splice(0)) {
      takeHost({ kind: "message", peer: String(i), bytes })
    }
    takeHost({ kind: "approved", package: made })
    for (const [i, bytes] of toGuests.splice(0)) {
      takeGuest(i, guests[i]?.step({ kind: "message", bytes }, 0) ?? [])
    }
  }
  return { asked, outcomes }
}
