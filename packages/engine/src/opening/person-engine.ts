import { entropyFromRecoveryWords, recoveryKeysFromEntropy } from "@fulcrum/access/recovery-words"
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import { AGREEMENTS } from "@fulcrum/relations/agreements"
import type { Vault } from "@fulcrum/store/vault"
import { DeviceChanges } from "../actions/device-changes.ts"
import { Editing } from "../actions/editing.ts"
import { Moves } from "../actions/moves.ts"
import { RelationshipViews } from "../actions/relationship-views.ts"
import { SetAside } from "../actions/set-aside.ts"
import { UndoLog } from "../actions/undo-log.ts"
import { Attachments } from "../attachments/attachments.ts"
import { EngineError, invitationUsed, notYet } from "../failures/engine-error.ts"
import { type Hints, readHints } from "../ledger/hints.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import { underEpoch } from "../ledger/under-epoch.ts"
import { addedSeed, leave } from "../mailboxes/record-mailboxes.ts"
import { requireRelayAddress } from "../mailboxes/relay-address.ts"
import { fetchPinned } from "../mailboxes/relay-visit.ts"
import { type DeviceState, removedUnder } from "../membership/device-state.ts"
import type {
  BoardView,
  ConnectPreview,
  ConnectRequest,
  DeviceRename,
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
  RevokePlan,
  StatusView,
  WhoHasRow,
} from "../person/person.ts"
import { personStatus } from "../person/person-status.ts"
import { Recovery } from "../recovery/recovery.ts"
import { keepSpare, type SpareKeeper } from "../recovery/spare.ts"
import { Connecting } from "../relationships/connecting.ts"
import { openOwnRecord } from "../relationships/own-record.ts"
import type { Relationships } from "../relationships/relationships.ts"
import { duesOf, isAnyDue } from "../relationships/removal-dues.ts"
import { decide } from "../relationships/share-rotation.ts"
import { Signal } from "../waiting/signal.ts"
import { Underway } from "../waiting/underway.ts"
import type { PersonOptions } from "./open-person.ts"
import { type Check, checkPerson } from "./person-checks.ts"
import { PersonNetwork } from "./person-network.ts"

export interface PersonEngineOptions extends PersonOptions {
  readonly vault: Vault
  readonly device: DeviceState
}

interface Parts {
  readonly underway: Underway
  readonly hints: Hints
  readonly ledger: Ledger
  readonly relationships: Relationships
  readonly removedUnder: Uint8Array | undefined
}

export class PersonEngine implements Person {
  readonly attachments: Attachments
  readonly aside: SetAside
  readonly recovery: Recovery
  readonly #options: PersonEngineOptions
  readonly #ledger: Ledger
  readonly #relationships: Relationships
  readonly #connecting: Connecting
  readonly #editing: Editing
  readonly #moves: Moves
  readonly #views: RelationshipViews
  readonly #network: PersonNetwork
  readonly #deviceChanges: DeviceChanges
  readonly #spare: SpareKeeper | undefined
  readonly #listeners = new Set<(event: PersonEvent) => void>()
  readonly #changed = new Signal()
  readonly #underway: Underway
  #closing: Promise<void> | undefined

  private constructor(options: PersonEngineOptions, parts: Parts) {
    const { vault, device, clock, random, zone } = options
    const { ledger, relationships } = parts
    this.#underway = parts.underway
    this.#options = options
    this.#ledger = ledger
    this.#relationships = relationships
    const [undoLog, { signal }] = [new UndoLog(vault), parts.underway]
    this.#editing = new Editing({ ledger, relationships, undoLog, clock, signal })
    this.#moves = new Moves({ ledger, relationships, undoLog, clock, random, zone })
    const { deflate, network } = options
    this.#connecting = new Connecting({
      ...{ relationships, ledger, vault, random, clock, deflate },
      fetchPinned: (relays, door) => fetchPinned({ network, clock, signal }, relays, door),
      recoveryKey: () => ledger.membership.recoveryKey,
    })
    this.aside = new SetAside({
      ...{ ledger, editing: this.#editing },
      asMember: (work) => this.#asMember(work),
    })
    this.#spare = keepSpare(options, parts)
    this.attachments = new Attachments({
      ...{ blobs: options.blobs, ledger, device: device.id, clock, random },
      underway: parts.underway,
      peers: () => this.#network.peers,
      record: this.#editing,
      asMember: (work) => this.#asMember(work),
    })
    this.recovery = new Recovery({
      ...{ ...options, ...parts },
      exported: (format) => this.#editing.exportRecord({ format, all: true }),
      attachments: () => this.attachments.whole(),
      mayWrite: () => !this.isAwaited && !this.isRemoved,
      asMember: (work) => this.#asMember(work),
    })
    this.#views = new RelationshipViews(relationships, this.#moves, this.#editing)
    this.#network = new PersonNetwork({
      ...options,
      ...parts,
      attachments: this.attachments,
      beacons: this.recovery.keeper,
      words: this.recovery,
      changed: this.#changed,
      tell: (event) => this.#tell(event),
    })
    this.#deviceChanges = new DeviceChanges({
      ...{ ledger, relationships, random, self: device.id, attachments: this.attachments },
      ...{ clock: options.clock, vault: options.vault },
      followUp: () => this.#network.followUp(),
      rows: () => this.devices(),
    })
  }

  static async open(options: PersonEngineOptions): Promise<PersonEngine> {
    const { vault } = options
    const underway = new Underway()
    const { ledger, relationships } = await openOwnRecord(options)
    try {
      const engine = new PersonEngine(options, {
        underway,
        ledger,
        relationships,
        hints: await readHints(vault),
        removedUnder: await removedUnder(vault),
      })
      await engine.#network.begin()
      await engine.#spare?.keep()
      await engine.attachments.tidy({ isFirst: true })
      return engine
    } catch (error) {
      await ledger.close()
      throw error
    }
  }

  get device(): { readonly id: string; readonly name: string } {
    const { id, name } = this.#options.device
    return { id: bytesToHex(id), name: this.#ledger.membership.nameOf(id) ?? name }
  }

  get isAwaited(): boolean {
    return !this.#ledger.membership.hasJoined
  }

  isShown(path: string): boolean {
    return this.#editing.isShown(path)
  }

  get isRemoved(): boolean {
    const isTold = this.#network.alarms.removed
    return isTold || this.#ledger.membership.isRemoved(this.#options.device.id)
  }

  get isCopied(): boolean {
    return this.#network.alarms.copied
  }

  importFile(bytes: Uint8Array): Promise<ImportResult> {
    return this.#inOneStep(() => this.#editing.importFile(bytes))
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
    return this.#inOneStep(() => this.#editing.set(path, value))
  }

  unset(path: string): Promise<EditResult> {
    return this.#inOneStep(() => this.#editing.unset(path))
  }

  history(path?: string): Promise<readonly HistoryRow[]> {
    return this.#editing.history(path)
  }

  undo(): Promise<EditResult> {
    return this.#inOneStep(() => this.#editing.undo())
  }

  relays(): Promise<readonly RelayRow[]> {
    return this.#network.relays()
  }

  async addRelay(address: string): Promise<void> {
    requireRelayAddress(address)
    await this.#edit(async (step) => {
      if (this.#ledger.state.relays.some((relay) => relay.address === address)) return
      const mailboxSeed = addedSeed(this.#ledger, address, this.#options.random)
      step.add({ kind: "recordRelay", value: { address, mailboxSeed, removed: false } })
    })
    // One mailbox on each relay: it may have another at an address that was known before.
    await this.#network.followUp()
  }

  async removeRelay(address: string): Promise<void> {
    await this.#edit(async (step) => {
      const known = this.#ledger.state.relays.filter((relay) => relay.address === address)
      if (known.length === 0) throw new EngineError("RELAY_UNKNOWN", "no such relay")
      for (const place of known) leave(step, this.#options.vault, place)
    })
  }

  devices(): Promise<readonly DeviceRow[]> {
    return this.#network.devices()
  }

  revokeDevice(name: string): Promise<void> {
    return this.#asMember(() => this.#deviceChanges.revoke(name))
  }

  renameDevice(name: string, newName: string): Promise<DeviceRename> {
    return this.#asMember(() => this.#deviceChanges.rename(name, newName))
  }

  planRevoke(name: string): Promise<RevokePlan> {
    return this.#asMember(() => this.#deviceChanges.planRevoke(name))
  }

  pair(prompts: PairPrompts, signal: AbortSignal): Promise<PairResult> {
    return this.#underway.run(() => this.#asMember(() => this.#network.pair(prompts, signal)))
  }

  previewConnect(request: ConnectRequest): Promise<ConnectPreview> {
    return this.#underway.run(async () => {
      this.#requireNotRemoved()
      return await this.#connecting.preview(request)
    })
  }

  connect(request: ConnectRequest): Promise<RelationshipRow> {
    return this.#underway.run(async () => {
      const relationship = await this.#asMember(() => this.#connecting.connect(request))
      this.#network.refresh()
      return this.#views.row(relationship)
    })
  }

  waitForAgreement(wanted: string, timeoutMs: number): Promise<RelationshipRow> {
    return this.#underway.run((stopped) => this.#waitForAgreement(wanted, timeoutMs, stopped))
  }

  async #waitForAgreement(
    wanted: string,
    timeoutMs: number,
    stopped: AbortSignal,
  ): Promise<RelationshipRow> {
    const relationship = await this.#relationships.find(wanted)
    this.#network.connect()
    const late = new AbortController()
    const signal = AbortSignal.any([late.signal, stopped])
    const waited = this.#options.clock.sleep(timeoutMs, signal).then(
      () => late.abort(),
      () => undefined,
    )
    for (;;) {
      const changed = this.#changed.wait(signal)
      const row = await this.#views.row(relationship)
      if (row.state !== "proffered" || signal.aborted) {
        late.abort()
        await waited
        if (row.refusedBy === "relay") throw invitationUsed()
        return row
      }
      await changed
    }
  }

  relationships(): Promise<readonly RelationshipRow[]> {
    return this.#views.rows()
  }

  async show(vendor: string): Promise<RelationshipView> {
    const relationship = await this.#relationships.find(vendor)
    const view = await this.#views.view(relationship)
    return { ...view, held: await this.#network.heldOf(relationship, view.vendor) }
  }

  unfreeze(vendor: string, words: string): Promise<RelationshipRow> {
    return this.#asMember(async () => {
      const { wrap: wrapKey } = recoveryKeysFromEntropy(entropyFromRecoveryWords(words))
      // Devices that removed another at once make one key of theirs first.
      await this.#network.followUp()
      const relationship = await this.#relationships.find(vendor)
      const { random } = this.#options
      const rotated = { ledger: this.#ledger, random, relationship, wrapKey }
      await this.#ledger.transact(async (step) => decide(step, rotated))
      this.#network.refresh()
      return this.#views.row(relationship)
    })
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

  async planMove(request: MoveRequest): Promise<MovePreview> {
    this.#requireNotRemoved()
    return this.#editing.whenHere(() => this.#moves.plan(request))
  }

  move(request: MoveRequest): Promise<BoardView> {
    return this.#asMember(() => this.#editing.whenHere(() => this.#moves.move(request)))
  }

  board(move?: string): Promise<BoardView | undefined> {
    return this.#moves.board(move)
  }

  async status(): Promise<StatusView> {
    return personStatus(this.#ledger, {
      device: this.device.name,
      removed: this.isRemoved,
      copied: this.isCopied,
      relays: await this.relays(),
      devices: await this.devices(),
      singleCopies: await this.attachments.single(),
      frozen: await this.#views.frozen(),
      held: await this.#network.held(),
      aside: (await this.aside.list()).length,
    })
  }

  start(options: { readonly listen: readonly string[] }): Promise<readonly string[]> {
    return this.#underway.run(() => this.#network.start(options))
  }

  settle(timeoutMs: number): Promise<readonly string[]> {
    return this.#underway.run(() => this.#network.settle(timeoutMs))
  }

  async doctor(): Promise<readonly Check[]> {
    return checkPerson({
      ledger: this.#ledger,
      vault: this.#options.vault,
      isRemoved: this.isRemoved,
      alarms: this.#network.alarms,
      relays: await this.relays(),
      contradicted: await this.#network.contradicted(),
      beacons: await this.recovery.beacons(),
      attachments: await this.attachments.damaged(),
      frozen: await this.#views.frozen(),
    })
  }

  onChange(listener: (event: PersonEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What is under way ends first: it says what it has got to, or that it was given up. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#underway.stop()
    try {
      await this.#network.close()
      await this.#underway.ended()
    } finally {
      try {
        await this.#ledger.close()
      } finally {
        await this.#options.vault.close()
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #edit(work: (step: Step) => Promise<void>): Promise<void> {
    return this.#inOneStep(() => this.#ledger.transact(work))
  }

  #inOneStep<T>(work: () => Promise<T>): Promise<T> {
    return this.#asMember(() => underEpoch(work, () => this.#network.followUp()))
  }

  async #asMember<T>(work: () => Promise<T>): Promise<T> {
    this.#requireNotRemoved()
    if (this.isAwaited) {
      throw new EngineError("RECORD_AWAITED", "the record has not come to this device yet")
    }
    const { membership } = this.#ledger
    if (membership.current === undefined || isAnyDue(duesOf(this.#ledger))) {
      await this.#network.followUp()
    }
    return work()
  }

  #requireNotRemoved(): void {
    if (!this.isRemoved) return
    throw new EngineError("DEVICE_REMOVED", "this device was removed from the record")
  }

  #tell(event: PersonEvent): void {
    this.#changed.notify()
    for (const listener of this.#listeners) listener(event)
  }
}
