/**
 * Making this folder a device of a record that exists elsewhere.
 *
 * State is in table `engine.pairing`, group `guest`: the same command again goes on where it was
 * cut off, once the existing device had approved. Another code begins anew. After it has joined, the
 * same command opens the record: it was cut off before anybody heard of it.
 *
 * @module
 */
import { AccessError, type PairingFailure } from "@fulcrum/access/access-error"
import { type DeviceSecrets, generateDevice } from "@fulcrum/access/device"
import { formatPairingCode } from "@fulcrum/access/pairing-code"
import {
  createPairingGuest,
  type GuestAction,
  type GuestEvent,
  type PairingGuest,
  resumeGuest,
} from "@fulcrum/access/pairing-guest"
import type { PairingPackage } from "@fulcrum/access/pairing-package"
import { type GivenCode, isScanned, parseGivenCode } from "@fulcrum/access/scanned-code"
import { equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { sha256 } from "@fulcrum/crypto/hash"
import { NetError } from "@fulcrum/net/contract"
import { RelayError } from "@fulcrum/relay/relay-error"
import { openVault, type Table, type Vault } from "@fulcrum/store/vault"
import { dialAny } from "../devices/dial-any.ts"
import { resumeName, WHAT_HAPPENED } from "../devices/pair-host.ts"
import {
  channelLine,
  meetingLine,
  PAIRING_PROTOCOL,
  type PairingLine,
  pairingError,
} from "../devices/pairing-line.ts"
import { type PairingWays, waysTo } from "../devices/pairing-ways.ts"
import { withoutTransport } from "../devices/whereabouts.ts"
import { EngineError } from "../failures/engine-error.ts"
import { putHints } from "../ledger/hints.ts"
import { DIAL_MS_MAX, deadline, visitRelay } from "../mailboxes/relay-visit.ts"
import { putDeviceState, readDeviceState } from "../membership/device-state.ts"
import type { Person } from "../person/person.ts"
import { Mutex } from "../waiting/mutex.ts"
import { inScope } from "../waiting/scope.ts"
import type { PersonOptions } from "./open-person.ts"
import { PersonEngine } from "./person-engine.ts"

const GROUP: Uint8Array = utf8ToBytes("guest")
/** The id that the device drew, by which both find each other again. */
const DEVICE: Uint8Array = utf8ToBytes("guest device")
const TICK_MS = 1000
/** Hash of the code that all this belongs to; stays, to know the same command by. */
const CODE: Uint8Array = utf8ToBytes("guest code")
/** How long the other device is looked for on the local network. */
const FIND_MS = 15_000
/** How long it is tried directly where a relay is known, too: on one network a dial takes a moment. */
const DIRECT_MS = 3000

export interface JoinOptions extends PersonOptions {
  readonly name: string
  /** Typed, or scanned: that one says by itself where the other device is. */
  readonly code: string
  /** The relay that gave the nameplate. */
  readonly relay?: string | undefined
  /** The existing device's address. */
  readonly at?: string | undefined
  /**
   * Check words to compare with the other screen; `false` gives up. Nothing is joined before it has
   * answered, however soon the other device approves.
   */
  confirm(words: readonly string[]): Promise<boolean>
  /** Told before it fails, if the same command would find nothing here to go on from. */
  leftNothing?(): void
  readonly signal: AbortSignal
}

/**
 * @throws {AccessError} `PAIR_…`. @throws {EngineError} `RECORD_EXISTS`, `PAIR_WORDS_DIFFER`.
 */
export async function joinPerson(options: JoinOptions): Promise<Person> {
  const { store, vaultKey, random } = options
  const vault = await openVault({ store, key: vaultKey, random })
  try {
    const code = parseGivenCode(options.code)
    const there = await readDeviceState(vault)
    if (there !== undefined) {
      const by = await vault.table("engine.pairing").get(CODE)
      if (by === undefined || !equalBytes(by, codeHash(code))) {
        throw new EngineError("RECORD_EXISTS", "this folder holds a record already")
      }
      return await PersonEngine.open({ ...options, vault, device: there })
    }
    const { device, made } = await new GuestRun(vault, code, options).join()
    const state = {
      id: device.id,
      name: device.name,
      writerSeed: device.writer.seed,
      wrapSecret: device.wrap.secret,
      spaceTag: made.space,
      chainKey: made.chainKey,
      meetingKey: made.meetingKey,
      genesis: made.genesis,
    }
    const table = vault.table("engine.pairing")
    await vault.write([
      putDeviceState(vault, state),
      ...made.epochs.map(({ id, key }) => vault.table("engine.epochs").put(id, 0, key)),
      putHints(vault, made),
      ...[GROUP, DEVICE].map((group) => table.del(group, 0)),
      table.put(CODE, 0, codeHash(code)),
    ])
    return await PersonEngine.open({ ...options, vault, device: state })
  } catch (error) {
    if (await isEmptyStill(vault)) options.leftNothing?.()
    await vault.close()
    throw pairingError(error)
  }
}

/** Neither a device, nor a pairing that goes on; a disk that does not say counts as full. */
async function isEmptyStill(vault: Vault): Promise<boolean> {
  try {
    const guest = await vault.table("engine.pairing").get(GROUP)
    return guest === undefined && (await readDeviceState(vault)) === undefined
  } catch {
    return false
  }
}

interface Joined {
  readonly device: DeviceSecrets
  readonly made: PairingPackage
}

class GuestRun {
  readonly #vault: Vault
  readonly #table: Table
  readonly #code: GivenCode
  readonly #ways: PairingWays
  readonly #options: JoinOptions
  readonly #mutex = new Mutex()
  readonly #result = Promise.withResolvers<Joined>()
  /** That there was a line, on which the other device was told where this one stands. */
  readonly #spoken = Promise.withResolvers<void>()
  readonly #stop = new AbortController()
  #guest: PairingGuest | undefined
  #line: PairingLine | undefined
  #deviceId: Uint8Array = new Uint8Array()
  #isResumed = false
  #hasStored = false
  #hasDeclined = false
  /** When there was a line last. */
  #aloneSinceMs = 0

  constructor(vault: Vault, code: GivenCode, options: JoinOptions) {
    this.#vault = vault
    this.#table = vault.table("engine.pairing")
    this.#code = code
    this.#ways = waysTo(code, options)
    this.#options = options
    this.#result.promise.catch(() => undefined)
  }

  async join(): Promise<Joined> {
    const give = () => this.#fail("PAIR_REFUSED")
    this.#options.signal.addEventListener("abort", give, { once: true })
    try {
      await this.#begin()
      void this.#tick()
      this.#keepConnected().catch((error: unknown) => {
        this.#result.reject(pairingError(error))
        this.#spoken.resolve()
      })
      const joined = await this.#result.promise
      // The other device waits to hear that its package is here; it finds out later if it does not.
      if (this.#isResumed) await this.#atMost(ACKNOWLEDGE_MS, this.#spoken.promise)
      return joined
    } finally {
      this.#options.signal.removeEventListener("abort", give)
      this.#stop.abort()
      await this.#line?.close().catch(() => undefined)
    }
  }

  async #atMost(ms: number, work: Promise<void>): Promise<void> {
    const { signal } = this.#stop
    await Promise.race([work, this.#options.clock.sleep(ms, signal).catch(() => undefined)])
  }

  async #begin(): Promise<void> {
    const stored = await this.#table.get(GROUP)
    const { clock, random, name } = this.#options
    const before = await this.#table.get(CODE)
    if (stored === undefined || before === undefined || !equalBytes(before, codeHash(this.#code))) {
      if (isScanned(this.#code) && clock.now() >= this.#code.expiresAtMs) {
        throw new AccessError("PAIR_CODE_EXPIRED", WHAT_HAPPENED.PAIR_CODE_EXPIRED)
      }
      const device = generateDevice({ name, random })
      this.#deviceId = device.id
      this.#guest = createPairingGuest({ code: this.#code, device, random })
      return
    }
    this.#isResumed = true
    this.#deviceId = (await this.#table.get(DEVICE)) ?? this.#deviceId
    const { guest, actions } = resumeGuest(stored)
    this.#guest = guest
    for (const action of actions) await this.#carryOut(action)
  }

  /** A first attempt has one guess; one that goes on tries for a while. */
  async #keepConnected(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#stop
    this.#aloneSinceMs = clock.now()
    while (!signal.aborted) {
      try {
        await this.#connect()
      } catch (error) {
        const isLate = clock.now() - this.#aloneSinceMs >= ALONE_MS_MAX
        // Then there is nobody to wait for but whoever compares the words.
        if (isLate && this.#guest?.isKept === true) return
        if (isLate || !this.#isClaimed()) throw error
      }
      if (!this.#isClaimed()) await this.#feed({ kind: "disconnected" })
      await clock.sleep(TICK_MS, signal).catch(() => undefined)
    }
  }

  #isClaimed(): boolean {
    return this.#isResumed || this.#hasStored
  }

  /** Directly, else at a relay; on one line alone, since a code has one guess. */
  async #connect(): Promise<void> {
    const { relays, tag } = this.#ways
    const host = this.#guest?.host
    const isRelayGiven = relays.length > 0 && tag === undefined
    const known = isRelayGiven ? [] : [...this.#ways.addresses, ...(host?.addresses ?? [])]
    const discovery = host === undefined && tag !== undefined ? this.#options.discovery : undefined
    const isDirect = known.length > 0 || discovery !== undefined
    if (!isDirect && relays.length === 0) throw absent("nobody was looked for on this network")
    if (isDirect) {
      const found = async function* (signal: AbortSignal): AsyncGenerator<string> {
        yield* new Set(known)
        if (discovery !== undefined && tag !== undefined) yield* discovery.find(tag, { signal })
      }
      const alone = discovery === undefined ? DIAL_MS_MAX : FIND_MS
      const ms = relays.length > 0 ? DIRECT_MS : alone
      try {
        return await this.#reach(found, { ms, absence: this.#absence(discovery !== undefined) })
      } catch (error) {
        if (!(error instanceof AccessError) || relays.length === 0) throw error
      }
    }
    await this.#meetAt(relays)
  }

  #absence(isFound: boolean): string {
    if (this.#options.at !== undefined) return "nobody answers there"
    return isFound
      ? "no device with this code was found on this network"
      : "the other device does not answer"
  }

  async #meetAt(relays: readonly string[]): Promise<void> {
    const { network, clock } = this.#options
    const { signal } = this.#stop
    const place = this.#isClaimed()
      ? ({ kind: "name", value: resumeName(this.#deviceId) } as const)
      : this.#ways.place
    for (const [at, address] of relays.entries()) {
      let isMet = false
      try {
        return await visitRelay({ network, clock, address, signal }, async (client) => {
          const meeting = await client.join(place)
          isMet = true
          await this.#speak(meetingLine(meeting))
        })
      } catch (error) {
        if (isMet || isOver(error) || at === relays.length - 1) throw error
      }
    }
  }

  /**
   * Speaks with whoever answers first.
   *
   * @param at - Where; the signal ends the search for more.
   * @param options.absence - What is said if nobody does.
   */
  async #reach(
    at: (signal: AbortSignal) => Iterable<string> | AsyncIterable<string>,
    { ms, absence }: { readonly ms: number; readonly absence: string },
  ): Promise<void> {
    const { network, clock } = this.#options
    await using host = await network.host()
    const channel = await inScope(this.#stop.signal, async (scope) => {
      const dialing = deadline(clock, scope, ms)
      try {
        const options = { clock, signal: dialing.signal }
        return (await dialAny(host, this.#named(at(dialing.signal)), PAIRING_PROTOCOL, options))
          .channel
      } catch (error) {
        throw error instanceof NetError ? absent(absence, error) : error
      } finally {
        dialing.done()
      }
    })
    await this.#speak(channelLine(channel))
  }

  /** Transport ids change with each start: one that goes on looks for whoever is there. */
  async *#named(addresses: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
    for await (const address of addresses) {
      yield this.#isResumed ? withoutTransport(address) : address
    }
  }

  async #speak(line: PairingLine): Promise<void> {
    this.#line = line
    try {
      await this.#feed({ kind: "connected" })
      this.#spoken.resolve()
      for await (const bytes of line.messages()) await this.#feed({ kind: "message", bytes })
    } catch (error) {
      if (!(error instanceof NetError)) throw error
    } finally {
      this.#line = undefined
      this.#aloneSinceMs = this.#options.clock.now()
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

  #feed(event: GuestEvent): Promise<void> {
    return this.#mutex
      .run(async () => {
        const actions = this.#guest?.step(event, this.#options.clock.now()) ?? []
        for (const action of actions) await this.#carryOut(action)
      })
      .catch((error: unknown) => this.#result.reject(error))
  }

  async #carryOut(action: GuestAction): Promise<void> {
    switch (action.kind) {
      case "send":
        await this.#line?.send(action.bytes).catch(() => undefined)
        return
      case "store-state":
        await this.#vault.write([
          this.#table.put(GROUP, 0, action.state),
          this.#table.put(DEVICE, 0, this.#deviceId),
          this.#table.put(CODE, 0, codeHash(this.#code)),
        ])
        this.#hasStored = true
        return
      case "show-check-words":
        this.#options.confirm(action.words).then(
          (isRight) => (isRight ? this.#feed({ kind: "confirmed" }) : this.#decline()),
          (error: unknown) => this.#result.reject(error),
        )
        return
      case "waiting-for-approval":
        return
      case "done":
        this.#result.resolve({ device: action.device, made: action.package })
        return
      case "fail":
        await this.#vault.write([this.#table.del(GROUP, 0)])
        this.#fail(action.code)
    }
  }

  /** Other words there: the same command must not go on with whoever that is. */
  #decline(): Promise<void> {
    this.#hasDeclined = true
    return this.#feed({ kind: "declined" })
  }

  #fail(code: PairingFailure): void {
    const differ = "the other device shows other words; nothing was joined"
    this.#result.reject(
      this.#hasDeclined
        ? new EngineError("PAIR_WORDS_DIFFER", differ)
        : new AccessError(code, WHAT_HAPPENED[code]),
    )
  }
}

/** How long a guest that was cut off tries to say that it has all it needs. */
const ACKNOWLEDGE_MS = 5000

/**
 * How long a guest looks for a host that has gone: to start a program again, not longer, since the
 * host may have begun with a new code and the same command goes on where this one ends.
 */
const ALONE_MS_MAX = 30_000

function codeHash(code: GivenCode): Uint8Array {
  return sha256(isScanned(code) ? code.secret : utf8ToBytes(formatPairingCode(code)))
}

/** Somebody came there before, or nobody may come any more: so it is everywhere else. */
function isOver(error: unknown): boolean {
  const isRelay = error instanceof RelayError
  return isRelay && (error.code === "RELAY_MEET_USED" || error.code === "RELAY_MEET_EXPIRED")
}

function absent(message: string, cause?: unknown): AccessError {
  return new AccessError("PAIR_PEER_ABSENT", message, { cause })
}
