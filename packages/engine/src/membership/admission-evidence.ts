/**
 * What decides whether an entry of a removed device counts: who wrote on it, before hearing of the
 * removal.
 *
 * Source: DESIGN, "Keys" (membership).
 *
 * @module
 */
import type { RemovedDevice } from "@fulcrum/access/member-state"
import type { AdmissionEvidence } from "@fulcrum/access/membership"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import type { AdmittedEntry, Replica } from "@fulcrum/log/replica"
import type { VersionVector } from "@fulcrum/log/vector"
import type { Membership } from "./membership.ts"

/**
 * Whether some of what removed devices wrote counts, if it does, only because somebody built upon it
 * who may be removed in turn.
 */
export function areVouchedFor(
  removed: readonly RemovedDevice[],
  { tree }: Pick<Replica, "tree">,
): boolean {
  const nodes = removed.length === 0 ? [] : [...tree.nodes()]
  return removed.some(({ writer, removals }) =>
    nodes.some(
      (node) =>
        equalBytes(node.writer, writer) &&
        !removals.some(({ on }) => tree.covers(on, node.incarnation, node.sequence)),
    ),
  )
}

/** Costs a read of the whole log if any of the entries is by somebody who is no member. */
export async function admissionEvidence(
  record: Replica,
  membership: Membership,
  entries: readonly AdmittedEntry[],
): Promise<AdmissionEvidence> {
  const { tree } = record
  const covers: AdmissionEvidence["covers"] = (vector, incarnation, sequence) =>
    tree.covers(vector, incarnation, sequence)
  if (entries.every(({ writer }) => membership.isMember(writer))) {
    return { covers, written: [], seenAt: () => undefined }
  }
  const atKeys = new Map<string, VersionVector>()
  const written: { readonly writer: PublicKey; readonly on: VersionVector }[] = []
  const seen = new Map<string, VersionVector>()
  for await (const entry of record.entriesAfter(0)) {
    const { kind, writer, incarnation, sequence, chain, on } = entry
    const key = bytesToHex(incarnation)
    const whole = tree.merge(seen.get(key) ?? [], on)
    seen.set(key, whole)
    // Whoever removed a device knows of it, though nobody's entry says that it was written on its own.
    const known = tree.merge(whole, [{ incarnation, sequence, chain }])
    if (on.length > 0) written.push({ writer, on: known })
    if (kind === "key") atKeys.set(`${key} ${sequence}`, known)
  }
  return {
    covers,
    written,
    seenAt: (removal) => atKeys.get(`${bytesToHex(removal.incarnation)} ${removal.sequence}`),
  }
}
