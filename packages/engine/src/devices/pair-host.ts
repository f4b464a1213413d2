/**
 * Adding a device, on the device that has the record: drives `access`'s machine over whatever lines
 * a guest may come by, and commits the new member.
 *
 * State is in table `engine.pairing`, group `host`: after a restart an approved guest still gets its
 * package, and a code that was claimed is used up. Group `host done` holds the name of a device that
 * was added until its person was told: whoever was cut off before asks again, and is told then.
 *
 * @module
 */
import { AccessError, type PairingFailure } from "@fulcrum/access/access-error"
import type { DeviceCertificate, DeviceId } from "@fulcrum/access/device"
import { formatPairingCode, generatePairingCode, NAMEPLATE_MAX } from "@fulcrum/access/pairing-code"
import {
  createPairingHost,
  type HostAction,
  type HostEvent,
  PAIRING_CODE_MS,
  type PairingHost,
  resumeHost,
} from "@fulcrum/access/pairing-host"
import type { PairingPackage } from "@fulcrum/access/pairing-package"
import {
  formatScannedCode,
  generateScannedCode,
  scannedMeetingName,
} from "@fulcrum/access/scanned-code"
import { bytesToUtf8, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { contexts } from "@fulcrum/crypto/contexts"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import { hash } from "@fulcrum/crypto/hash"
import { type Random, randomBelow } from "@fulcrum/crypto/random"
import type { Channel, Network } from "@fulcrum/net/contract"
import type { Discovery } from "@fulcrum/net/discovery"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { visitRelay } from "../mailboxes/relay-visit.ts"
import type { PairPrompts, PairResult } from "../person/person.ts"
import { Mutex } from "../waiting/mutex.ts"
import { channelLine, meetingLine, type PairingLine, pairingError } from "./pairing-line.ts"
import { pairingTag } from "./pairing-ways.ts"

/** How often deadlines are looked at. */
const TICK_MS = 1000

const GROUP: Uint8Array = utf8ToBytes("host")
const DONE_GROUP: Uint8Array = utf8ToBytes("host done")

export interface PairHostOptions {
  readonly vault: Vault
  readonly network: Network
  readonly discovery: Discovery | undefined
  readonly clock: Clock
  readonly random: Random
  readonly name: string
  /** What this device signs its spans with: a code that is scanned has its fingerprint. */
  readonly writer: SigningKey
  /** Relays of the record: the first that answers gives the nameplate. */
  readonly relays: readonly string[]
  /** Where guests on this network can come to. */
  readonly addresses: readonly string[]
  /** Hands over guests that come directly, until the returned function is called. */
  serveDirect(handler: (channel: Channel) => void): () => void
  /**
   * Commits the new member and what `keep` makes of its package in one atomic write, so that there
   * is never a member without its package.
   */
  addDevice(
    certificate: DeviceCertificate,
    keep: (made: PairingPackage) => readonly VaultOp[],
  ): Promise<void>
  /** Whether a device that was added belongs still. */
  isMember(device: DeviceId): boolean
  /** Resolves once the device was met in the record space. */
  untilMet(device: DeviceId, signal: AbortSignal): Promise<void>
}

/** Where both find each other again after an approved pairing was cut off. */
export function resumeName(device: Uint8Array): Uint8Array {
  return hash(contexts.pairResume, device)
}

/** @throws {AccessError} `PAIR_…`, each with what to do. */
export async function pairAsHost(
  options: PairHostOptions,
  prompts: PairPrompts,
  signal: AbortSignal,
): Promise<PairResult> {
  await using run = new HostRun(options, prompts)
  return await run.pair(signal)
}

/** The device that was added by a pairing that was cut off before it could be told. */
export async function untoldDevice(vault: Vault): Promise<string | undefined> {
  const stored = await vault.table(TABLE).get(DONE_GROUP)
  return stored && bytesToUtf8(stored)
}

/** Notes that the person is told. */
export async function toldDevice(vault: Vault): Promise<void> {
  await vault.write([vault.table(TABLE).del(DONE_GROUP, 0)])
}

const TABLE = "engine.pairing"

class HostRun implements AsyncDisposable {
  readonly #options: PairHostOptions
  readonly #prompts: PairPrompts
  readonly #table: Table
  readonly #mutex = new Mutex()
  readonly #lines = new Map<string, PairingLine>()
  readonly #stop = new AbortController()
  readonly #result = Promise.withResolvers<PairResult>()
  #host: PairingHost | undefined
  #peers = 0
  #words: readonly string[] = []

  constructor(options: PairHostOptions, prompts: PairPrompts) {
    this.#options = options
    this.#prompts = prompts
    this.#table = options.vault.table(TABLE)
    this.#result.promise.catch(() => undefined)
  }

  async pair(signal: AbortSignal): Promise<PairResult> {
    const abort = () => {
      const error = new AccessError("PAIR_REFUSED", "pairing was given up here")
      this.#result.reject(error)
    }
    signal.addEventListener("abort", abort, { once: true })
    const stopServing = this.#options.serveDirect((channel) => {
      void this.#serve(channelLine(channel))
    })
    try {
      const approved = await this.#resume()
      if (approved === undefined) await this.#open()
      else this.#awaitGuest(approved)
      void this.#tick()
      return await this.#result.promise
    } finally {
      stopServing()
      signal.removeEventListener("abort", abort)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    for (const line of this.#lines.values()) await line.close().catch(() => undefined)
  }

  /** @returns The device that was approved before a restart. */
  async #resume(): Promise<DeviceId | undefined> {
    const stored = await this.#table.get(GROUP)
    if (stored === undefined) return undefined
    const { host, actions } = resumeHost(stored)
    const { approved } = host
    if (approved !== undefined && !this.#options.isMember(approved.device)) {
      // It was removed meanwhile: nothing is left to go on with.
      await this.#clear()
      return undefined
    }
    if (approved !== undefined) {
      this.#host = host
      this.#prompts.resumed?.(approved.name)
      return approved.device
    }
    // A code that was claimed when this stopped is used up: say so, and begin with a new one.
    for (const action of actions) {
      if (action.kind === "clear-state") await this.#clear()
    }
    this.#prompts.burned?.()
    return undefined
  }

  async #open(): Promise<void> {
    const { relays, random } = this.#options
    for (const [at, address] of relays.entries()) {
      const nameplate = await this.#meetOn(address)
      if (nameplate === undefined) continue
      // Those before it do not answer.
      return this.#show(nameplate, relays.slice(at))
    }
    await this.#show(randomBelow(random, NAMEPLATE_MAX + 1), [])
  }

  /** One pairing, by two codes: whoever comes first, by either, uses both up. */
  async #show(nameplate: number, relays: readonly string[]): Promise<void> {
    const { random, clock, name, addresses, writer } = this.#options
    const nowMs = clock.now()
    const expiresAtMs = nowMs + PAIRING_CODE_MS
    const code = generatePairingCode({ nameplate, random })
    const drawn = { random, writer: writer.publicKey, expiresAtMs, relays, addresses }
    const scanned = generateScannedCode(drawn)
    this.#host = createPairingHost({
      ...{ code, random, nowMs, info: { name, addresses } },
      scanned: { code: scanned, writer },
    })
    this.#announce(pairingTag(code))
    this.#announce(pairingTag(scanned))
    const [first] = scanned.relays.map((relay) => this.#meetOn(relay, scannedMeetingName(scanned)))
    // The relay that gave the nameplate answers; another is not waited for.
    await first
    const shown = { code: formatPairingCode(code), uri: formatScannedCode(scanned) }
    this.#prompts.code({ ...shown, lanOnly: relays.length === 0, expiresAtMs, addresses })
  }

  #announce(tag: string): void {
    const { addresses, discovery } = this.#options
    if (discovery === undefined || addresses.length === 0) return
    const announced = discovery.announce(tag, addresses)
    this.#stop.signal.addEventListener("abort", () => {
      announced[Symbol.asyncDispose]().then(undefined, () => undefined)
    })
  }

  /** @returns The nameplate, while the meeting goes on; `undefined`: this relay does not answer. */
  #meetOn(address: string, name?: Uint8Array): Promise<number | undefined> {
    const { network, clock } = this.#options
    const { signal } = this.#stop
    const drawn = Promise.withResolvers<number | undefined>()
    visitRelay({ network, clock, address, signal }, async (client) => {
      const meeting = await client.meet(name)
      drawn.resolve(meeting.nameplate)
      await meeting.joined
      await this.#serve(meetingLine(meeting))
    }).then(
      () => drawn.resolve(undefined),
      () => drawn.resolve(undefined),
    )
    return drawn.promise
  }

  /** After approval the guest may come back by any way that it knows. */
  #awaitGuest(device: DeviceId): void {
    const { relays, untilMet, clock } = this.#options
    const { signal } = this.#stop
    untilMet(device, signal).then(
      () => this.#feed({ kind: "met" }),
      () => undefined,
    )
    for (const address of relays) {
      void (async () => {
        while (!signal.aborted) {
          await this.#meetOn(address, resumeName(device))
          await clock.sleep(TICK_MS, signal).catch(() => undefined)
        }
      })()
    }
  }

  async #serve(line: PairingLine): Promise<void> {
    const peer = String(this.#peers++)
    this.#lines.set(peer, line)
    try {
      for await (const bytes of line.messages()) {
        await this.#feed({ kind: "message", peer, bytes })
      }
    } catch {
      // The line broke: the guest comes back, or the deadline passes.
    } finally {
      this.#lines.delete(peer)
      await this.#feed({ kind: "disconnected", peer })
      await line.close().catch(() => undefined)
    }
  }

  async #tick(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#options.clock.sleep(TICK_MS, signal).catch(() => undefined)
      if (!signal.aborted) await this.#feed({ kind: "tick" })
    }
  }

  /** One event at a time, each with all that it leads to. */
  #feed(event: HostEvent): Promise<void> {
    return this.#mutex
      .run(async () => {
        const actions = this.#host?.step(event, this.#options.clock.now()) ?? []
        for (const action of actions) await this.#carryOut(action, actions)
      })
      .catch((error: unknown) => this.#result.reject(error))
  }

  /** @param among - All that its event led to. */
  async #carryOut(action: HostAction, among: readonly HostAction[] = []): Promise<void> {
    switch (action.kind) {
      case "send":
        await this.#lines
          .get(action.peer)
          ?.send(action.bytes)
          .catch(() => undefined)
        return
      case "store-state":
        await this.#options.vault.write([this.#table.put(GROUP, 0, action.state)])
        return
      case "clear-state":
        return this.#clear(among.find((one) => one.kind === "done")?.name)
      case "show-check-words":
        this.#words = action.words
        return
      case "ask-approval":
        this.#ask(action.certificate)
        return
      case "done":
        this.#result.resolve({ device: action.name })
        return
      case "fail":
        this.#result.reject(new AccessError(action.code, WHAT_HAPPENED[action.code]))
    }
  }

  /** The person takes her time; meanwhile the line is served. */
  #ask(certificate: DeviceCertificate): void {
    const { name, id } = certificate
    this.#prompts
      .approve({ words: this.#words, name })
      .then(async (isApproved) => {
        if (!isApproved) return this.#feed({ kind: "refused" })
        await this.#mutex.run(() => this.#approve(certificate))
        this.#awaitGuest(id)
      })
      .catch((error: unknown) => this.#result.reject(pairingError(error)))
  }

  async #approve(certificate: DeviceCertificate): Promise<void> {
    let actions: readonly HostAction[] = []
    await this.#options.addDevice(certificate, (made) => {
      const event = { kind: "approved", package: made } as const
      actions = this.#host?.step(event, this.#options.clock.now()) ?? []
      const ops = actions.flatMap((action) =>
        action.kind === "store-state" ? [this.#table.put(GROUP, 0, action.state)] : [],
      )
      // The guest gave up, or time ran out, while the person was asked: nobody is added.
      if (ops.length === 0)
        throw new AccessError("PAIR_PEER_ABSENT", WHAT_HAPPENED.PAIR_PEER_ABSENT)
      return ops
    })
    for (const action of actions) if (action.kind !== "store-state") await this.#carryOut(action)
  }

  /** @param added - The device that was added, to be told of. */
  async #clear(added?: string): Promise<void> {
    const told = added === undefined ? [] : [this.#table.put(DONE_GROUP, 0, utf8ToBytes(added))]
    await this.#options.vault.write([this.#table.del(GROUP, 0), ...told])
  }
}

/** What happened, for each way that a pairing fails. */
export const WHAT_HAPPENED: Readonly<Record<PairingFailure, string>> = {
  PAIR_CODE_MALFORMED: "a pairing code is a number and three words, or what a QR code says",
  PAIR_WORD_UNKNOWN: "a word of the code is on no list",
  PAIR_CODE_WRONG: "the codes do not match, or somebody is in between; the code is used up",
  PAIR_CODE_USED: "this code was used, or its device was restarted before it was approved",
  PAIR_CODE_EXPIRED: "nobody used the code within two minutes",
  PAIR_PEER_ABSENT: "the other device does not answer",
  PAIR_VERSION: "the two programs do not fit",
  PAIR_RELAY_FULL: "the relay has no room for a meeting",
  PAIR_REFUSED: "the pairing was refused; nothing was added",
}
