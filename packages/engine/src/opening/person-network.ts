/**
 * An open record on the network: its links to relays and to own devices, kept in step with what
 * changes here and there. Programs see it through `person-engine.ts`.
 *
 * - The ledger changes: relationships that are new are opened, carried spans are taken in, peers
 *   and relays are told, and what is due in shares is projected.
 * - A share changes: the same, for that share.
 *
 * @module
 */
import { deviceIdSchema } from "@fulcrum/access/device"
import { findWriter } from "@fulcrum/access/membership"
import { ATTACHMENTS_PROTOCOL } from "@fulcrum/attachments/messages"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { EpochId } from "@fulcrum/log/ids"
import { addressesToTell } from "@fulcrum/net/address"
import type { Channel, Host } from "@fulcrum/net/contract"
import type { Vault } from "@fulcrum/store/vault"
import type { AttachmentPeers } from "../attachments/attachment-fetching.ts"
import type { Attachments } from "../attachments/attachments.ts"
import { CopyAlarm } from "../devices/copy-alarm.ts"
import { DeviceLinks } from "../devices/device-links.ts"
import { DeviceSightings } from "../devices/device-sightings.ts"
import { isOnlyMember, isShared, listDevices, otherMembers } from "../devices/devices.ts"
import { searchOwnDevices } from "../devices/own-discovery.ts"
import { OwnEntryWriter } from "../devices/own-entry.ts"
import { OwnSpaces } from "../devices/own-spaces.ts"
import { PAIRING_PROTOCOL } from "../devices/pairing-line.ts"
import { runPairing } from "../devices/pairing-run.ts"
import { Whereabouts } from "../devices/whereabouts.ts"
import type { Hints } from "../ledger/hints.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { LedgerChange } from "../ledger/ledger-change.ts"
import { RecordMerging } from "../mailboxes/record-merging.ts"
import type { ContradictedMailbox } from "../mailboxes/relay-contradictions.ts"
import { type DeviceState, putRemoved } from "../membership/device-state.ts"
import { RemovalAlarm } from "../membership/removal-alarm.ts"
import { noticeFor } from "../membership/removal-notice.ts"
import type { DeviceRow, PairPrompts, PairResult, PersonEvent, RelayRow } from "../person/person.ts"
import { type Moving, untilEnough, untilQuiet } from "../person/quiet.ts"
import type { BeaconKeeper } from "../recovery/beacon-keeper.ts"
import { RECOVERY_PROTOCOL, serveRecovery } from "../recovery/recovery-line.ts"
import { CarriedShares } from "../relationships/carried-shares.ts"
import { followRemovals } from "../relationships/membership-writes.ts"
import type { OpenRelationship, Relationships } from "../relationships/relationships.ts"
import { duesOf, isAnyDue } from "../relationships/removal-dues.ts"
import { renewShareAccess } from "../relationships/share-access.ts"
import { FollowUps } from "../waiting/follow-ups.ts"
import type { Signal } from "../waiting/signal.ts"
import type { PersonOptions } from "./open-person.ts"
import type { PersonAlarms } from "./person-checks.ts"
import { PersonLinks } from "./person-links.ts"

export interface PersonNetworkOptions extends PersonOptions {
  readonly vault: Vault
  readonly device: DeviceState
  readonly hints: Hints
  readonly ledger: Ledger
  readonly relationships: Relationships
  readonly changed: Signal
  /** Whether another device has told this one that it was removed. */
  /** What a notice of this device's removal was sealed under; absent: none came. */
  readonly removedUnder: Uint8Array | undefined
  readonly attachments: Attachments
  readonly beacons: BeaconKeeper
  /** What whoever has the recovery words is given. */
  readonly words: { forWords(): AsyncIterable<Uint8Array> }
  tell(event: PersonEvent): void
}

export class PersonNetwork {
  readonly #options: PersonNetworkOptions
  readonly #ledger: Ledger
  readonly #relationships: Relationships
  readonly #whereabouts: Whereabouts
  readonly #links: PersonLinks
  readonly #devices: DeviceLinks
  readonly #spaces: OwnSpaces
  readonly #merging: RecordMerging
  readonly #sightings: DeviceSightings
  readonly #removal: RemovalAlarm
  readonly #ownEntry: OwnEntryWriter
  readonly #copies: CopyAlarm
  readonly #stop = new AbortController()
  readonly #followUps: FollowUps
  readonly #carried: CarriedShares
  #searching: Promise<void> = Promise.resolve()
  #host: Promise<Host> | undefined
  #addresses: readonly string[] = []
  #onPairing: ((channel: Channel) => void) | undefined

  constructor(options: PersonNetworkOptions) {
    const { device, clock, random, ledger, relationships } = options
    this.#options = options
    this.#ledger = ledger
    this.#whereabouts = new Whereabouts(ledger, options.hints)
    this.#relationships = relationships
    this.#carried = new CarriedShares(ledger, relationships)
    this.#sightings = new DeviceSightings({ ...options, tree: ledger.record.tree })
    const writer = signingKeyFromSeed(device.writerSeed)
    this.#links = new PersonLinks({
      ...options,
      writer,
      devicesHold: (relationship) =>
        this.#otherDevices().every((id) => this.#devices.holds(id, this.#spaces.of(relationship))),
      changed: (relationship) => this.#onShares(relationship === undefined ? [] : [relationship]),
      failed: () => options.tell("network"),
      relays: () => this.#whereabouts.relays,
      // Whoever knows no other mailbox learns there where the record lies, or that it was removed.
      leftRelays: () => (isShared(ledger.membership.view) ? ledger.state.leftRelays : []),
      mayWrite: () => this.#mayWrite,
    })
    this.#copies = new CopyAlarm({
      ...{ tree: () => ledger.record.tree, writer: writer.publicKey },
      raised: () => options.tell("devices"),
    })
    this.#devices = new DeviceLinks({
      self: { id: deviceIdSchema.decode(device.id), writer },
      meetingKey: device.meetingKey,
      clock,
      random,
      membership: () => this.#whereabouts.members,
      addressesOf: (one) => this.#whereabouts.addressesOf(one),
      spaces: () => this.#spaces.all,
      receipts: () => this.#links,
      beside: { [ATTACHMENTS_PROTOCOL]: (channel) => options.attachments.serve(channel) },
      changed: () => options.tell("devices"),
      sighted: (...met) => this.#sightings.during(...met),
      noticeFor: (removed) => noticeFor(removed, ledger.membership, random),
      toldRemoved: (notice) => this.#removal.hear(notice),
      metCopy: () => this.#copies.raise(),
    })
    const own = () => ({ device: device.id, addresses: this.#addresses, kind: options.kind })
    this.#ownEntry = new OwnEntryWriter(ledger, own)
    this.#spaces = new OwnSpaces({
      ...{ ledger, relationships },
      belongs: (key) => findWriter(this.#whereabouts.members, key) !== undefined,
      taken: (relationship) => this.#onShares([relationship]),
    })
    this.#merging = new RecordMerging({
      replica: ledger.record,
      clock,
      merged: () => this.#links.refresh(),
      settleSome: () => ledger.settleSome(),
    })
    this.#removal = new RemovalAlarm({
      ...{ membership: ledger.membership, device, epoch: options.removedUnder },
      heard: (epoch) => this.#keepRemoval(epoch),
    })
    this.#followUps = new FollowUps({
      ...{ clock, random, signal: this.#stop.signal },
      work: (how) => this.#doDue(how),
      daily: () => this.#doDaily(),
      followed: () => this.#onShares(relationships.all),
    })
    ledger.onChange((change) => this.#onLedger(change))
  }

  /** What was noticed on the network that its person must know. */
  get alarms(): PersonAlarms {
    const { isRaised: removed, disbelieved: removers } = this.#removal
    return { copied: this.#copies.isRaised, removed, removers }
  }

  /** One row for each relay, also of one that has two mailboxes, as devices that added it at once make. */
  async relays(): Promise<readonly RelayRow[]> {
    const addresses = new Set(this.#whereabouts.relays.map(({ address }) => address))
    return Promise.all([...addresses].map((address) => this.#relayRow(address)))
  }

  async #relayRow(address: string): Promise<RelayRow> {
    const links = this.#links.record.filter((one) => one.address === address)
    const [link] = links
    if (link === undefined) return { address, state: "untried", pending: 1, code: undefined }
    const behind = await Promise.all(links.map((one) => one.isBehind()))
    const pending = behind.filter(Boolean).length
    const { state, code } = links.find((one) => one.code !== undefined) ?? link
    const isUp = state === "idle" || state === "working"
    return { address, pending, state: isUp ? "reachable" : state, code }
  }

  /** Of the mailboxes that are used now, those whose relay contradicted what it signed about it. */
  contradicted(): Promise<readonly ContradictedMailbox[]> {
    return this.#links.contradicted()
  }

  devices(): Promise<readonly DeviceRow[]> {
    return listDevices(this.#whereabouts.members, {
      self: this.#options.device.id,
      isRemoved: this.#removal.isRaised,
      ledger: this.#ledger,
      sightingOf: (id) => this.#sightings.of(id),
      isConnected: (id) => this.#devices.isConnected(id),
      holdsAll: (id) => this.#holdsAll(id),
    })
  }

  /** Own devices, for what is fetched from one of them. */
  get peers(): AttachmentPeers {
    return {
      connected: this.#devices.connected,
      others: this.#otherDevices().map(bytesToHex),
      open: () => this.#open(),
      change: (signal) => this.#devices.change(signal),
    }
  }

  async #open(): Promise<void> {
    this.#devices.open(await this.#ensureHost())
    this.#links.start()
  }

  async pair(prompts: PairPrompts, givenUp: AbortSignal): Promise<PairResult> {
    const signal = AbortSignal.any([givenUp, this.#stop.signal])
    await this.#open()
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
      holdsAll: (id) => this.#holdsAll(id),
      changed: this.#options.changed,
      relayed: (stop) => this.#links.settled(stop),
      isEnough: (stop) => untilEnough(this.#moving, stop),
      prompts,
      signal,
    })
  }

  async start(options: { readonly listen: readonly string[] }): Promise<readonly string[]> {
    const host = await this.#ensureHost()
    const addresses = options.listen.length === 0 ? [] : await host.listen(options.listen)
    this.#addresses = addressesToTell(addresses)
    this.#devices.open(host)
    this.#links.start()
    await this.#writeOwnEntry()
    this.#discover(host)
    return addresses
  }

  async settle(timeoutMs: number): Promise<readonly string[]> {
    const late = new AbortController()
    const signal = AbortSignal.any([late.signal, this.#stop.signal])
    const timer = this.#options.clock.sleep(timeoutMs, signal).then(
      () => late.abort(),
      () => undefined,
    )
    // An only device has nobody to look for.
    const isOnly = isOnlyMember(this.#ledger.membership.view, this.#options.device.id)
    if (this.#host === undefined && !isOnly) this.#devices.open(await this.#ensureHost())
    this.#links.start()
    // A disk that takes nothing now keeps nobody from what can be fetched and sent.
    if (this.#ownEntry.isDue) this.#followUps.soon()
    await untilQuiet(this.#moving, signal)
    late.abort()
    await timer
    return this.held()
  }

  /** Looks for what is new here; links that are open bring it. */
  refresh(): void {
    this.#links.refresh()
  }

  /** Opens the links to relays, if they are not. */
  connect(): void {
    this.#links.start()
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("closing"))
    await this.#merging.close()
    await this.#links.close()
    await this.#devices.close()
    await (await this.#host?.catch(() => undefined))?.close()
    await this.#searching
    await this.#followUps.idle()
  }

  /** Own devices on the local network are found by a tag that changes daily. */
  #discover(host: Host): void {
    const { discovery, clock, device } = this.#options
    const addresses = this.#addresses
    if (discovery === undefined || addresses.length === 0) return
    const found = (address: string) => this.#devices.dialFound(host, address)
    const { meetingKey } = device
    const options = { discovery, meetingKey, clock, addresses, found }
    this.#searching = searchOwnDevices(options, this.#stop.signal)
  }

  /** Kept, so that this device says so from now on, whoever it meets. */
  #keepRemoval(epoch: EpochId): void {
    const { vault } = this.#options
    this.#options.tell("devices")
    this.#followUps.schedule(() => vault.write([putRemoved(vault, epoch)]))
  }

  /** Whether another own device is known to hold all that is here. */
  #holdsAll(id: Uint8Array): boolean {
    return this.#spaces.all.every((space) => this.#devices.holds(id, space))
  }

  #otherDevices(): readonly Uint8Array[] {
    return otherMembers(this.#ledger.membership.view, this.#options.device.id)
  }

  /** One host, whoever asks first. */
  #ensureHost(): Promise<Host> {
    if (this.#host === undefined) {
      const host = this.#makeHost()
      this.#host = host
      host.catch(() => {
        this.#host = undefined
      })
    }
    return this.#host
  }

  async #makeHost(): Promise<Host> {
    const { network, clock, words } = this.#options
    const host = await network.host()
    host.handle(RECOVERY_PROTOCOL, (channel) =>
      serveRecovery(channel, {
        ...{ host, clock },
        words: () => {
          const { canWrite, view } = this.#ledger.membership
          return canWrite ? view.recovery?.writer : undefined
        },
        files: () => words.forWords(),
        admit: async (spans) => {
          await this.#ledger.admit(spans)
        },
      }),
    )
    host.handle(PAIRING_PROTOCOL, (channel) => {
      if (this.#onPairing === undefined) return channel.close()
      return this.#onPairing(channel)
    })
    return host
  }

  #onLedger(change: LedgerChange): void {
    this.#devices.local(this.#spaces.record)
    this.#links.refresh()
    if (change.local || this.#ledger.owes) this.#merging.poke()
    if (change.documents.size > 0) this.#options.tell("record")
    if (change.items.length > 0) this.#options.tell("board")
    if (change.items.some(({ kind }) => kind === "attachmentRemoved")) {
      void this.#options.attachments.tidy({ isFirst: false })
    }
    if (change.membership) this.#options.tell("devices")
    const isNewsForShares = change.items.some(({ kind }) => kind === "relationship")
    if (change.local && !isNewsForShares && !change.membership) {
      // A local step has projected already; its shares' entries are told to peers.
      for (const space of this.#spaces.met) this.#devices.local(space)
      return
    }
    this.#followUps.soon()
  }

  /** Something was added to these shares, or can be taken from a relay. */
  #onShares(which: readonly OpenRelationship[]): void {
    for (const relationship of which) this.#devices.local(this.#spaces.of(relationship))
    this.#links.refresh()
    this.#options.tell("relationships")
    this.#options.tell("board")
  }

  /** What the record's news makes due; writes nothing if nothing is. @throws The store's error. */
  followUp(): Promise<void> {
    return this.#followUps.now()
  }

  /** The same when the record is opened: what a store that fails holds up is done later. */
  begin(): Promise<void> {
    return this.#followUps.begin()
  }

  async #doDue(how: { readonly isPatient: boolean }): Promise<boolean> {
    const { clock, random, vault } = this.#options
    const [ledger, relationships] = [this.#ledger, this.#relationships]
    await relationships.openNew()
    await this.#carried.take()
    if (!ledger.membership.canWrite) return false
    const isLeft = await followRemovals({ ledger, relationships, random, clock, vault }, how)
    await relationships.catchUp()
    this.#copies.look()
    await this.#writeOwnEntry()
    this.#devices.refresh()
    return isLeft
  }

  /** What removals make due is done first, by whoever made them: it may replace these very keys. */
  async #doDaily(): Promise<void> {
    const { clock, random } = this.#options
    const [ledger, relationships] = [this.#ledger, this.#relationships]
    if (!ledger.membership.canWrite || isAnyDue(duesOf(ledger))) return
    await renewShareAccess({ ledger, relationships, random, clock })
  }

  async #writeOwnEntry(): Promise<void> {
    if (this.#host !== undefined && this.#mayWrite) await this.#ownEntry.write()
  }

  get #mayWrite(): boolean {
    return this.#ledger.membership.canWrite && !this.#removal.isRaised
  }

  get #moving(): Moving {
    return {
      clock: this.#options.clock,
      relayed: (signal) => this.#links.settled(signal),
      relays: () => this.relays(),
      inStep: (signal, enough) => this.#devices.settled(signal, enough),
      standing: async () => {
        await this.#followUps.idle()
        const held = (await this.held()).join("\n")
        return `${bytesToHex(this.#ledger.record.digest)}\n${held}`
      },
    }
  }

  /** The same of one relationship. */
  heldOf(relationship: OpenRelationship, vendor: string): Promise<readonly string[]> {
    return this.#links.heldOf(relationship, vendor)
  }

  /** What is here and nowhere else that it should be: one line each. */
  async held(): Promise<readonly string[]> {
    const held: string[] = []
    for (const { address, state, pending, code } of await this.relays()) {
      const why = code === undefined ? state : `${state}, ${code}`
      if (pending > 0) held.push(`the record: not all of it is on ${address} (${why})`)
    }
    for (const relationship of this.#relationships.all) {
      const { name } = await this.#relationships.document(relationship.id)
      held.push(...(await this.#links.heldOf(relationship, name)))
    }
    return held
  }
}
