/**
 * An open record: puts the parts together and keeps them in step. What each part does is in its own
 * file; here is who is told of what.
 *
 * - The ledger changes: relationships that are new are opened, carried spans are taken in, peers
 *   and relays are told, and what is due in shares is projected.
 * - A share changes: the same, for that share.
 *
 * @module
 */
import { type DeviceId, deviceIdSchema } from "@fulcrum/access/device"
import type { MemberDevice } from "@fulcrum/access/member-state"
import {
  type Membership as MembershipView,
  provisionalMembership,
} from "@fulcrum/access/membership"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { chainKeySchema, epochIdSchema, spaceTagSchema } from "@fulcrum/log/ids"
import { openReplica } from "@fulcrum/log/replica"
import { addressParts } from "@fulcrum/net/address"
import { type Channel, type Host, NetError } from "@fulcrum/net/contract"
import { documentId } from "@fulcrum/record/documents"
import { AGREEMENTS } from "@fulcrum/relations/agreements"
import type { Vault } from "@fulcrum/store/vault"
import { DeviceLinks } from "./device-links.ts"
import type { DeviceState } from "./device-state.ts"
import { listDevices, runPairing } from "./devices.ts"
import { Editing } from "./editing.ts"
import { EngineError, notYet } from "./engine-error.ts"
import { type Hints, readHints } from "./hints.ts"
import { Ledger, type LedgerChange } from "./ledger.ts"
import { Membership } from "./membership.ts"
import { changeMembership, followRemovals } from "./membership-writes.ts"
import { Moves } from "./moves.ts"
import type { PersonOptions } from "./open-person.ts"
import { PAIRING_PROTOCOL } from "./pairing-line.ts"
import type {
  BoardView,
  ConnectPreview,
  ConnectRequest,
  DeviceRow,
  EditResult,
  HistoryRow,
  ImportResult,
  MovePreview,
  MoveRequest,
  PairPrompts,
  PairResult,
  Person,
  PersonEvent,
  RelationshipRow,
  RelationshipView,
  RelayRow,
  StatusView,
  WhoHasRow,
} from "./person.ts"
import { PersonLinks } from "./person-links.ts"
import type { RecordRelayItem } from "./record-items.ts"
import { RelationshipViews } from "./relationship-views.ts"
import { type OpenRelationship, Relationships } from "./relationships.ts"
import { fetchPinned } from "./relay-visit.ts"
import { Signal } from "./signal.ts"
import type { PeerSpace } from "./sync-link.ts"
import { UndoLog } from "./undo-log.ts"

export interface PersonEngineOptions extends PersonOptions {
  readonly vault: Vault
  readonly device: DeviceState
}

interface Parts {
  readonly hints: Hints
  readonly ledger: Ledger
  readonly relationships: Relationships
}

export class PersonEngine implements Person {
  readonly device: { readonly id: string; readonly name: string }
  readonly #options: PersonEngineOptions
  readonly #hints: Hints
  readonly #ledger: Ledger
  readonly #relationships: Relationships
  readonly #editing: Editing
  readonly #moves: Moves
  readonly #views: RelationshipViews
  readonly #links: PersonLinks
  readonly #devices: DeviceLinks
  readonly #recordSpace: PeerSpace
  readonly #shareSpaces = new Map<string, PeerSpace>()
  readonly #listeners = new Set<(event: PersonEvent) => void>()
  readonly #changed = new Signal()
  readonly #alarms = new Set<"copied" | "removed">()
  #followUps: Promise<void> = Promise.resolve()
  #host: Host | undefined
  #addresses: readonly string[] = []
  #onPairing: ((channel: Channel) => void) | undefined
  #isClosed = false

  private constructor(options: PersonEngineOptions, parts: Parts) {
    const { vault, device, clock, random, network } = options
    const { ledger, relationships, hints } = parts
    this.#options = options
    this.#hints = hints
    this.#ledger = ledger
    this.#relationships = relationships
    this.device = { id: bytesToHex(device.id), name: device.name }
    const undoLog = new UndoLog(vault)
    this.#editing = new Editing({ ledger, relationships, undoLog })
    const { zone } = options
    this.#moves = new Moves({ ledger, relationships, undoLog, clock, random, zone })
    this.#views = new RelationshipViews(relationships, this.#moves)
    const writer = signingKeyFromSeed(device.writerSeed)
    this.#links = new PersonLinks({
      ledger,
      relationships,
      vault,
      network,
      clock,
      random,
      writer,
      devicesHold: (relationship) => this.#devicesHold(relationship),
      changed: () => this.#onShares(),
      relays: () => this.#recordRelays(),
    })
    this.#devices = new DeviceLinks({
      self: { id: deviceIdOf(device), writer },
      meetingKey: device.meetingKey,
      clock,
      random,
      membership: () => this.#whoBelongs(),
      addressesOf: (one) => this.#addressesOf(one),
      spaces: () => this.#spaces(),
      changed: () => this.#tell("devices"),
      alarm: (what) => {
        this.#alarms.add(what)
        this.#tell("devices")
      },
    })
    const { membership, record } = ledger
    this.#recordSpace = {
      tag: membership.tag,
      chainKey: membership.chainKey,
      log: record,
      admit: async (spans) => {
        await ledger.admit(spans)
      },
    }
    ledger.onChange((change) => this.#onLedger(change))
  }

  static async open(options: PersonEngineOptions): Promise<PersonEngine> {
    const { vault, device, random, clock, deflate, network } = options
    const membership = await Membership.open(vault, device)
    const writer = signingKeyFromSeed(device.writerSeed)
    const record = await openReplica({
      vault,
      keyring: membership,
      writer: { begin: () => ({ key: writer, certificate: new Uint8Array() }) },
      checkWriter: membership.checkWriter,
      random,
      deflate,
    })
    const { openDocuments } = options
    const ledger = await Ledger.open({ vault, record, membership, openDocuments })
    const relationships = await Relationships.open({
      ledger,
      vault,
      random,
      clock,
      deflate,
      fetchPinned: (relays, door) => fetchPinned({ network, clock }, relays, door),
      recoveryKey: () => recoveryKeyOf(membership),
    })
    const engine = new PersonEngine(options, {
      ledger,
      relationships,
      hints: await readHints(vault),
    })
    await engine.#followUp()
    return engine
  }

  importFile(bytes: Uint8Array): Promise<ImportResult> {
    return this.#editing.importFile(bytes)
  }

  exportRecord(options: {
    readonly format: "json" | "jscontact" | "vcard"
    readonly all: boolean
  }): Promise<string> {
    return this.#editing.exportRecord(options)
  }

  get(path?: string): Promise<JsonValue | undefined> {
    return this.#editing.get(path)
  }

  set(path: string, value: string): Promise<EditResult> {
    return this.#asMember(() => this.#editing.set(path, value))
  }

  unset(path: string): Promise<EditResult> {
    return this.#asMember(() => this.#editing.unset(path))
  }

  history(path?: string): Promise<readonly HistoryRow[]> {
    return this.#editing.history(path)
  }

  undo(): Promise<EditResult> {
    return this.#asMember(() => this.#editing.undo())
  }

  async relays(): Promise<readonly RelayRow[]> {
    const links = this.#links.record
    return Promise.all(
      this.#recordRelays().map(async ({ address }): Promise<RelayRow> => {
        const link = links.find((one) => one.address === address)
        if (link === undefined) return { address, state: "untried", pending: 0 }
        const pending = (await link.isBehind()) ? 1 : 0
        const { state } = link
        const isUp = state === "idle" || state === "working"
        return { address, pending, state: isUp ? "reachable" : state }
      }),
    )
  }

  async addRelay(address: string): Promise<void> {
    requireRelayAddress(address)
    if (this.#ledger.state.relays.some((relay) => relay.address === address)) return
    const mailboxSeed = this.#options.random.bytes(32)
    await this.#ledger.transact(async (step) => {
      step.add({ kind: "recordRelay", value: { address, mailboxSeed, removed: false } })
    })
  }

  async removeRelay(address: string): Promise<void> {
    const known = this.#ledger.state.relays.filter((relay) => relay.address === address)
    if (known.length === 0) {
      throw new EngineError("RELAY_UNKNOWN", "no such relay: see `relay list`")
    }
    await this.#ledger.transact(async (step) => {
      for (const { mailboxSeed } of known) {
        step.add({ kind: "recordRelay", value: { address, mailboxSeed, removed: true } })
      }
    })
  }

  async devices(): Promise<readonly DeviceRow[]> {
    return listDevices(this.#whoBelongs(), {
      self: this.#options.device.id,
      isConnected: (id) => this.#devices.isConnected(id),
      holdsAll: (id) => this.#spaces().every((space) => this.#devices.holds(id, space)),
    })
  }

  async revokeDevice(name: string): Promise<void> {
    const device = this.#ledger.membership.deviceNamed(name)
    if (equalBytes(device.id, this.#options.device.id)) {
      throw new EngineError("DEVICE_IS_THIS", "this is that device: remove it from another one")
    }
    await changeMembership(this.#writing(), ({ record }) => [
      { kind: "remove", value: { device: device.id, on: record.vector } },
    ])
    await this.#followUp()
  }

  async pair(prompts: PairPrompts, signal: AbortSignal): Promise<PairResult> {
    const host = await this.#ensureHost()
    this.#devices.open(host)
    this.#links.start()
    return runPairing({
      ...this.#options,
      discovery: this.#options.discovery,
      ledger: this.#ledger,
      addresses: this.#addresses,
      relays: this.#ledger.state.relays.map(({ address }) => address),
      serveDirect: (handler) => {
        this.#onPairing = handler
        return () => {
          this.#onPairing = undefined
        }
      },
      isConnected: (id) => this.#devices.isConnected(id),
      changed: this.#changed,
      relayed: (stop) => this.#links.settled(stop),
      prompts,
      signal,
    })
  }

  previewConnect(request: ConnectRequest): Promise<ConnectPreview> {
    return this.#relationships.previewConnect(request)
  }

  async connect(request: ConnectRequest): Promise<RelationshipRow> {
    const relationship = await this.#asMember(() => this.#relationships.connect(request))
    this.#links.refresh()
    return this.#views.row(relationship)
  }

  async waitForAgreement(wanted: string, timeoutMs: number): Promise<RelationshipRow> {
    const relationship = await this.#relationships.find(wanted)
    this.#links.start()
    const { clock } = this.#options
    const late = new AbortController()
    const waited = clock.sleep(timeoutMs, late.signal).then(
      () => late.abort(),
      () => undefined,
    )
    for (;;) {
      const row = await this.#views.row(relationship)
      if (row.state !== "proffered" || late.signal.aborted) {
        late.abort()
        await waited
        return row
      }
      await this.#changed.wait(late.signal)
    }
  }

  relationships(): Promise<readonly RelationshipRow[]> {
    return this.#views.rows()
  }

  async show(vendor: string): Promise<RelationshipView> {
    const relationship = await this.#relationships.find(vendor)
    const view = await this.#views.view(relationship)
    return { ...view, held: await this.#heldOf(relationship, view.vendor) }
  }

  async disclose(vendor: string, _paths: readonly string[]): Promise<RelationshipView> {
    await this.#relationships.find(vendor)
    throw notYet("disclosing more to a company that has agreed")
  }

  whoHas(path: string): Promise<readonly WhoHasRow[]> {
    return this.#views.whoHas(path)
  }

  async terms(): Promise<readonly { id: string; iri: string; summary: string }[]> {
    return AGREEMENTS.map(({ id, iri, summary }) => ({ id, iri, summary }))
  }

  planMove(request: MoveRequest): Promise<MovePreview> {
    return this.#moves.plan(request)
  }

  move(request: MoveRequest): Promise<BoardView> {
    return this.#asMember(() => this.#moves.move(request))
  }

  board(move?: string): Promise<BoardView | undefined> {
    return this.#moves.board(move)
  }

  async status(): Promise<StatusView> {
    const { record, quarantined, documents } = this.#ledger
    const { vector, digest } = record
    const names = ["card", "identities", "payments", "things", "preferences"] as const
    const used = await this.#ledger.still(async () => {
      const heads = await Promise.all(names.map((name) => documents.heads(documentId(name))))
      return heads.filter(({ length }) => length > 0).length
    })
    return {
      device: this.device.name,
      documents: used + this.#relationships.all.length,
      entries: vector.reduce((sum, { sequence }) => sum + sequence, 0),
      vector: bytesToHex(digest).slice(0, 16),
      relays: await this.relays(),
      devices: await this.devices(),
      relationships: this.#relationships.all.length,
      held: await this.#held(),
      quarantined,
      forks: record.forkCount,
    }
  }

  async start(options: { readonly listen: readonly string[] }): Promise<readonly string[]> {
    const host = await this.#ensureHost()
    this.#addresses = options.listen.length === 0 ? [] : await host.listen(options.listen)
    this.#devices.open(host)
    this.#links.start()
    await this.#writeAddresses()
    return this.#addresses
  }

  async settle(timeoutMs: number): Promise<readonly string[]> {
    const late = new AbortController()
    const { clock } = this.#options
    const timer = clock.sleep(timeoutMs, late.signal).then(
      () => late.abort(),
      () => undefined,
    )
    if (this.#host === undefined) this.#devices.open(await this.#ensureHost())
    this.#links.start()
    await this.#quiet(late.signal)
    late.abort()
    await timer
    return this.#held()
  }

  async doctor(): Promise<readonly { check: string; ok: boolean; detail: string }[]> {
    const { record, quarantined, membership } = this.#ledger
    const copies = record.tree.branchings().length
    const isMember = !membership.isRemoved(this.#options.device.id)
    return [
      { check: "store", ok: true, detail: "every record was counted when it was opened" },
      { check: "membership", ok: isMember, detail: isMember ? "this device belongs" : "removed" },
      { check: "copies", ok: copies === 0, detail: `${copies} places where a folder was copied` },
      {
        check: "forks",
        ok: record.forkCount === 0,
        detail: `${record.forkCount} forks kept as proof`,
      },
      { check: "quarantine", ok: quarantined === 0, detail: `${quarantined} entries not applied` },
      {
        check: "waiting",
        ok: record.waitingCount === 0,
        detail: `${record.waitingCount} spans wait`,
      },
    ]
  }

  onChange(listener: (event: PersonEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#links.close()
    await this.#devices.close()
    await this.#host?.close()
    await this.#followUps
    await this.#ledger.close()
    await this.#options.vault.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #writing(): { readonly ledger: Ledger; readonly random: PersonOptions["random"] } {
    return { ledger: this.#ledger, random: this.#options.random }
  }

  #asMember<T>(work: () => Promise<T>): Promise<T> {
    if (this.#ledger.membership.isRemoved(this.#options.device.id)) {
      throw new EngineError("DEVICE_REMOVED", "this device was removed from the record")
    }
    return work()
  }

  /** The members; before the log is here, those that the pairing package named. */
  #whoBelongs(): MembershipView {
    const { view } = this.#ledger.membership
    if (view.devices.length > 0) return view
    const genesis = epochIdSchema.decode(this.#options.device.genesis)
    return provisionalMembership(this.#hints.members, genesis)
  }

  #addressesOf({ id }: MemberDevice): readonly string[] {
    return this.#ledger.state.addresses.get(bytesToHex(id)) ?? this.#hints.addresses
  }

  /** Where the record lies; before the log is here, as the pairing package said. */
  #recordRelays(): readonly RecordRelayItem[] {
    const { relays } = this.#ledger.state
    if (relays.length > 0) return relays
    return this.#hints.mailboxes.flatMap(({ relays: addresses, seed: mailboxSeed }) =>
      addresses.map((address) => ({ address, mailboxSeed, removed: false })),
    )
  }

  #spaces(): readonly PeerSpace[] {
    const shares = this.#relationships.all.map((relationship) => this.#shareSpace(relationship))
    return [this.#recordSpace, ...shares]
  }

  #shareSpace(relationship: OpenRelationship): PeerSpace {
    const known = this.#shareSpaces.get(relationship.id)
    if (known !== undefined) return known
    const { item } = relationship.secrets
    const space: PeerSpace = {
      tag: spaceTagSchema.decode(item.spaceTag),
      chainKey: chainKeySchema.decode(item.chainKey),
      log: relationship.space.replica,
      admit: async (spans) => {
        await this.#relationships.admit(relationship, spans)
        this.#onShares()
      },
    }
    this.#shareSpaces.set(relationship.id, space)
    return space
  }

  /** Whether every other own device is known to hold all of a share. */
  #devicesHold(relationship: OpenRelationship): boolean {
    const space = this.#shareSpace(relationship)
    const { device } = this.#options
    return this.#ledger.membership.view.devices.every(
      ({ id }) => equalBytes(id, device.id) || this.#devices.holds(id, space),
    )
  }

  async #ensureHost(): Promise<Host> {
    if (this.#host !== undefined) return this.#host
    const host = await this.#options.network.host()
    host.handle(PAIRING_PROTOCOL, (channel) => {
      if (this.#onPairing === undefined) return channel.close()
      return this.#onPairing(channel)
    })
    this.#host = host
    return host
  }

  #onLedger(change: LedgerChange): void {
    this.#devices.local(this.#recordSpace)
    this.#links.refresh()
    if (change.documents.size > 0) this.#tell("record")
    if (change.items.length > 0) this.#tell("board")
    if (change.membership) this.#tell("devices")
    const isNewsForShares = change.items.some(({ kind }) => kind === "relationship")
    if (change.local && !isNewsForShares && !change.membership) {
      // A local step has projected already; its shares' entries are told to peers.
      for (const space of this.#shareSpaces.values()) this.#devices.local(space)
      return
    }
    const carried = change.local
      ? []
      : change.items.flatMap((item) => (item.kind === "carried" ? [item.value] : []))
    void this.#schedule(async () => {
      await this.#followUp()
      for (const { relationship, spans } of carried) {
        const known = this.#relationships.get(bytesToHex(relationship))
        if (known !== undefined) await this.#relationships.admit(known, spans)
      }
      this.#onShares()
    })
  }

  /** Something was added to a share. */
  #onShares(): void {
    for (const relationship of this.#relationships.all) {
      this.#devices.local(this.#shareSpace(relationship))
    }
    this.#links.refresh()
    this.#tell("relationships")
    this.#tell("board")
  }

  /** One after another; what fails is the store, and shows at the next write too. */
  #schedule(work: () => Promise<void>): Promise<void> {
    this.#followUps = this.#followUps.then(async () => {
      if (!this.#isClosed) await work()
    })
    this.#followUps.catch(() => undefined)
    return this.#followUps
  }

  /** What the record's news makes due; writes nothing if nothing is. */
  async #followUp(): Promise<void> {
    await this.#relationships.openNew()
    if (this.#ledger.membership.isRemoved(this.#options.device.id)) return
    if (this.#ledger.membership.view.devices.length === 0) return
    const { random } = this.#options
    const [ledger, relationships] = [this.#ledger, this.#relationships]
    await followRemovals({ ledger, relationships, random })
    await relationships.catchUp()
    await this.#writeAddresses()
    this.#devices.refresh()
  }

  /** Where this device listens now, if the record says otherwise. Transport ids are left out. */
  async #writeAddresses(): Promise<void> {
    if (this.#addresses.length === 0 || this.#ledger.membership.current === undefined) return
    const addresses = this.#addresses.map((one) => one.replace(/\/p2p\/[^/]+$/, ""))
    const { id: device } = this.#options.device
    const known = this.#ledger.state.addresses.get(this.device.id) ?? []
    if (known.join(" ") === addresses.join(" ")) return
    await this.#ledger.transact(async (step) => {
      step.add({ kind: "addresses", value: { device, addresses } })
    })
  }

  /** Until nothing moves any more, or `signal` fires. */
  async #quiet(signal: AbortSignal): Promise<void> {
    let before: string | undefined
    while (!signal.aborted) {
      await Promise.all([this.#links.settled(signal), this.#devices.settled(signal)])
      await this.#followUps
      const held = (await this.#held()).join("\n")
      const now = `${bytesToHex(this.#ledger.record.digest)}\n${held}`
      if (held === "" && now === before) return
      if (now === before) return
      before = now
    }
  }

  /** What is here and nowhere else that it should be: one line each. */
  async #held(): Promise<readonly string[]> {
    const held: string[] = []
    for (const { address, state, pending } of await this.relays()) {
      const unknown = state === "untried" || pending > 0
      if (unknown) held.push(`the record: not all of it is on ${address} (${state})`)
    }
    for (const relationship of this.#relationships.all) {
      const { name } = await this.#relationships.document(relationship.id)
      held.push(...(await this.#heldOf(relationship, name)))
    }
    return held
  }

  async #heldOf(relationship: OpenRelationship, vendor: string): Promise<readonly string[]> {
    const links = this.#links.of(relationship.id)
    const code = links.find((link) => link.code !== undefined)?.code
    const why = code === undefined ? "" : ` (${code})`
    if (await this.#links.isKnockDue(relationship)) return [`${vendor}: the connect message${why}`]
    const behind = await Promise.all(links.map((link) => link.isBehind()))
    return behind.some(Boolean) ? [`${vendor}: entries that are not relayed yet${why}`] : []
  }

  #tell(event: PersonEvent): void {
    this.#changed.notify()
    for (const listener of this.#listeners) listener(event)
  }
}

function deviceIdOf({ id }: DeviceState): DeviceId {
  return deviceIdSchema.decode(id)
}

function recoveryKeyOf({ view }: Membership): Uint8Array {
  const { recovery } = view
  if (recovery === undefined) throw new TypeError("a record without a recovery key")
  return recovery.wrap
}

/** @throws {EngineError} `RELAY_ADDRESS_INVALID`. */
function requireRelayAddress(address: string): void {
  try {
    if (addressParts(address).peerId !== undefined) return
  } catch (error) {
    if (!(error instanceof NetError)) throw error
  }
  const message = "a relay's address ends in /p2p/ and its id, as `fulcrum-relay up` prints it"
  throw new EngineError("RELAY_ADDRESS_INVALID", message)
}
