/**
 * Membership of the record space: which devices belong, as a function of the key entries alone.
 *
 * Key entries form a graph by what they follow. Each counts only if its author was a member in
 * what it followed, and as far as it does something there. Along a line they apply one after another.
 * Where entries are concurrent:
 *
 * 1. A removal stands unless one that stands cuts it by rule 2. Between two that remove each other rule 2
 *    saves neither, nor does it save whom a removed device let in meanwhile and who removes whoever removed
 *    that one. What does not stand takes nothing with it, and keeps nobody from vouching. Where removals cut
 *    one another in circles, that of the earliest author stands for which the rest can be decided so that
 *    nothing falls but by what stands (the recovery key's first, then devices' by when they joined); where
 *    there is none, as in a circle of three, the earliest stands and what threatens it does not.
 * 2. What a removed device wrote at the same time is cut, with what was written by whoever it let in, unless
 *    a device that was not itself removed at that time, and that did not know of the removal, followed it,
 *    by an entry that is not cut and whose author did not take it for void. What it wrote upon its removal,
 *    which it took for void, is cut. Replacing the recovery words removes those that were; what these removed
 *    stays, by their rank. Words whose setting is in question have the rank of the device that set them, and
 *    vouch for nothing of its own.
 * 3. All the rest applies in one order, that of depth in the graph and then of epoch id. Whoever would be one
 *    device too many is not added ({@link DEVICES_MAX}).
 *
 * Nothing here depends on arrival. A key entry without effect is listed, never lost, and its epoch is
 * not written under. It is followed all the same: its author's other entries may count, others wrote
 * upon them, and whoever it removed, or left out, has no wrap in it. Source: DESIGN, "Keys".
 *
 * @module
 */
import { compareBytes, equalBytes } from "@fulcrum/codec/bytes"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import type { EpochId, IncarnationId } from "@fulcrum/log/ids"
import type { VersionVector } from "@fulcrum/log/vector"
import type { DeviceCertificate, DeviceId, RecoveryCertificate } from "./device.ts"
import { FOLLOWS_MAX } from "./key-body.ts"
import { graphOf, type KeyNode } from "./key-graph.ts"
import { areConcurrent, sees } from "./key-lineage.ts"
import { mergedHeads } from "./key-merge.ts"
import {
  authorOf,
  DEVICES_MAX,
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
  /** Who was let in, or stayed, after one of the heads, and by all of them together does not belong. */
  readonly dropped: readonly MemberDevice[]
  readonly recovery: RecoveryCertificate | undefined
  /** No span of a lesser suite is written any more. */
  readonly leastSuite: number
  /** All epochs that took effect, the first one first. */
  readonly epochs: readonly EpochId[]
  /**
   * What the next key entry follows, ascending by id: the newest of them, and of those without effect,
   * whoever wrote them, so that all who stay get their keys. At most {@link FOLLOWS_MAX}, those with
   * effect first: the entry after it follows the rest.
   */
  readonly heads: readonly EpochId[]
  /**
   * The epoch to write under; `undefined`: rotate first, since each head's key is known to
   * somebody who is no member any more, or is not known to every member.
   */
  readonly current: EpochId | undefined
  /**
   * The next writer rotates: a removal and another key entry happened at once and nothing has followed
   * both yet, or a member has no wrap in the newest of what happened at once.
   */
  readonly concurrent: boolean
  /**
   * Key entries without effect: their author was not, or is no more, entitled to them. What recovery words
   * removed in one may stand.
   */
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
  /**
   * How far the author of a removal can have seen, by the log: what it says itself may name what is still
   * to come. `undefined`: not known, then its word counts.
   */
  seenAt(removal: Pick<WrittenEntry, "incarnation" | "sequence">): VersionVector | undefined
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
  const ends = headsOf(nodes)
  const isEffective = new Set(effective)
  const heads = ends
    .toSorted((a, b) => Number(isEffective.has(b)) - Number(isEffective.has(a)))
    .slice(0, FOLLOWS_MAX)
  return {
    devices: [...state.devices.values()],
    removed: [...state.removed.values()],
    dropped: droppedBy(state, heads),
    recovery: state.recovery,
    leastSuite: state.leastSuite,
    epochs: effective.map(({ entry }) => entry.epoch),
    heads: heads.map(({ entry }) => entry.epoch).toSorted(compareBytes),
    current: headsOf(effective).findLast(
      (head) => isSafe(head, state) && reachesAll(head.after, state),
    )?.entry.epoch,
    concurrent:
      isUnsettled(nodes, effective) ||
      ends.length > heads.length ||
      !heads.every((head) => reachesAll(head.after, state)),
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

/** Whether a device may add another one. */
export function hasRoom({ devices }: Pick<Membership, "devices">): boolean {
  return devices.length < DEVICES_MAX
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
  const wasSeen = (removal: RemovedDevice["removals"][number]) => {
    const seen = evidence.seenAt(removal)
    return has(removal.on, entry) && (seen === undefined || has(seen, entry))
  }
  const isKept = removed.removals.some(
    (removal) =>
      wasSeen(removal) ||
      evidence.written.some(
        ({ writer, on }) =>
          has(on, entry) && !has(on, removal) && findWriter(membership, writer) !== undefined,
      ),
  )
  return isKept ? "admitted" : "quarantined"
}

function droppedBy(state: MemberState, heads: readonly KeyNode[]): readonly MemberDevice[] {
  const theirs = new Map(heads.flatMap(({ after }) => [...after.devices]))
  for (const id of state.devices.keys()) theirs.delete(id)
  return [...theirs.values()]
}

function headsOf(effective: readonly KeyNode[]): readonly KeyNode[] {
  let followed = 0n
  for (const node of effective) followed |= node.ancestors
  return effective.filter((node) => (followed & node.bit) === 0n)
}

/**
 * Whether all who know an epoch's key are still members: for whom it was wrapped, and who drew it. A
 * thief may have a device remove itself; it would read on under a key of its own.
 */
function isSafe({ after, entry }: KeyNode, members: MemberState): boolean {
  return reachesAll(members, after) && authorOf(members, entry.writer) !== undefined
}

/** Whether everybody who belongs to `members` had a wrap, the recovery words too. */
function reachesAll(recipients: MemberState, members: MemberState): boolean {
  const [theirs, ours] = [recipients.recovery?.writer, members.recovery?.writer]
  const haveWords = ours === undefined || (theirs !== undefined && equalBytes(theirs, ours))
  return haveWords && [...members.devices.keys()].every((id) => recipients.devices.has(id))
}

/** Whether a removal and another entry met that nothing effective has followed since. */
function isUnsettled(nodes: readonly KeyNode[], effective: readonly KeyNode[]): boolean {
  const entitled = nodes.filter((node) => node.author !== undefined)
  const removals = effective.filter(({ entry }) => entry.changes.some((it) => it.kind === "remove"))
  return removals.some((removal) =>
    entitled.some(
      (other) =>
        areConcurrent(other, removal) &&
        !effective.some((node) => sees(node, removal) && sees(node, other)),
    ),
  )
}
