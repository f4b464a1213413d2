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
import { epochKeySchema } from "@fulcrum/log/ids"
import type { Ledger } from "./ledger.ts"
import type { Step } from "./ledger-step.ts"
import type { EpochSecret } from "./membership.ts"
import { joinMailboxes, moveRecord } from "./record-mailboxes.ts"
import type { Relationships } from "./relationships.ts"
import { standBy, succeed } from "./share-rotation.ts"

export interface MembershipWriter {
  readonly ledger: Ledger
  readonly random: Random
  /** Absent: a device. */
  readonly author?: "device" | "recovery"
}

/**
 * Commits membership changes under a new epoch.
 *
 * @param author - Whose word it is: the recovery words may bring a removed device back.
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
 * the removed device does not know, and every relationship gets a key of its own and of its share
 * that it does not have. Any device does what is not done; two that do so at once do no harm.
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
    const isDue = due.size > 0
    if (isDue) moveRecord(step, ledger, random)
    else joinMailboxes(step, ledger)
    for (const relationship of relationships.all) {
      // Devices that removed another at once made several successors.
      const isParted = relationship.space.ownKeys.length > 1
      if (isDue || isParted) succeed(step, { ledger, relationship, random })
    }
    for (const { epoch } of removals) {
      if (due.has(bytesToHex(epoch))) step.add({ kind: "removalDone", value: { epoch } })
    }
  })
  if (!relationships.all.some(({ space }) => space.isOrphaned)) return
  await ledger.transact(async (step) => {
    for (const relationship of relationships.all) standBy(step, relationship)
  })
}
