/**
 * Membership of the record space: which devices belong, as a function of the key entries alone.
 *
 * Key entries form a graph by what they follow. Each counts only if its author was a member in
 * what it followed. Along a line they apply one after another. Where entries are concurrent:
 *
 * 1. Removals are taken in the order of their authors: the recovery key first, then devices by
 *    when they joined. A removal has no effect if one that was already taken removes its author,
 *    unless rule 2 saves it; between two that remove each other nothing does.
 * 2. What a removed device wrote at the same time counts only if a device that nobody removed
 *    at that time, and that did not know of the removal, followed it.
 * 3. All the rest applies in one order, that of depth in the graph and then of epoch id.
 *
 * Nothing here depends on arrival. A key entry without effect is listed, never lost, and its
 * epoch is neither followed nor written under. Source: DESIGN, "Keys".
 *
 * @module
 */
import { compareBytes, equalBytes } from "@fulcrum/codec/bytes"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import type { EpochId, IncarnationId } from "@fulcrum/log/ids"
import type { VersionVector } from "@fulcrum/log/vector"
import type { DeviceCertificate, DeviceId, RecoveryCertificate } from "./device.ts"
import { areConcurrent, graphOf, type KeyNode, mergedHeads, sees } from "./key-graph.ts"
import {
  type MemberDevice,
  type MemberState,
  type MembershipEntry,
  memberOf,
  type RemovedDevice,
} from "./member-state.ts"

export interface Membership {
  /** In the order in which they joined. */
  readonly devices: readonly MemberDevice[]
  readonly removed: readonly RemovedDevice[]
  readonly recovery: RecoveryCertificate | undefined
  /** No span of a lesser suite is written any more. */
  readonly leastSuite: number
  /** All epochs that took effect, the first one first. */
  readonly epochs: readonly EpochId[]
  /** The newest of them, ascending by id: what the next key entry follows. */
  readonly heads: readonly EpochId[]
  /**
   * The epoch to write under; `undefined`: rotate first, since each head's key is known to
   * somebody who is no member any more.
   */
  readonly current: EpochId | undefined
  /** A removal and another key entry happened at once and nothing has followed both yet. */
  readonly concurrent: boolean
  /** Key entries without effect: their author was not, or is no more, entitled to them. */
  readonly quarantined: readonly EpochId[]
  /** Key entries whose predecessors are not here. */
  readonly waiting: readonly EpochId[]
}

/** An entry of any kind, as far as admission asks. */
export interface WrittenEntry {
  readonly writer: PublicKey
  readonly incarnation: IncarnationId
  readonly sequence: number
}

/** What the logs say beyond membership. */
export interface AdmissionEvidence {
  /** Whether the vector reaches that entry: the incarnation tree's. */
  covers(vector: VersionVector, incarnation: IncarnationId, sequence: number): boolean
  /** Entries of members, with the whole vector that each was written on. */
  readonly written: readonly { readonly writer: PublicKey; readonly on: VersionVector }[]
}

/**
 * @param entries - In any order, and as often as they came.
 * @param genesis - The first epoch, from `init` or the pairing package: another first one is no
 *   part of this record.
 */
export function reduceMembership(
  entries: readonly MembershipEntry[],
  genesis: EpochId,
): Membership {
  const { nodes, waiting } = graphOf(entries, genesis)
  const { state, cut } = mergedHeads(nodes)
  const effective = nodes.filter((node) => node.author !== undefined && !cut.has(node.key))
  const heads = headsOf(effective)
  return {
    devices: [...state.devices.values()],
    removed: [...state.removed.values()],
    recovery: state.recovery,
    leastSuite: state.leastSuite,
    epochs: effective.map(({ entry }) => entry.epoch),
    heads: heads.map(({ entry }) => entry.epoch).toSorted(compareBytes),
    current: heads.findLast((head) => isSafe(head.after, state))?.entry.epoch,
    concurrent: isUnsettled(nodes, effective, cut),
    quarantined: nodes.filter((node) => !effective.includes(node)).map(({ entry }) => entry.epoch),
    waiting,
  }
}

/**
 * What a new device knows before it has the log: whom its pairing package names. Good for meeting
 * them, and for nothing that is written.
 */
export function provisionalMembership(
  members: readonly DeviceCertificate[],
  genesis: EpochId,
): Membership {
  const devices = members.map((certificate) => memberOf(certificate, { epoch: genesis }))
  return { ...reduceMembership([], genesis), devices }
}

/** Which member writes under this key: a device, or the recovery words. */
export function findWriter(
  membership: Membership,
  writer: Uint8Array,
): MemberDevice | "recovery" | undefined {
  const { devices, recovery } = membership
  if (recovery && equalBytes(recovery.writer, writer)) return "recovery"
  return devices.find((device) => equalBytes(device.writer, writer))
}

/** The device that was a member once and is no more. */
export function findRemoved(membership: Membership, id: DeviceId): RemovedDevice | undefined {
  return membership.removed.find((device) => equalBytes(device.id, id))
}

/**
 * Whether an entry counts. A member's does. A removed device's does if a remover had seen it, or
 * if a member who did not yet know of the removal wrote upon it; else it is hers to take or drop.
 */
export function isAdmitted(
  membership: Membership,
  entry: WrittenEntry,
  evidence: AdmissionEvidence,
): "admitted" | "quarantined" | "unknown" {
  if (findWriter(membership, entry.writer) !== undefined) return "admitted"
  const removed = membership.removed.find(({ writer }) => equalBytes(writer, entry.writer))
  if (removed === undefined) return "unknown"
  const has = (vector: VersionVector, written: Omit<WrittenEntry, "writer">) =>
    evidence.covers(vector, written.incarnation, written.sequence)
  const isKept = removed.removals.some(
    (removal) =>
      has(removal.on, entry) ||
      evidence.written.some(
        ({ writer, on }) =>
          has(on, entry) && !has(on, removal) && findWriter(membership, writer) !== undefined,
      ),
  )
  return isKept ? "admitted" : "quarantined"
}

function headsOf(effective: readonly KeyNode[]): readonly KeyNode[] {
  let followed = 0n
  for (const node of effective) followed |= node.ancestors
  return effective.filter((node) => (followed & node.bit) === 0n)
}

/** Whether all who have this epoch's key are still members. */
function isSafe(recipients: MemberState, members: MemberState): boolean {
  const [theirs, ours] = [recipients.recovery?.writer, members.recovery?.writer]
  const hasOldWords = theirs !== undefined && !(ours && equalBytes(theirs, ours))
  return !hasOldWords && [...recipients.devices.keys()].every((id) => members.devices.has(id))
}

/** Whether a removal and another entry met that nothing effective has followed since. */
function isUnsettled(
  nodes: readonly KeyNode[],
  effective: readonly KeyNode[],
  cut: ReadonlySet<string>,
): boolean {
  const entitled = nodes.filter((node) => node.author !== undefined)
  const removals = effective.filter(({ entry }) => entry.changes.some((it) => it.kind === "remove"))
  const isSettledBy = (node: KeyNode, a: KeyNode, b: KeyNode) =>
    (sees(node, a) || sees(node, b)) && [a, b].every((met) => sees(node, met) || cut.has(met.key))
  return removals.some((removal) =>
    entitled.some(
      (other) =>
        areConcurrent(other, removal) &&
        !effective.some((node) => isSettledBy(node, removal, other)),
    ),
  )
}
