/**
 * The program of one device, or of whoever has the recovery words: its record without documents, as
 * `engine` opens it, and what its person does to it.
 *
 * @module
 */
import { type DeviceCertificate, deviceIdSchema } from "@fulcrum/access/device"
import type { KnownEpoch, MembershipChange } from "@fulcrum/access/key-body"
import {
  type Membership as MembershipView,
  provisionalMembership,
} from "@fulcrum/access/membership"
import { makeKeySpanParts } from "@fulcrum/access/rotation"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { type DeviceState, readDeviceState } from "@fulcrum/engine/device-state"
import type { Ledger } from "@fulcrum/engine/ledger"
import type { EpochSecret, Membership } from "@fulcrum/engine/membership"
import { changeMembership, followRemovals } from "@fulcrum/engine/membership-writes"
import { meet } from "@fulcrum/engine/own-meeting"
import { openOwnRecord } from "@fulcrum/engine/own-record"
import type { Relationships } from "@fulcrum/engine/relationships"
import { type PeerSpace, SyncLink } from "@fulcrum/engine/sync-link"
import { systemDeflate } from "@fulcrum/log/deflate"
import { epochIdSchema, epochKeySchema } from "@fulcrum/log/ids"
import { LogError } from "@fulcrum/log/log-error"
import type { AdmitResult, Replica } from "@fulcrum/log/replica"
import { type Channel, type Host, NetError } from "@fulcrum/net/contract"
import { StoreError } from "@fulcrum/store"
import { openVault, type Vault } from "@fulcrum/store/vault"
import type { Life } from "./life.ts"
import type { Machine } from "./machine.ts"
import { describeView, type MemberChecks } from "./member-checks.ts"
import type { MemberHistory, Someone } from "./member-history.ts"
import { keySpanRandom } from "./member-keys.ts"
import { noDocuments } from "./no-documents.ts"

const PROTOCOL = "/fulcrum/sim/members/1"
export const VAULT_KEY: Uint8Array = new Uint8Array(32).fill(9)
/** Longest that a dial may take, and one exchange. */
const DIAL_MS = 5_000
const EXCHANGE_MS = 60_000

const ROTATE: MembershipChange = { kind: "rotate", value: {} }

/** What a new device is given of keys and members. */
export interface Given {
  readonly epochs: readonly KnownEpoch[]
  readonly members: readonly DeviceCertificate[]
}

export interface MemberParts {
  readonly machine: Machine
  readonly by: Someone
  /** Whom its pairing package names. */
  readonly members: readonly DeviceCertificate[]
  readonly history: MemberHistory
  readonly checks: MemberChecks
}

export class MemberProgram {
  readonly name: string
  readonly by: Someone
  readonly ledger: Ledger
  /** Resolves once this start is over: what it does then never ends. */
  readonly over: Promise<void>
  readonly #parts: MemberParts
  readonly #life: Life
  readonly #vault: Vault
  readonly #state: DeviceState
  readonly #relationships: Relationships
  readonly #space: PeerSpace
  readonly #links = new Set<SyncLink>()
  #host: Host | undefined
  #isLie = false
  #followUps: Promise<void> = Promise.resolve()

  private constructor(
    parts: MemberParts,
    opened: {
      readonly life: Life
      readonly vault: Vault
      readonly state: DeviceState
      readonly ledger: Ledger
      readonly relationships: Relationships
    },
  ) {
    const { ledger } = opened
    this.name = parts.machine.name
    this.by = parts.by
    this.ledger = ledger
    this.#parts = parts
    this.#life = opened.life
    this.over = new Promise((resolve) => {
      opened.life.signal.addEventListener("abort", () => resolve(), { once: true })
    })
    this.#vault = opened.vault
    this.#state = opened.state
    this.#relationships = opened.relationships
    const { record, membership } = ledger
    const { tag, chainKey } = membership
    const admit = async (spans: readonly Uint8Array[]) => void (await this.admit(spans))
    this.#space = { tag, chainKey, log: record, admit }
    parts.history.watch({
      ...{ record, membership, by: parts.by },
      isLie: () => this.#isLie,
      made: (entries) => parts.checks.made(entries),
      durable: (entries, spans) => {
        parts.checks.acknowledged(this, entries)
        parts.checks.sealed(spans)
      },
    })
    ledger.onChange(({ membership: hasChanged }) => {
      for (const link of this.#links) link.local(this.#space)
      if (hasChanged) void this.followUp()
    })
  }

  /** Starts the program on a machine that does not run and whose disk has a device. */
  static async start(parts: MemberParts): Promise<MemberProgram> {
    const { machine } = parts
    const life = machine.start()
    const random = life.random.fork("log")
    const store = await machine.openStore(life)
    const vault = await openVault({ store, key: VAULT_KEY, random })
    const state = await readDeviceState(vault)
    if (state === undefined) throw new TypeError("a machine without a device")
    const opened = await openOwnRecord({
      ...{ vault, device: state, random, clock: life.clock, deflate: systemDeflate() },
      openDocuments: async () => noDocuments(),
    })
    return new MemberProgram(parts, { life, vault, state, ...opened })
  }

  get log(): Replica {
    return this.ledger.record
  }

  get membership(): Membership {
    return this.ledger.membership
  }

  get view(): MembershipView {
    return this.ledger.membership.view
  }

  /** Whether it may write for its person, as far as it knows: as a device, or as the words. */
  get isMember(): boolean {
    const { membership, view } = this
    if (this.isWords) {
      return view.recovery !== undefined && bytesToHex(view.recovery.writer) === this.by.writer
    }
    return membership.hasJoined && !membership.isRemoved(this.#state.id)
  }

  /** How it stands, in a few lines. */
  get standing(): string {
    const { ledger, log, view } = this
    const waits = `${log.waitingCount} spans wait, ${ledger.quarantine.count} entries are out`
    return `${bytesToHex(log.digest).slice(0, 8)}, ${waits}; ${describeView(view)}`
  }

  /** Entries in its log. */
  get entryCount(): number {
    return [...this.log.tree.nodes()].reduce((sum, node) => sum + node.sequence - node.first + 1, 0)
  }

  get isWords(): boolean {
    return this.by.isWords
  }

  /** Listens, and does what is due since it ran last. */
  async begin(): Promise<void> {
    const host = await this.#life.network.host()
    host.handle(PROTOCOL, (channel) => this.#serve(channel))
    await host.listen([addressOf(this.name)])
    this.#parts.checks.isAt(host.id, this)
    this.#host = host
    await this.followUp()
  }

  /** Writes an entry for each of these names, one after another. */
  async write(names: readonly Uint8Array[]): Promise<void> {
    for (const epoch of names) {
      await this.#tries(async () => {
        await this.followUp()
        if (!this.isMember || this.isWords) return
        await this.ledger.transact(async (step) => {
          step.add({ kind: "removalDone", value: { epoch } })
        })
      })
    }
  }

  /**
   * Changes who belongs. Nothing is done if it is no member, or there is nothing to change.
   *
   * @returns What a new device is given then; `undefined`: it did not happen, or nobody knows.
   */
  async change(
    changes: (view: MembershipView, ledger: Ledger) => readonly MembershipChange[],
  ): Promise<Given | undefined> {
    let given: Given | undefined
    await this.#tries(async () => {
      await this.ledger.mend()
      if (!this.isMember || changes(this.view, this.ledger).length === 0) return
      let made: readonly MembershipChange[] = []
      const author = this.isWords ? ("recovery" as const) : ("device" as const)
      const random = this.#keySpanRandom()
      await changeMembership(
        { ledger: this.ledger, random, author },
        (ledger) => {
          made = this.isMember ? changes(ledger.membership.view, ledger) : []
          if (made.length === 0) made = [ROTATE]
          return made
        },
        (_, epoch) => {
          given = this.#given(made, epoch)
        },
      )
    })
    return given
  }

  /** Announces an epoch whose wraps are not what they should be. */
  async lie(change: (clear: Uint8Array) => Uint8Array): Promise<void> {
    await this.#tries(async () => {
      if (!this.isMember || this.isWords) return
      const random = this.#keySpanRandom()
      await this.ledger.transact(async (step) => {
        const { membership, record } = this.ledger
        const epochKey = epochKeySchema.decode(random.bytes(32))
        const parts = makeKeySpanParts({
          membership: membership.view,
          changes: [ROTATE],
          epochKey,
          previousKeys: membership.headKeys,
          random,
        })
        const clear = change(parts.clear)
        this.#isLie = true
        const staged = record.stageKey({ epoch: { key: epochKey }, ...parts, clear })
        this.#isLie = false
        membership.expect(staged.epochId, epochKey)
        step.join(record, staged)
      })
    })
  }

  /** Takes what a device gets when it pairs, or pairs again. */
  async take({ epochs }: Given): Promise<void> {
    await this.#tries(async () => {
      await this.#vault.write(this.membership.putEpochs(epochs))
      await this.membership.refresh()
      await this.ledger.admit([])
    })
  }

  /** What removals make due, as the product does it: whenever membership changes, and before a write. */
  followUp(): Promise<void> {
    const work = async () => {
      if (!this.isMember || this.isWords || this.#life.isOver) return
      const random = this.#keySpanRandom()
      const { ledger } = this
      const { clock } = this.#life
      const relationships = this.#relationships
      await followRemovals({ ledger, relationships, random, clock, vault: this.#vault })
    }
    this.#followUps = this.#followUps.then(() => this.#tries(work))
    return this.#followUps
  }

  /** Rotates if that is due and no device can: as whoever recovers the record does. */
  async settle(): Promise<void> {
    await this.change(({ current, concurrent }) =>
      concurrent || current === undefined ? [ROTATE] : [],
    )
  }

  /** Takes spans; durable when it resolves. */
  async admit(spans: readonly Uint8Array[]): Promise<readonly AdmitResult[]> {
    const results = await this.ledger.admit(spans)
    this.#parts.checks.admitted(this, results)
    return results
  }

  /** All that is here and another lacks, to be brought to it. */
  async allFor(other: MemberProgram): Promise<readonly Uint8Array[]> {
    const { spans } = await this.ledger.record.spansAfter(other.ledger.record.vector, {
      bytesMax: 8 * 1024 * 1024,
    })
    return spans
  }

  /** Meets another device and exchanges with it, until both have the same or the line breaks. */
  async exchange(peer: string): Promise<void> {
    const host = this.#host
    if (host === undefined) return
    const { clock } = this.#life
    const late = new AbortController()
    const stop = new AbortController()
    void clock.sleep(DIAL_MS, stop.signal).then(
      () => late.abort(),
      () => undefined,
    )
    try {
      await this.#serve(await host.dial(addressOf(peer), PROTOCOL, { signal: late.signal }))
    } catch (error) {
      if (!(error instanceof NetError)) throw error
    } finally {
      stop.abort()
    }
  }

  /** Merges what is due of its log, once. */
  merge(): Promise<void> {
    return this.#tries(async () => {
      const merged = await this.ledger.record.merging.merge()
      if (merged) this.#parts.history.spans.push(merged.bytes)
    })
  }

  async stop(): Promise<void> {
    await this.#followUps
    await this.#tries(() => this.ledger.close())
    await this.#vault.close()
  }

  threw(error: unknown): void {
    this.#parts.checks.threw(this.name, error)
  }

  /** For one key span, if there is to be one. */
  #keySpanRandom(): Random {
    let random: Random | undefined
    return {
      bytes: (length) => {
        random ??= keySpanRandom(this.#parts.history.nextKeySpan())
        return random.bytes(length)
      },
    }
  }

  #given(changes: readonly MembershipChange[], epoch: EpochSecret): Given {
    const added = changes.flatMap((change) =>
      change.kind === "add" ? [change.value.certificate] : [],
    )
    const { epochs, certificates } = this.membership
    return { epochs: [...epochs, epoch], members: [...certificates, ...added] }
  }

  /** The disk may refuse, and there may be no epoch to write under for a moment. */
  async #tries(work: () => Promise<void>): Promise<void> {
    try {
      await Promise.race([work(), this.over])
    } catch (error) {
      if (error instanceof LogError && error.code === "LOG_NO_EPOCH") return
      if (!(error instanceof StoreError)) this.threw(error)
    }
  }

  get #members(): MembershipView {
    const { view } = this
    if (view.devices.length > 0) return view
    return provisionalMembership(this.#parts.members, epochIdSchema.decode(this.#state.genesis))
  }

  async #serve(channel: Channel): Promise<void> {
    const host = this.#host
    if (host === undefined) return
    const { clock } = this.#life
    const { id, writerSeed, meetingKey } = this.#state
    const met = await meet(
      channel,
      {
        self: { id: deviceIdSchema.decode(id), writer: signingKeyFromSeed(writerSeed) },
        ...{ meetingKey, localTransport: host.publicKey, membership: this.#members },
        noticeFor: () => undefined,
      },
      clock,
    )
    if (met.kind !== "met") return
    const done = new AbortController()
    const link = new SyncLink({
      channel,
      spaces: [this.#space],
      clock,
      peerHas: (_, vector) => {
        const { record } = this.ledger
        this.#parts.checks.claimed(this, channel.remoteId, vector)
        const isAll = vector.every(({ incarnation, sequence }) =>
          record.tree.covers(record.vector, incarnation, sequence),
        )
        const covered = record.tree.coveredBy(vector)
        const hasAll = record.vector.every(
          ({ incarnation, sequence }) => (covered.get(bytesToHex(incarnation)) ?? 0) >= sequence,
        )
        if (isAll && hasAll && channel.outbound) done.abort()
      },
      broke: (error) => this.threw(error),
    })
    void clock.sleep(EXCHANGE_MS, done.signal).then(
      () => done.abort(),
      () => undefined,
    )
    this.#links.add(link)
    try {
      const failure = await link.run(done.signal)
      if (failure !== undefined) this.#parts.checks.sessionFailed(this.name, failure)
    } finally {
      this.#links.delete(link)
      done.abort()
    }
  }
}

function addressOf(name: string): string {
  return `/memory/${name}`
}
