/**
 * Changing who belongs: each change is one key span that announces a new epoch, and is atomic with
 * it (SECURITY R9). What follows a removal comes right after, and again until it is done.
 *
 * Source: DESIGN, "Keys" (rotation, removing a device).
 *
 * @module
 */
import type { MembershipChange } from "@fulcrum/access/key-body"
import { makeKeySpanParts } from "@fulcrum/access/rotation"
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { Random } from "@fulcrum/crypto/random"
import { epochIdSchema, epochKeySchema } from "@fulcrum/log/ids"
import { readRequest, requestHash } from "@fulcrum/relations/request"
import { shareKeyBody, wrapShareKey } from "@fulcrum/relations/share-key"
import type { Ledger } from "./ledger.ts"
import type { Step } from "./ledger-step.ts"
import type { EpochSecret } from "./membership.ts"
import { joinMailboxes, moveRecord } from "./record-mailboxes.ts"
import type { OpenRelationship, Relationships } from "./relationships.ts"

export interface MembershipWriter {
  readonly ledger: Ledger
  readonly random: Random
  /** Absent: a device. */
  readonly author?: "recovery"
}

/**
 * Commits membership changes under a new epoch.
 *
 * @param keep - What else belongs to the same atomic write, given the new epoch.
 */
export function changeMembership(
  { ledger, random, author }: MembershipWriter,
  changes: (ledger: Ledger) => readonly MembershipChange[],
  keep?: (step: Step, epoch: EpochSecret) => void,
): Promise<void> {
  return ledger.transact(async (step) => {
    const { membership, record } = ledger
    const key = epochKeySchema.decode(random.bytes(32))
    const parts = makeKeySpanParts({
      membership: membership.view,
      changes: changes(ledger),
      epochKey: key,
      previousKeys: membership.headKeys,
      random,
      ...(author && { author }),
    })
    const staged = record.stageKey({ epoch: { key }, ...parts })
    membership.expect(staged.epochId, key)
    step.join(record, staged)
    keep?.(step, { id: staged.epochId, key })
  })
}

/**
 * Rotates where membership says so, and follows up on removals: the record moves to mailboxes that
 * the removed device does not know, and every share gets a key that it does not have. Any device
 * does what is not done; two that do so at once do no harm.
 */
export async function followRemovals(parts: {
  readonly ledger: Ledger
  readonly relationships: Relationships
  readonly random: Random
}): Promise<void> {
  const { ledger, relationships, random } = parts
  const { view } = ledger.membership
  if (view.heads.length > 0 && (view.current === undefined || view.concurrent)) {
    await changeMembership(parts, () => [{ kind: "rotate", value: {} }])
  }
  await ledger.transact(async (step) => {
    const removals = ledger.membership.view.removed.flatMap((device) => device.removals)
    const due = new Set(removals.map(({ epoch }) => bytesToHex(epoch)))
    for (const done of ledger.state.removalsDone) due.delete(done)
    if (due.size === 0) return joinMailboxes(step, ledger)
    moveRecord(step, ledger, random)
    for (const relationship of relationships.all) rotateShare(step, relationship, random)
    for (const { epoch } of removals) {
      if (due.has(bytesToHex(epoch))) step.add({ kind: "removalDone", value: { epoch } })
    }
  })
}

function rotateShare(step: Step, relationship: OpenRelationship, random: Random): void {
  const { item, epochKeys } = relationship.secrets
  const { request: bytes, vendor, spaceTag, id } = item
  const request = readRequest(bytes, { vendor, requestHash: requestHash(bytes) })
  const epochKey = epochKeySchema.decode(random.bytes(32))
  const previous = relationship.space.currentEpoch ?? epochIdSchema.decode(item.epoch)
  const staged = relationship.space.replica.stageKey({
    epoch: { key: epochKey },
    clear: wrapShareKey({ epochKey, spaceTag, to: request.wrap, random }),
    body: shareKeyBody(),
    follows: epochKeys.size === 0 ? [] : [previous],
  })
  step.join(relationship.space.replica, staged)
  step.add({
    kind: "shareEpoch",
    value: { relationship: id, epoch: staged.epochId, epochKey },
  })
  step.after(() => relationship.space.absorb(staged.entries))
}
