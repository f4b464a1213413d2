/**
 * The record as the 24 recovery words alone find it: by the beacons on its relays, and from all that
 * its mailboxes there hold; or in a backup, with what its relays have had since. It lies in a store that is
 * thrown away afterwards, under the words' own key, with which they are a member like any device; what they
 * change there they bring to the relays.
 *
 * Nothing that a relay says is believed for itself: the words signed which record it is, each span is
 * checked as one from a stranger, and who belongs is what the key entries say. What a relay keeps back
 * can be told only where a beacon names what is missing.
 *
 * Source: DESIGN, "Meeting" (recovery).
 *
 * @module
 */
import { type Beacon, type BeaconMailbox, openBeacon } from "@fulcrum/access/beacon"
import { certifyDevice, type DeviceSecrets } from "@fulcrum/access/device"
import type { RecoveryKeys } from "@fulcrum/access/recovery-words"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "@fulcrum/log/deflate"
import { mailboxName } from "@fulcrum/log/mailbox"
import type { VersionVector } from "@fulcrum/log/vector"
import type { Network } from "@fulcrum/net/contract"
import type { Documents, Reload } from "@fulcrum/record/documents"
import type { RelayClient } from "@fulcrum/relay/client"
import type { OpenMailbox } from "@fulcrum/relay/open-mailbox"
import type { Store } from "@fulcrum/store"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { EngineError } from "../failures/engine-error.ts"
import { errorCode } from "../failures/error-code.ts"
import { type Hints, hintsOf, NO_HINTS } from "../ledger/hints.ts"
import { isAbsent } from "../mailboxes/mailbox-opening.ts"
import { ownCapability } from "../mailboxes/record-link.ts"
import { deadline, visitRelay } from "../mailboxes/relay-visit.ts"
import type { EpochSecret } from "../membership/membership.ts"
import { findEpochs } from "../membership/recovery-epochs.ts"
import { changeMembership } from "../relationships/membership-writes.ts"
import { type OwnRecord, openOwnRecord } from "../relationships/own-record.ts"
import type { RestoredSpans } from "./backup.ts"
import { byteLength, inBatches } from "./batches.ts"
import { FoundSpans, readArchive } from "./found-spans.ts"

/** Bytes read or brought at a time. */
const PAGE_BYTES_MAX: number = 1024 * 1024
/** How long one mailbox may take: an honest relay brings far more than a record in it. */
const MAILBOX_MS_MAX: number = 5 * 60_000
/** How long a backup's relays may take to say where the record lies now: it does without. */
const NEWS_MS_MAX = 10_000

export interface RecoveryOptions {
  readonly recovery: RecoveryKeys
  /** Addresses of relays that are asked for a beacon. */
  readonly relays: readonly string[]
  /** What a backup holds; then its own relays are asked, and not needed. */
  readonly backup?: Pick<RestoredSpans, "beacon" | "record"> | undefined
  /** Where it goes that a device was let in, where it does not go to relays. */
  readonly bring?: ((spans: readonly Uint8Array[]) => Promise<void>) | undefined
  readonly network: Network
  readonly openDocuments: (reload: Reload) => Promise<Documents>
  /** An empty store, for what is read. */
  readonly openScratch: () => Promise<Store>
  readonly random: Random
  readonly clock: Clock
  readonly deflate: Deflate
  readonly signal: AbortSignal
}

/** A relay that was asked for the beacon. */
export interface SoughtRelay {
  readonly address: string
  /** `nothing`: it has none; `other`: what it has is none of these words'. */
  readonly found: "beacon" | "nothing" | "other" | "unreachable"
  /** Why it was not reached, by the error's code. */
  readonly code?: string | undefined
}

/** A mailbox of the record, as it was found. */
export interface ReadMailbox {
  readonly address: string
  readonly spans: number
  /** Why nothing of it was read, by the error's code. */
  readonly code?: string | undefined
}

/** What makes a folder a device that can go on by itself. */
export interface RecoveredKeys {
  readonly epochs: readonly EpochSecret[]
  readonly hints: Hints
}

interface Found {
  readonly sought: readonly SoughtRelay[]
  readonly beacons: readonly [Beacon, ...Beacon[]]
}

/**
 * Finds the record and reads all of it that its relays hold.
 *
 * @throws {EngineError} `RECOVERY_UNREACHABLE`, `RECOVERY_NOT_FOUND`, `RECOVERY_INCOMPLETE`.
 */
export async function openRecovery(options: RecoveryOptions): Promise<RecoverySession> {
  const { backup } = options
  const found: Found = backup
    ? await besideBackup(backup.beacon, options)
    : await findBeacons(options)
  const { anchor } = found.beacons[0]
  const spans = new FoundSpans(anchor.space)
  for (const span of backup?.record ?? []) spans.add(span)
  // What a backup itself names may be long left.
  const mailboxes = mailboxesOf(found.beacons.slice(backup ? 1 : 0))
  // At once: one that gives nothing holds up no other.
  const read = await Promise.all(mailboxes.map((one) => readMailbox(one, options, spans)))
  const { recovery, random, deflate, clock } = options
  const vault = await openVault({
    store: await options.openScratch(),
    key: random.bytes(32),
    random,
  })
  try {
    const device = {
      id: random.bytes(16),
      name: "recovery words",
      writerSeed: recovery.writer.seed,
      wrapSecret: recovery.wrap.secret,
      spaceTag: anchor.space,
      chainKey: anchor.chainKey,
      meetingKey: anchor.meetingKey,
      genesis: anchor.genesis,
    }
    const own = await openOwnRecord({ ...options, vault, device })
    const { membership } = own.ledger
    const { space, chainKey } = anchor
    const search = { space, chainKey, wrap: recovery.wrap, deflate, clock }
    for (const { id, key } of await findEpochs(spans.all, search)) membership.expect(id, key)
    for await (const batch of inBatches(spans.all, byteLength)) await own.ledger.admit(batch)
    await own.relationships.openNew()
    return new RecoverySession(options, { ...found, vault, own, read, mailboxes })
  } catch (error) {
    await vault.close()
    throw error
  }
}

export class RecoverySession implements AsyncDisposable {
  readonly sought: readonly SoughtRelay[]
  readonly read: readonly ReadMailbox[]
  readonly own: OwnRecord
  readonly #options: RecoveryOptions
  readonly #vault: Vault
  readonly #beacons: Found["beacons"]
  readonly #mailboxes: readonly BeaconMailbox[]

  constructor(
    options: RecoveryOptions,
    found: Found & {
      readonly vault: Vault
      readonly own: OwnRecord
      readonly read: readonly ReadMailbox[]
      readonly mailboxes: readonly BeaconMailbox[]
    },
  ) {
    this.#options = options
    this.sought = found.sought
    this.read = found.read
    this.own = found.own
    this.#vault = found.vault
    this.#beacons = found.beacons
    this.#mailboxes = found.mailboxes
  }

  /** Whether a relay gave what it has of the record. */
  get isFromRelays(): boolean {
    return this.read.some(({ code }) => code === undefined)
  }

  /** Epochs that a beacon names and no relay has: what is behind them is kept back, or lost. */
  get missingEpochs(): number {
    const { membership } = this.own.ledger
    const named = new Set(this.#beacons.flatMap(({ epochs }) => epochs.map(bytesToHex)))
    const here = new Set(membership.view.epochs.map(bytesToHex))
    return [...named].filter((epoch) => !here.has(epoch)).length
  }

  /** By which the record's devices recognise one another. */
  get meetingKey(): Uint8Array {
    return this.#beacons[0].anchor.meetingKey
  }

  /** Whether the words are a member of what was found, so that they can let a device in. */
  get isUsable(): boolean {
    const { membership } = this.own.ledger
    return membership.hasJoined && membership.hasHeadKeys
  }

  /**
   * Makes a device a member, and brings that to the relays; one that is a member already stays one.
   *
   * @throws {EngineError} `RECOVERY_INCOMPLETE`: the words are no member of what was found;
   * `RECOVERY_NOT_STORED`: no relay took it.
   */
  async addDevice(device: DeviceSecrets): Promise<RecoveredKeys> {
    const { ledger } = this.own
    const { membership, record, state } = ledger
    if (!this.isUsable) {
      throw new EngineError("RECOVERY_INCOMPLETE", "the relays hold too little of the record")
    }
    if (!membership.isMember(device.writer.publicKey)) {
      const before = record.vector
      const certificate = certifyDevice(device)
      await changeMembership({ ledger, random: this.#options.random, author: "recovery" }, () => [
        { kind: "add", value: { certificate } },
      ])
      const { backup, bring } = this.#options
      if (bring !== undefined) await bring(await this.#since(before))
      else if (backup === undefined) await this.#bring(before)
      // It brings that later, too.
      else if (this.isFromRelays) await this.#bring(before).catch(orNotStored)
    }
    return { epochs: membership.epochs, hints: hintsOf(membership.certificates, state, NO_HINTS) }
  }

  /** All of the record that was found, and what was added to it. */
  async *spans(): AsyncGenerator<Uint8Array> {
    const { record } = this.own.ledger
    let after: VersionVector = []
    for (;;) {
      const { spans, reached } = await record.spansAfter(after, { bytesMax: PAGE_BYTES_MAX })
      if (spans.length === 0) return
      yield* spans
      after = reached
    }
  }

  async close(): Promise<void> {
    try {
      await this.own.ledger.close()
    } finally {
      await this.#vault.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #since(before: VersionVector): Promise<readonly Uint8Array[]> {
    const { record } = this.own.ledger
    return (await record.spansAfter(before, { bytesMax: PAGE_BYTES_MAX })).spans
  }

  /** To every mailbox of the record that can be reached: one at least. */
  async #bring(since: VersionVector): Promise<void> {
    const { state } = this.own.ledger
    const spans = await this.#since(since)
    const living = state.relays.map(({ address, mailboxSeed }) => ({
      relay: address,
      seed: mailboxSeed,
    }))
    let failure: unknown
    let isStored = false
    for (const mailbox of distinct([...living, ...this.#mailboxes])) {
      try {
        await atMailbox(mailbox, this.#options, "append", async (opened) => {
          for (const span of spans) await opened.append(span)
        })
        isStored = true
      } catch (error) {
        if (errorCode(error) === undefined) throw error
        failure = error
      }
    }
    if (isStored) return
    const message = "no relay of the record took this device in"
    throw new EngineError("RECOVERY_NOT_STORED", message, { cause: failure })
  }
}

async function findBeacons(options: RecoveryOptions): Promise<Found> {
  const asked = await Promise.all(options.relays.map((address) => askForBeacon(address, options)))
  const [first, ...others] = asked.flatMap(({ beacon }) => beacon ?? [])
  const sought = asked.map(({ address, found, code }) => ({ address, found, code }))
  if (first !== undefined) return { sought, beacons: [first, ...others] }
  const failure = asked.find(({ error }) => error !== undefined)?.error
  if (failure !== undefined && asked.every(({ found }) => found === "unreachable")) {
    const message = "none of the relays could be reached"
    throw new EngineError("RECOVERY_UNREACHABLE", message, { cause: failure })
  }
  throw new EngineError("RECOVERY_NOT_FOUND", "no relay has a record for these words")
}

function orNotStored(error: unknown): void {
  if (!(error instanceof EngineError && error.code === "RECOVERY_NOT_STORED")) throw error
}

/** A backup may be older than a removal: where the record lies now its relays know, if they are reached. */
async function besideBackup(beacon: Beacon, options: RecoveryOptions): Promise<Found> {
  const { anchor, mailboxes } = beacon
  // A device that runs has it all.
  if (options.bring !== undefined) return { sought: [], beacons: [beacon] }
  const late = deadline(options.clock, options.signal, NEWS_MS_MAX)
  const ask = async (address: string) => {
    try {
      return [await askForBeacon(address, { ...options, signal: late.signal })]
    } catch (error) {
      options.signal.throwIfAborted()
      if (!late.signal.aborted) throw error
      return []
    }
  }
  try {
    const relays = [...new Set(mailboxes.map(({ relay }) => relay))]
    const asked = (await Promise.all(relays.map(ask))).flat()
    const newer = asked.flatMap(({ beacon: one }) =>
      one !== undefined && equalBytes(one.anchor.space, anchor.space) ? [one] : [],
    )
    const sought = asked.map(({ address, found, code }) => ({ address, found, code }))
    return { sought, beacons: [beacon, ...newer] }
  } finally {
    late.done()
  }
}

async function askForBeacon(
  address: string,
  options: RecoveryOptions,
): Promise<SoughtRelay & { readonly beacon?: Beacon | undefined; readonly error?: unknown }> {
  const { recovery } = options
  const name = mailboxName(recovery.beaconName.publicKey)
  try {
    const { object } = await visitRelay({ ...options, address }, (client) => client.pinned(name))
    const beacon = object && openBeacon(object, recovery)
    const missing = object === undefined ? "nothing" : "other"
    return { address, found: beacon === undefined ? missing : "beacon", beacon }
  } catch (error) {
    if (isAbsent(error)) return { address, found: "nothing" }
    const code = errorCode(error)
    if (code === undefined) throw error
    return { address, found: "unreachable", code, error }
  }
}

/** Where the beacons say that the record lies, each place once. */
function mailboxesOf(beacons: readonly Beacon[]): readonly BeaconMailbox[] {
  return distinct(beacons.flatMap(({ mailboxes }) => mailboxes))
}

function distinct(mailboxes: readonly BeaconMailbox[]): readonly BeaconMailbox[] {
  const isSame = (a: BeaconMailbox, b: BeaconMailbox) =>
    a.relay === b.relay && equalBytes(a.seed, b.seed)
  return mailboxes.filter((one, at) => mailboxes.findIndex((two) => isSame(one, two)) === at)
}

/** @param into - Takes its spans. */
async function readMailbox(
  mailbox: BeaconMailbox,
  options: RecoveryOptions,
  into: FoundSpans,
): Promise<ReadMailbox> {
  const { relay: address } = mailbox
  let spans = 0
  const late = deadline(options.clock, options.signal, MAILBOX_MS_MAX)
  try {
    const limits = { ...options, signal: late.signal }
    await atMailbox(mailbox, limits, "read", (opened) =>
      readArchive(opened, into, (found) => {
        spans = found
      }),
    )
    return { address, spans }
  } catch (error) {
    options.signal.throwIfAborted()
    const code = late.signal.aborted ? "RELAY_TIMEOUT" : errorCode(error)
    if (code === undefined) throw error
    return { address, spans, code }
  } finally {
    late.done()
  }
}

/** Visits a mailbox of the record as the recovery words. */
function atMailbox<T>(
  { relay: address, seed }: BeaconMailbox,
  options: RecoveryOptions,
  right: "append" | "read",
  work: (opened: OpenMailbox) => Promise<T>,
): Promise<T> {
  const mailboxKey = signingKeyFromSeed(seed)
  const holder = options.recovery.writer
  return visitRelay({ ...options, address }, async (client: RelayClient) => {
    const capability = ownCapability({ ...options, mailboxKey, holder, right })
    return work(await client.open({ capability, mailbox: mailboxKey.publicKey, holder }))
  })
}
