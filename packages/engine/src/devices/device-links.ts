/**
 * Links between own devices: each dials the others it knows addresses of; both sides prove that
 * they are members before anything else is said, and then keep all spaces in step.
 *
 * Addresses come from the record (each device writes its own), from the package that a new device
 * was given, and from discovery on the local network. Transport ids change at every start, so they
 * are left out when dialing: who answers proves itself inside.
 *
 * Source: DESIGN, "Keys" (who speaks is proved inside) and "Meeting" (how own devices meet again).
 *
 * @module
 */
import type { DeviceSecrets } from "@fulcrum/access/device"
import type { MemberDevice, RemovedDevice } from "@fulcrum/access/member-state"
import type { Membership as MembershipView } from "@fulcrum/access/membership"
import { bytesToHex, equalBytes, hexToBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import type { VersionVector } from "@fulcrum/log/vector"
import { type Channel, type Host, NetError } from "@fulcrum/net/contract"
import { deadline } from "../mailboxes/relay-visit.ts"
import { keepTrying } from "../waiting/keep-trying.ts"
import { Signal } from "../waiting/signal.ts"
import { Underway } from "../waiting/underway.ts"
import { type Dialed, OwnDialing } from "./own-dialing.ts"
import { meet } from "./own-meeting.ts"
import { type PeerSpace, SYNC_PROTOCOL, SyncLink } from "./sync-link.ts"
import { withoutTransport } from "./whereabouts.ts"

/** How long one may take to answer that was found on the local network: others wait for it. */
const FOUND_MS_MAX = 3000

/** The other side may know whom it has met a moment before this one does. */
const SAME_MOMENT_MS = 2000

/** An own device that is connected. */
export interface ConnectedDevice {
  /** Its id, in hex. */
  readonly id: string
  /** Opens a channel beside the one on which it was met, which ends with that at the latest. */
  beside(protocol: string, signal: AbortSignal): Promise<Channel>
}

/** Serves an own device a protocol, beside the channel on which it was met. */
export type ServeBeside = (channel: Channel, device: string) => Promise<void>

export interface DeviceLinksOptions {
  readonly self: Pick<DeviceSecrets, "id" | "writer">
  readonly meetingKey: Uint8Array
  readonly clock: Clock
  readonly random: Random
  membership(): MembershipView
  /** Where a device may be reached, newest knowledge first. */
  addressesOf(device: MemberDevice): readonly string[]
  /** The record's space first, then the shares'. */
  spaces(): readonly PeerSpace[]
  changed(): void
  /** Speaks with a device, and notes when, and what it has of the record. */
  sighted<T>(
    device: Uint8Array,
    known: () => VersionVector | undefined,
    speak: () => Promise<T>,
  ): Promise<T>
  /** What a removed device is told. */
  noticeFor(device: RemovedDevice): Uint8Array | undefined
  /** A notice that says that this device was removed; to be believed once it opens. */
  toldRemoved(notice: Uint8Array): void
  /** Another end with this device's own keys was met. */
  metCopy(): void
  /** What relays signed last: told to other own devices, and heard from them. */
  receipts(): {
    heads(): Promise<readonly Uint8Array[]>
    heard(device: string, receipts: readonly Uint8Array[]): void
  }
  /** By protocol. */
  readonly beside?: Readonly<Record<string, ServeBeside>>
}

interface LiveLink {
  readonly device: string
  /** Where it was dialed from here; absent: it was not. */
  readonly address: string | undefined
  readonly link: SyncLink
  readonly channel: Channel
  readonly isOurs: boolean
  /** Channels beside it. */
  readonly beside: Set<Channel>
}

export class DeviceLinks {
  readonly #options: DeviceLinksOptions
  readonly #live = new Set<LiveLink>()
  readonly #dialing = new Map<string, { readonly wake: Signal; readonly stop: AbortController }>()
  readonly #dialer: OwnDialing
  /** Dials that failed, by device. */
  readonly #failures = new Map<string, number>()
  readonly #changed = new Signal()
  readonly #underway = new Underway()
  #host: Host | undefined

  constructor(options: DeviceLinksOptions) {
    this.#options = options
    const { clock, addressesOf } = options
    this.#dialer = new OwnDialing({
      ...{ clock, addressesOf, changed: this.#changed },
      run: (channel, dialed) => this.#run(channel, dialed),
      isAnothers: (address, device) => this.#isAnothers(address, device),
    })
  }

  /** Serves own devices at this host, and dials from it. */
  open(host: Host): void {
    if (this.#host === undefined) {
      this.#host = host
      host.handle(SYNC_PROTOCOL, async (channel) => {
        await this.#run(channel)
      })
      for (const [protocol, serve] of Object.entries(this.#options.beside ?? {})) {
        host.handle(protocol, (channel) => this.#serveBeside(channel, serve))
      }
    }
    this.refresh()
  }

  /** The own devices that are connected now. */
  get connected(): readonly ConnectedDevice[] {
    return [...this.#live].map((live) => ({
      id: live.device,
      beside: async (protocol, signal) => {
        const channel = await live.channel.beside(protocol, { signal })
        this.#keepBeside(live, channel)
        return channel
      },
    }))
  }

  /** Resolves when a device is met or lost, or could not be reached. */
  change(signal: AbortSignal): Promise<void> {
    return this.#changed.wait(signal)
  }

  isConnected(device: Uint8Array): boolean {
    return this.#linksOf(bytesToHex(device)).length > 0
  }

  /** Whether a device is known to hold all that is here of a space. */
  holds(device: Uint8Array, space: PeerSpace): boolean {
    return this.#linksOf(bytesToHex(device)).some(({ link }) => {
      const has = link.has(space)
      if (has === undefined) return false
      const covered = space.log.tree.coveredBy(has)
      return space.log.vector.every(
        ({ incarnation, sequence }) => (covered.get(bytesToHex(incarnation)) ?? 0) >= sequence,
      )
    })
  }

  /** Something new is durable here: every peer is told. */
  local(space: PeerSpace): void {
    for (const { link } of this.#live) link.local(space)
    this.#changed.notify()
  }

  /** Dials devices that were added or have new addresses. */
  refresh(): void {
    const host = this.#host
    if (host === undefined || this.#underway.signal.aborted) return
    const { devices } = this.#options.membership()
    const members = new Set(devices.map(({ id }) => bytesToHex(id)))
    this.#leave(members)
    for (const device of devices) {
      const id = bytesToHex(device.id)
      if (equalBytes(device.id, this.#options.self.id) || this.#dialing.has(id)) continue
      const dialing = { wake: new Signal(), stop: new AbortController() }
      this.#dialing.set(id, dialing)
      void this.#underway.run((closing) => {
        const signal = AbortSignal.any([closing, dialing.stop.signal])
        return this.#keepDialing(host, device, { wake: dialing.wake, signal })
      })
    }
    for (const { wake } of this.#dialing.values()) wake.notify()
    this.#changed.notify()
  }

  /** Whoever was removed is neither looked for nor told anything more; it may come for its notice. */
  #leave(members: ReadonlySet<string>): void {
    for (const [id, { stop }] of this.#dialing) {
      if (members.has(id)) continue
      stop.abort(new Error("removed"))
      this.#dialing.delete(id)
    }
    for (const { device, channel } of this.#live) {
      if (!members.has(device)) channel.abort(new Error("removed"))
    }
  }

  /**
   * Resolves when every other device either is connected and in step, or could not be reached since
   * this was called; or when `signal` fires.
   *
   * @param enough - When it resolves, devices that have not answered are waited for no more.
   */
  async settled(signal: AbortSignal, enough: Promise<unknown>): Promise<void> {
    const { self, addressesOf, membership } = this.#options
    const before = new Map(this.#failures)
    let isLate = false
    const isDone = (device: MemberDevice) => {
      const id = bytesToHex(device.id)
      if (this.isConnected(device.id)) return this.#isInStep(id)
      const hasFailed = (this.#failures.get(id) ?? 0) > (before.get(id) ?? 0)
      return hasFailed || isLate || addressesOf(device).length === 0
    }
    this.refresh()
    const late = () => {
      isLate = true
      this.#changed.notify()
    }
    enough.then(late, late)
    while (!signal.aborted) {
      const others = membership().devices.filter(({ id }) => !equalBytes(id, self.id))
      if (others.every(isDone)) return
      await this.#changed.wait(signal)
    }
  }

  /** Tries an address that may be an own device's; who it is shows inside. */
  async dialFound(host: Host, address: string): Promise<void> {
    const dialing = deadline(this.#options.clock, this.#underway.signal, FOUND_MS_MAX)
    try {
      const channel = await host.dial(address, SYNC_PROTOCOL, { signal: dialing.signal })
      this.#run(channel, { address: withoutTransport(address) }).catch(() => undefined)
    } catch (error) {
      if (!(error instanceof NetError)) throw error
    } finally {
      dialing.done()
    }
  }

  async close(): Promise<void> {
    this.#underway.stop()
    await this.#underway.ended()
  }

  /** Whether a device and this one have the same, as far as either said. */
  #isInStep(device: string): boolean {
    const [first] = this.#linksOf(device)
    if (first === undefined) return false
    return this.#options.spaces().every((space) => {
      const theirs = first.link.has(space)
      if (theirs === undefined || !this.holds(hexToBytes(device), space)) return false
      return theirs.every(({ incarnation, sequence }) => {
        const node = space.log.tree.get(incarnation)
        return node !== undefined && node.sequence >= sequence
      })
    })
  }

  #linksOf(device: string): readonly LiveLink[] {
    return [...this.#live].filter((live) => live.device === device)
  }

  async #keepDialing(
    host: Host,
    device: MemberDevice,
    until: { readonly wake: Signal; readonly signal: AbortSignal },
  ): Promise<void> {
    const { clock, random } = this.#options
    const id = bytesToHex(device.id)
    await keepTrying({
      ...until,
      clock,
      random,
      attempt: async (signal) => {
        if (this.isConnected(device.id)) return this.#untilGone(device.id, signal)
        const met = await this.#dialer.dial(host, device, signal)
        if (met !== id) throw new NetError("NET_UNREACHABLE", "the device was not met")
      },
      failed: () => this.#failed(id),
    })
  }

  #failed(id: string): void {
    this.#failures.set(id, (this.#failures.get(id) ?? 0) + 1)
    this.#changed.notify()
  }

  async #untilGone(device: Uint8Array, signal: AbortSignal): Promise<void> {
    while (this.isConnected(device) && !signal.aborted) await this.#changed.wait(signal)
  }

  /** Whether another device was met at an address, and is connected still. */
  #isAnothers(address: string, device: string): boolean {
    return [...this.#live].some((live) => live.address === address && live.device !== device)
  }

  /**
   * One connection with an own device, from meeting to its end.
   *
   * @returns The own device that was met.
   */
  #run(channel: Channel, dialed?: Dialed): Promise<string | undefined> {
    return this.#underway.run(async (signal) => {
      const leave = () => channel.abort(new Error("closing"))
      if (signal.aborted) leave()
      signal.addEventListener("abort", leave, { once: true })
      try {
        return await this.#speak(channel, signal, dialed)
      } finally {
        signal.removeEventListener("abort", leave)
      }
    })
  }

  async #speak(
    channel: Channel,
    signal: AbortSignal,
    dialed: Dialed | undefined,
  ): Promise<string | undefined> {
    const { self, meetingKey, clock } = this.#options
    const host = this.#host
    if (host === undefined || signal.aborted) return undefined
    const met = await meet(
      channel,
      {
        meetingKey,
        self,
        localTransport: host.publicKey,
        membership: this.#options.membership(),
        noticeFor: (removed) => this.#options.noticeFor(removed),
      },
      clock,
    )
    if (met.kind === "self") this.#options.metCopy()
    if (met.kind === "told-removed") this.#options.toldRemoved(met.notice)
    if (met.kind !== "met" || signal.aborted) return undefined
    const device = bytesToHex(met.device.id)
    const link = new SyncLink({
      channel,
      clock,
      spaces: this.#options.spaces(),
      peerHas: () => this.#notify(),
      heads: () => this.#options.receipts().heads(),
      heard: (receipts) => this.#options.receipts().heard(device, receipts),
    })
    const address = dialed?.address
    const isOurs = channel.outbound
    const live: LiveLink = { device, address, link, channel, isOurs, beside: new Set() }
    if (!this.#isWanted(live)) {
      await channel.close()
      return device
    }
    const [record] = this.#options.spaces()
    const known = () => record && link.has(record)
    await this.#options.sighted(met.device.id, known, () => this.#keepLive(live, dialed, signal))
    return device
  }

  async #keepLive(live: LiveLink, dialed: Dialed | undefined, signal: AbortSignal): Promise<void> {
    this.#live.add(live)
    dialed?.known?.(live.device)
    this.#notify()
    try {
      await live.link.run(signal)
    } finally {
      this.#live.delete(live)
      for (const one of live.beside) one.abort(new Error("the device is gone"))
      this.#notify()
    }
  }

  /** Whoever was not met, or was removed since, gets nothing. */
  async #serveBeside(channel: Channel, serve: ServeBeside): Promise<void> {
    await this.#underway.run(async (closing) => {
      const live = await this.#liveAt(channel, closing)
      if (live === undefined) return channel.abort(new Error("not met"))
      this.#keepBeside(live, channel)
      await serve(channel, live.device)
    })
  }

  async #liveAt({ remoteId }: Channel, closing: AbortSignal): Promise<LiveLink | undefined> {
    const late = deadline(this.#options.clock, closing, SAME_MOMENT_MS)
    try {
      for (;;) {
        const live = [...this.#live].find((one) => one.channel.remoteId === remoteId)
        if (live !== undefined || late.signal.aborted) return live
        await this.#changed.wait(late.signal)
      }
    } finally {
      late.done()
    }
  }

  #keepBeside({ beside }: LiveLink, channel: Channel): void {
    beside.add(channel)
    void channel.closed.then(() => beside.delete(channel))
  }

  /** Of two connections between the same two, the one that the smaller id dialed stays. */
  #isWanted({ device, isOurs }: LiveLink): boolean {
    const [other] = this.#linksOf(device)
    if (other === undefined) return true
    if (other.isOurs === isOurs) return false
    const isSmaller = bytesToHex(this.#options.self.id) < device
    if (isOurs !== isSmaller) return false
    other.channel.abort(new Error("a second connection"))
    return true
  }

  #notify(): void {
    this.#changed.notify()
    this.#options.changed()
  }
}
