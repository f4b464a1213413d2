/**
 * The members at one point of the key graph, and what one key entry makes of them.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import type { WrapPublicKey } from "@fulcrum/crypto/wrap"
import { type EpochId, type IncarnationId, idKey } from "@fulcrum/log/ids"
import type { VersionVector } from "@fulcrum/log/vector"
import type { DeviceCertificate, DeviceId, RecoveryCertificate } from "./device.ts"
import type { MembershipChange, RemoveChange } from "./key-body.ts"

/** One key entry of the record space. */
export interface MembershipEntry {
  readonly epoch: EpochId
  readonly follows: readonly EpochId[]
  readonly writer: PublicKey
  readonly incarnation: IncarnationId
  readonly sequence: number
  /** From `readKeyBody`, which checks certificates. */
  readonly changes: readonly MembershipChange[]
}

export interface MemberDevice {
  readonly id: DeviceId
  readonly name: string
  readonly writer: PublicKey
  readonly wrap: WrapPublicKey
  /** What it said of itself when it joined; its name may have changed since. */
  readonly certificate: DeviceCertificate
  /** The epoch that added it. */
  readonly addedIn: EpochId
}

export interface RemovedDevice extends MemberDevice {
  /** Each that took effect; several devices may have removed it at once. */
  readonly removals: readonly Removal[]
}

export interface Removal {
  readonly epoch: EpochId
  /** The key entry that removed it. */
  readonly incarnation: IncarnationId
  readonly sequence: number
  /** Whose it was; `undefined`: the recovery words'. */
  readonly by: DeviceId | undefined
  /** What the remover had seen. */
  readonly on: VersionVector
}

export interface MemberState {
  /** By id, in the order in which they joined. */
  readonly devices: ReadonlyMap<string, MemberDevice>
  readonly removed: ReadonlyMap<string, RemovedDevice>
  readonly recovery: RecoveryCertificate | undefined
  readonly leastSuite: number
}

/** Who wrote a key entry: a device by its id, or the recovery words. */
export type Author = MemberDevice | "recovery"

/**
 * As many devices a record has at most, who adds another adds none: else whoever let in more than a key span
 * has wraps for could never be removed. With the recovery words it may be some more, so that nobody can fill
 * it to keep those out.
 */
export const DEVICES_MAX = 56
export const DEVICES_BY_WORDS_MAX = 63

export const NO_MEMBERS: MemberState = {
  devices: new Map(),
  removed: new Map(),
  recovery: undefined,
  leastSuite: 1,
}

/** Which member of `state` has this key. */
export function authorOf(state: MemberState, writer: Uint8Array): Author | undefined {
  if (state.recovery && equalBytes(state.recovery.writer, writer)) return "recovery"
  for (const device of state.devices.values()) {
    if (equalBytes(device.writer, writer)) return device
  }
  return undefined
}

/** Whom the first key entry adds under its own key: its author, by its own word. */
export function founderOf(entry: MembershipEntry): MemberDevice | undefined {
  for (const change of entry.changes) {
    if (change.kind !== "add") continue
    const { certificate } = change.value
    if (equalBytes(certificate.writer, entry.writer)) return memberOf(certificate, entry)
  }
  return undefined
}

/**
 * @param author - The device's id, or the recovery words.
 * @param hasEffect - Whether a change counts; asked for each.
 */
export function applyChanges(
  state: MemberState,
  entry: ChangingEntry,
  author: DeviceId | "recovery",
  hasEffect: (change: MembershipChange) => boolean = () => true,
): MemberState {
  return entry.changes.reduce((before, change) => {
    return hasEffect(change) ? applyChange(before, entry, author, change) : before
  }, state)
}

/**
 * What an entry does as its author saw it, and what comes of it: no device is added that is a member, none is
 * removed that never was, and no words are set that are set.
 */
export function effectOf(
  before: MemberState,
  entry: ChangingEntry,
  author: DeviceId | "recovery",
): { readonly changes: readonly MembershipChange[]; readonly after: MemberState } {
  let after = before
  // Of several words that one entry sets the last are set.
  const words = entry.changes.findLast(({ kind }) => kind === "recovery")
  const changes = entry.changes.filter((change) => {
    if (change.kind === "recovery" && change !== words) return false
    const state = after
    after = applyChange(state, entry, author, change)
    return after !== state
  })
  return { changes, after }
}

type ChangingEntry = Omit<MembershipEntry, "follows" | "writer">

function applyChange(
  state: MemberState,
  entry: ChangingEntry,
  author: DeviceId | "recovery",
  change: MembershipChange,
): MemberState {
  switch (change.kind) {
    case "add":
      return add(state, entry, author, change.value.certificate)
    case "remove":
      return remove(state, entry, author, change.value)
    case "recovery":
      return setWords(state, change.value.certificate)
    case "rename":
      return rename(state, idKey(change.value.device), change.value.name)
    case "suite":
      return { ...state, leastSuite: Math.max(state.leastSuite, change.value.least) }
    case "rotate":
      return state
  }
}

function setWords(state: MemberState, recovery: RecoveryCertificate): MemberState {
  const isSet = state.recovery && equalBytes(state.recovery.writer, recovery.writer)
  return isSet ? state : { ...state, recovery }
}

/** A removed device stays removed; only the recovery words bring it back, under its old keys. */
function add(
  state: MemberState,
  entry: ChangingEntry,
  author: DeviceId | "recovery",
  certificate: DeviceCertificate,
): MemberState {
  if (state.devices.size >= (author === "recovery" ? DEVICES_BY_WORDS_MAX : DEVICES_MAX))
    return state
  const key = idKey(certificate.id)
  const isTaken = (device: MemberDevice) =>
    equalBytes(device.writer, certificate.writer) || equalBytes(device.id, certificate.id)
  if ([...state.devices.values()].some(isTaken)) return state
  if (state.recovery && equalBytes(state.recovery.writer, certificate.writer)) return state
  const before = [...state.removed.values()].filter(isTaken)
  const isSame = before.length === 1 && before[0] && isSameDevice(before[0], certificate)
  if (before.length > 0 && !(author === "recovery" && isSame)) return state
  const removed = new Map(state.removed)
  removed.delete(key)
  const devices = new Map(state.devices).set(key, memberOf(certificate, entry))
  return { ...state, devices, removed }
}

function remove(
  state: MemberState,
  entry: ChangingEntry,
  author: DeviceId | "recovery",
  { device, on }: RemoveChange,
): MemberState {
  const key = idKey(device)
  const member = state.devices.get(key) ?? state.removed.get(key)
  if (member === undefined) return state
  const { epoch, incarnation, sequence } = entry
  const by = author === "recovery" ? undefined : author
  const removals = [
    ...(state.removed.get(key)?.removals ?? []),
    { epoch, incarnation, sequence, by, on },
  ]
  const devices = new Map(state.devices)
  devices.delete(key)
  return { ...state, devices, removed: new Map(state.removed).set(key, { ...member, removals }) }
}

function rename(state: MemberState, key: string, name: string): MemberState {
  const device = state.devices.get(key)
  if (device === undefined) return state
  return { ...state, devices: new Map(state.devices).set(key, { ...device, name }) }
}

export function memberOf(
  certificate: DeviceCertificate,
  { epoch }: Pick<MembershipEntry, "epoch">,
): MemberDevice {
  const { id, name, writer, wrap } = certificate
  return { id, name, writer, wrap, certificate, addedIn: epoch }
}

function isSameDevice(device: MemberDevice, certificate: DeviceCertificate): boolean {
  return (
    equalBytes(device.id, certificate.id) &&
    equalBytes(device.writer, certificate.writer) &&
    equalBytes(device.wrap, certificate.wrap)
  )
}
