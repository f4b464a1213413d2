/**
 * Membership of the record space as this device has it, and the keys that go with it.
 *
 * Key entries are kept beside the log, so that opening a record does not read all of it:
 *
 * | table               | group    | order   | value                                         |
 * | ------------------- | -------- | ------- | --------------------------------------------- |
 * | `engine.membership` | empty    | arrival | canonical CBOR of {@link StoredKeyEntry}      |
 * | `engine.epochs`     | epoch id | 0       | the epoch's key                               |
 * | `engine.awaited`    | epoch id | 0       | empty: known before a repair, see `repair-person.ts` |
 *
 * Who is a member is `access`'s to say, as a function of all key entries; nothing here depends on
 * the order in which they came.
 *
 * @module
 */

import { AccessError } from "@fulcrum/access/access-error"
import type { DeviceCertificate } from "@fulcrum/access/device"
import type { MembershipEntry } from "@fulcrum/access/member-state"
import {
  type AdmissionEvidence,
  findWriter,
  isAdmitted,
  type Membership as MembershipView,
  reduceMembership,
} from "@fulcrum/access/membership"
import { openKeySpan } from "@fulcrum/access/rotation"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import { array, decodeAs, encodeAs, type Schema, struct } from "@fulcrum/codec/schema"
import { isPublicKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { type WrapKey, wrapKeyFromSecret } from "@fulcrum/crypto/wrap"
import {
  type ChainKey,
  chainKeySchema,
  type EpochId,
  type EpochKey,
  epochIdSchema,
  epochKeySchema,
  type SpaceTag,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import type { AdmittedEntry } from "@fulcrum/log/replica"
import type { CheckWriter, KeySpan, OpenedKeySpan, SpaceKeyring } from "@fulcrum/log/space-keyring"
import { SPAN_KEY, SUITE } from "@fulcrum/log/span"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { EngineError } from "../failures/engine-error.ts"
import { goesBy } from "./device-name.ts"
import type { DeviceState } from "./device-state.ts"
import { isUpTo, removersOf } from "./removal-tellers.ts"
import { type Shut, ShutKeySpans } from "./shut-key-spans.ts"
import {
  readBody,
  readEpochs,
  type StoredKeyEntry,
  storedOf,
  storedSchema,
} from "./stored-key-entry.ts"

const NOTHING = new Uint8Array(0)

/** An epoch's id with its key, as a pairing package or a key body brings it. */
export interface EpochSecret {
  readonly id: EpochId
  readonly key: EpochKey
}

export const epochSecretsSchema: Schema<readonly EpochSecret[]> = array(
  struct({ id: epochIdSchema, key: epochKeySchema }),
  4096,
)

export class Membership implements SpaceKeyring {
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  readonly #device: Uint8Array
  /** The device's key in this space, or the recovery words'. */
  readonly #writer: Uint8Array
  readonly #genesis: EpochId
  readonly #wrapKey: WrapKey
  readonly #table: Table
  readonly #epochTable: Table
  readonly #entries = new Map<string, MembershipEntry>()
  readonly #keys = new Map<string, EpochSecret>()
  /** Keys found in wraps; right only once the span that they open is admitted. */
  readonly #found = new Map<string, EpochKey>()
  /** Keys that key spans carry, though those may wait: right only if they open what they should. */
  readonly #carried = new Map<string, EpochKey>()
  /** Looking for a wrap costs some milliseconds. */
  readonly #shut = new ShutKeySpans()
  /** Writers, in hex, that key entries name: whoever was let in, and recovery words. */
  readonly #named = new Set<string>()
  /** Epochs, in hex, that this device heard of before a repair: until they are here it is behind. */
  readonly #awaited = new Set<string>()
  readonly #awaitedTable: Table
  #view: MembershipView
  #removedIn: readonly EpochId[] = []
  /** Called with each that comes to be one of {@link removedIn}. */
  onRemovalHeard: ((epoch: EpochId) => void) | undefined

  private constructor(vault: Vault, device: DeviceState) {
    this.tag = spaceTagSchema.decode(device.spaceTag)
    this.chainKey = chainKeySchema.decode(device.chainKey)
    this.#device = device.id
    this.#writer = signingKeyFromSeed(device.writerSeed).publicKey
    this.#genesis = epochIdSchema.decode(device.genesis)
    this.#wrapKey = wrapKeyFromSecret(device.wrapSecret)
    this.#table = vault.table("engine.membership")
    this.#epochTable = vault.table("engine.epochs")
    this.#awaitedTable = vault.table("engine.awaited")
    this.#view = reduceMembership([], this.#genesis)
  }

  static async open(vault: Vault, device: DeviceState): Promise<Membership> {
    const membership = new Membership(vault, device)
    await membership.refresh()
    return membership
  }

  /** Takes what the disk has: also what a write whose outcome was not known has left there. */
  async refresh(): Promise<void> {
    for await (const { group, value } of this.#epochTable.groups()) {
      this.#learn({ id: epochIdSchema.decode(group), key: epochKeySchema.decode(value) })
    }
    for await (const { group } of this.#awaitedTable.groups()) this.#awaited.add(bytesToHex(group))
    for await (const { value } of this.#table.list(NOTHING)) {
      this.#take(decodeAs(storedSchema, value, { bytesMax: 4 * 1024 * 1024 }))
    }
    this.#view = reduceMembership([...this.#entries.values()], this.#genesis)
  }

  get view(): MembershipView {
    return this.#view
  }

  /** All key entries that are here, by their epoch's id in hex. */
  get entries(): ReadonlyMap<string, MembershipEntry> {
    return this.#entries
  }

  /**
   * Whether the record has come as far as this device's joining, and with it all that whoever let it
   * in had then. Before that it knows some of the record at most, and writes nothing for its person.
   */
  get hasJoined(): boolean {
    if (this.awaitedCount > 0) return false
    // There may be no epoch to write under: then it is this device that rotates.
    return this.isMember(this.#writer) || this.isRemoved(this.#device)
  }

  /** Whether a member asks for newer cryptography than this program has. Who is removed asks no more. */
  get isOutdated(): boolean {
    if (this.#view.leastSuite <= SUITE) return false
    return [...this.#entries.values()].some(
      ({ writer, changes }) =>
        this.isMember(writer) &&
        changes.some(({ kind, value }) => kind === "suite" && value.least > SUITE),
    )
  }

  /** Whether this device belongs, and may write. */
  get canWrite(): boolean {
    return this.hasJoined && !this.isRemoved(this.#device) && !this.isOutdated
  }

  /** Epochs that this device heard of before a repair and does not have the announcement of. */
  get awaitedCount(): number {
    return [...this.#awaited].filter((epoch) => !this.#entries.has(epoch)).length
  }

  get current(): EpochSecret | undefined {
    const { current } = this.#view
    return current === undefined ? undefined : this.#keys.get(bytesToHex(current))
  }

  /** All epochs that this device has a key of: what a newcomer is given. */
  get epochs(): readonly EpochSecret[] {
    return [...this.#keys.values()]
  }

  /** What notes the epochs that it has keys of and no entry: see `repair-person.ts`. */
  putAwaited(): readonly VaultOp[] {
    return this.epochs
      .filter(({ id }) => !this.#entries.has(bytesToHex(id)))
      .map(({ id }) => this.#awaitedTable.put(id, 0, NOTHING))
  }

  /** Whether the keys of what the next key entry follows are all here. */
  get hasHeadKeys(): boolean {
    return this.#view.heads.every((id) => this.#keys.has(bytesToHex(id)))
  }

  /** The keys of what the next key entry follows. */
  get headKeys(): readonly EpochSecret[] {
    return this.#view.heads.map((id) => {
      const known = this.#keys.get(bytesToHex(id))
      if (known === undefined) throw new TypeError("a head of the membership log without its key")
      return known
    })
  }

  epochKey(id: EpochId): EpochKey | undefined {
    const hex = bytesToHex(id)
    return this.#keys.get(hex)?.key ?? this.#found.get(hex)
  }

  openKeySpan(span: KeySpan): EpochKey | undefined {
    const hex = bytesToHex(span.epoch)
    if (this.#shut.has(hex)) return undefined
    const found = this.#wrapIn(span)
    if (found instanceof Uint8Array) {
      this.#found.set(hex, found)
      return found
    }
    this.#shut.add(span, found === "removed")
    this.#hearRemoval()
    return undefined
  }

  /** What is no wrap, or a damaged one, is none for this device. */
  #wrapIn({ clear, header }: KeySpan): ReturnType<typeof openKeySpan> {
    try {
      return openKeySpan({ clear, follows: header.epoch, key: this.#wrapKey })
    } catch (error) {
      if (error instanceof AccessError) return undefined
      throw error
    }
  }

  #hearRemoval(): void {
    const before = new Set(this.#removedIn)
    this.#removedIn = this.#shut.removals(removersOf(this, this.#device))
    for (const epoch of this.#removedIn) if (!before.has(epoch)) this.onRemovalHeard?.(epoch)
  }

  /** Epochs that were announced with this device's removal, which it cannot read and is to believe. */
  get removedIn(): readonly EpochId[] {
    return this.#removedIn
  }

  /** Key spans that say so and are not to be believed. */
  get disbelieved(): readonly Shut[] {
    const { marks } = this.#shut
    return marks.filter(
      ({ epoch }) => !this.#removedIn.includes(epoch) && !this.isBroughtBack(this.#device, epoch),
    )
  }

  carriedKey(epoch: EpochId): EpochKey | undefined {
    return this.#carried.get(bytesToHex(epoch))
  }

  /**
   * Takes the keys that a key span carries before it is let in: it may wait for what was written under
   * them, by somebody who did not know of this device, or removed it to no effect.
   */
  openedKeySpan({ epoch, header, body }: OpenedKeySpan): void {
    const hex = bytesToHex(epoch)
    const key = this.epochKey(epoch) ?? this.#carried.get(hex)
    if (key !== undefined && !this.#keys.has(hex)) this.#found.set(hex, key)
    const read = readBody({ body, follows: header.epoch })
    for (const one of read?.previousKeys ?? []) {
      const carried = bytesToHex(one.id)
      // A member's word is better than that of one who was removed, or whom nobody knows yet.
      if (this.#carried.has(carried) && !this.isMember(header.writer)) continue
      this.#carried.set(carried, one.key)
    }
  }

  /** The key of an epoch that is being announced here. */
  expect(epoch: EpochId, key: EpochKey): void {
    this.#found.set(bytesToHex(epoch), key)
  }

  /**
   * Whoever was ever let in, by whom and to what effect whatsoever, may have written a span, and so
   * may words that were replaced: others may have let it in before they knew better. Whether it counts
   * is decided on the entries. A key span is let in while nobody is known yet: only the one that the record began
   * with has any effect.
   */
  readonly checkWriter: CheckWriter = (header) => {
    if (this.#named.has(bytesToHex(header.writer))) return "ok"
    return header.kind === SPAN_KEY && this.#view.devices.length === 0 ? "ok" : "unknown"
  }

  deviceByWriter(writer: Uint8Array): { readonly name: string } | undefined {
    const known = findWriter(this.#view, writer)
    if (known === "recovery") return { name: "recovery" }
    return known ?? this.#view.removed.find((device) => equalBytes(device.writer, writer))
  }

  /** What each member says of itself, signed: a new device meets them by it. */
  get certificates(): readonly DeviceCertificate[] {
    return this.#view.devices.map(({ certificate }) => certificate)
  }

  /** Whether entries of this writer count without looking at anything else. */
  isMember(writer: Uint8Array): boolean {
    return findWriter(this.#view, writer) !== undefined
  }

  /** Whether a removed device's entry counts, by what the logs show. */
  admits(entry: AdmittedEntry, evidence: AdmissionEvidence): boolean {
    return isAdmitted(this.#view, entry, evidence) === "admitted"
  }

  /**
   * Takes the key entries among these; idempotent.
   *
   * @returns What it means: nothing, a change, or that somebody was removed or is no more: then what
   * counted before may count no more, or the other way round.
   */
  absorb(entries: readonly AdmittedEntry[]): "same" | "changed" | "removed" {
    const before = this.#view
    let isNew = false
    for (const entry of entries) {
      const stored = storedOf(entry)
      if (stored !== undefined && this.#take(stored)) isNew = true
    }
    if (!isNew) return "same"
    this.#view = reduceMembership([...this.#entries.values()], this.#genesis)
    this.#hearRemoval()
    return this.isSettledSince(before) ? "changed" : "removed"
  }

  /** The recovery words' X-Wing key. */
  get recoveryKey(): Uint8Array {
    const { recovery } = this.#view
    if (recovery === undefined) throw new TypeError("a record without a recovery key")
    return recovery.wrap
  }

  /** The record's first epoch. */
  get genesis(): EpochId {
    return this.#genesis
  }

  /** Whether what counted then counts now, and nothing else does of what was there. */
  isSettledSince(before: MembershipView): boolean {
    const { devices } = this.#view
    const areIn = before.devices.every(({ id }) => devices.some((one) => equalBytes(one.id, id)))
    return areIn && removalsOf(before).join() === removalsOf(this.#view).join()
  }

  /** What keeps the key entries among these, and all keys that they brought. */
  opsFor(entries: readonly AdmittedEntry[]): readonly VaultOp[] {
    const ops: VaultOp[] = []
    for (const entry of entries) {
      const stored = storedOf(entry)
      if (stored === undefined) continue
      ops.push(this.#table.put(NOTHING, entry.arrival, encodeAs(storedSchema, stored)))
      ops.push(...this.putEpochs([...readEpochs(stored), ...this.#secretOf(stored.epoch)]))
    }
    return ops
  }

  /** What keeps the keys of the epochs that these announce. */
  keysOf(entries: readonly AdmittedEntry[]): readonly VaultOp[] {
    return this.putEpochs(
      entries.flatMap(({ announces }) => (announces ? this.#secretOf(announces.epoch) : [])),
    )
  }

  putEpochs(secrets: readonly EpochSecret[]): readonly VaultOp[] {
    return secrets.map(({ id, key }) => this.#epochTable.put(id, 0, key))
  }

  /** Whether devices by this name, or id, were members and none is. */
  wasRemoved(wanted: string): boolean {
    const { devices, removed } = this.#view
    return !devices.some((one) => goesBy(one, wanted)) && removed.some((one) => goesBy(one, wanted))
  }

  /** @throws {EngineError} `DEVICE_UNKNOWN`, `DEVICE_AMBIGUOUS`. */
  deviceNamed(wanted: string): MembershipView["devices"][number] {
    const found = this.#view.devices.filter((one) => goesBy(one, wanted))
    const [only] = found
    if (only === undefined) throw new EngineError("DEVICE_UNKNOWN", "no device of that name")
    if (found.length > 1) {
      throw new EngineError("DEVICE_AMBIGUOUS", `${found.length} devices go by that name`)
    }
    return only
  }

  /** Key of whoever announced an epoch. */
  writerOf(epoch: EpochId): Uint8Array | undefined {
    return this.#entries.get(bytesToHex(epoch))?.writer
  }

  /** What a member is called now, by its id. */
  nameOf(id: Uint8Array): string | undefined {
    return this.#view.devices.find((device) => equalBytes(device.id, id))?.name
  }

  /** Whether a device was removed, by its id. */
  isRemoved(id: Uint8Array): boolean {
    return this.#view.removed.some((device) => equalBytes(device.id, id)) && !this.#isDevice(id)
  }

  /** Whether a device belongs though a removal of it is here, which announced this epoch or came after it. */
  isBroughtBack(id: Uint8Array, epoch: Uint8Array): boolean {
    const isThat = ({ epoch: announced, changes }: MembershipEntry) =>
      changes.some(({ kind, value }) => kind === "remove" && equalBytes(value.device, id)) &&
      isUpTo(this, announced, epoch)
    return this.#isDevice(id) && [...this.#entries.values()].some(isThat)
  }

  #isDevice(id: Uint8Array): boolean {
    return this.#view.devices.some((device) => equalBytes(device.id, id))
  }

  /** @returns Whether it was new. */
  #take(stored: StoredKeyEntry): boolean {
    const hex = bytesToHex(stored.epoch)
    if (this.#entries.has(hex)) return false
    const { epoch, incarnation, sequence, writer } = stored
    if (!isPublicKey(writer)) throw new TypeError("a key entry by what is no key")
    const body = readBody(stored)
    if (body === undefined) return false
    const follows = body.previousKeys.map(({ id }) => id)
    this.#entries.set(hex, { epoch, follows, writer, incarnation, sequence, changes: body.changes })
    for (const change of body.changes) {
      if (change.kind !== "add" && change.kind !== "recovery") continue
      this.#named.add(bytesToHex(change.value.certificate.writer))
    }
    for (const secret of [...body.previousKeys, ...this.#secretOf(epoch)]) this.#learn(secret)
    return true
  }

  #secretOf(epoch: EpochId): readonly EpochSecret[] {
    const key = this.epochKey(epoch)
    return key === undefined ? [] : [{ id: epoch, key }]
  }

  #learn(secret: EpochSecret): void {
    const hex = bytesToHex(secret.id)
    if (!this.#keys.has(hex)) this.#keys.set(hex, secret)
    this.#found.delete(hex)
    this.#carried.delete(hex)
  }
}

function removalsOf({ removed }: MembershipView): readonly string[] {
  return removed
    .flatMap(({ id, removals }) =>
      removals.map(({ epoch }) => `${bytesToHex(id)} ${bytesToHex(epoch)}`),
    )
    .toSorted()
}
