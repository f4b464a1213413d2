/**
 * Changing who belongs: each change is one key span that announces a new epoch, and is atomic with
 * it (SECURITY R9). What follows a removal is part of the same write; where several were made at once,
 * whoever sees that they were does the rest.
 *
 * Source: DESIGN, "Keys" (rotation, removing a device).
 *
 * @module
 */
import type { DeviceId } from "@fulcrum/access/device"
import type { MembershipChange } from "@fulcrum/access/key-body"
import { makeKeySpanParts } from "@fulcrum/access/rotation"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import { epochKeySchema } from "@fulcrum/log/ids"
import type { Vault } from "@fulcrum/store/vault"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import { joinMailboxes, moveRecord } from "../mailboxes/record-mailboxes.ts"
import type { EpochSecret } from "../membership/membership.ts"
import type { Relationships } from "./relationships.ts"
import { type Dues, duesOf, isAnyDue, sayRenewed } from "./removal-dues.ts"
import { sayAccess } from "./share-access.ts"
import { standBy, succeed, successorSecret } from "./share-rotation.ts"

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

/** Where relationships' keys are replaced with it. */
export interface RemovalWriter extends MembershipWriter {
  readonly clock: Clock
  readonly vault: Vault
  readonly relationships: Relationships
}

/**
 * Removes a member: the record gets a new key and moves to mailboxes that the removed device does not
 * know, and every relationship gets a key of its own and of its share that it does not have, all in
 * one atomic write.
 */
export async function removeDevice(parts: RemovalWriter, device: DeviceId): Promise<void> {
  for (;;) {
    await parts.relationships.openNew()
    try {
      return await removeNow(parts, device)
    } catch (error) {
      // One more company came to be known meanwhile.
      if (!(error instanceof UnopenedError)) throw error
    }
  }
}

class UnopenedError extends Error {
  override readonly name = "UnopenedError"
}

function removeNow(parts: RemovalWriter, device: DeviceId): Promise<void> {
  const { ledger } = parts
  return changeMembership(
    parts,
    ({ record }) => [{ kind: "remove", value: { device, on: record.vector } }],
    (step, epoch) => {
      if (!areOpen(parts)) throw new UnopenedError()
      follow(step, parts, { dues: duesOf(ledger, epoch), pending: epoch })
    },
  )
}

/**
 * Rotates where membership says so, and follows up on removals that were made at the same time. Any
 * device does what is not done; two that do so at once do no harm.
 *
 * @param isPatient - Leaves what is due to whoever removed the device.
 * @returns Whether it was left.
 */
export async function followRemovals(
  parts: RemovalWriter,
  { isPatient }: { readonly isPatient: boolean } = { isPatient: false },
): Promise<boolean> {
  const { ledger, relationships, random, clock, vault } = parts
  const { view } = ledger.membership
  if (view.heads.length > 0 && (view.current === undefined || view.concurrent)) {
    await changeMembership(parts, () => [{ kind: "rotate", value: {} }])
  }
  let isLeft = false
  await ledger.transact(async (step) => {
    const dues = duesOf(ledger)
    const isDue = isAnyDue(dues)
    isLeft = isDue && isPatient
    // Once all are open: the record's news have this done again.
    if (isLeft || (isDue && !areOpen(parts))) return
    follow(step, parts, { dues })
    if (dues.record.length === 0) joinMailboxes(step, ledger, { vault })
    for (const relationship of relationships.all) {
      if (dues.relationships.has(relationship.id)) continue
      // Devices that removed another at once made several successors.
      if (relationship.space.ownKeys.length > 1) {
        sayAccess(step, succeed(step, { ledger, relationship, random, clock }), parts)
      }
    }
  })
  if (!relationships.all.some(({ space }) => space.isOrphaned)) return isLeft
  await ledger.transact(async (step) => {
    for (const relationship of relationships.all) standBy(step, relationship)
  })
  return isLeft
}

/** Whether none is passed over: a company that is would keep the key that the removed device has. */
function areOpen({ ledger, relationships }: RemovalWriter): boolean {
  return [...ledger.state.relationships.keys()].every((id) => relationships.get(id) !== undefined)
}

/** @param pending - The epoch that a removal brings, in whose write this is. */
function follow(
  step: Step,
  { ledger, relationships, random, clock, vault }: RemovalWriter,
  { dues, pending }: { readonly dues: Dues; readonly pending?: EpochSecret },
): void {
  if (dues.record.length > 0) moveRecord(step, ledger, { random, vault, pending })
  const secret = successorSecret(ledger, pending)
  const due = relationships.all.filter(({ id }) => dues.relationships.has(id))
  const access = due.flatMap((relationship) =>
    succeed(step, { ledger, relationship, random, clock, secret }),
  )
  sayAccess(step, access, { clock })
  sayRenewed(step, dues)
  for (const epoch of dues.record) step.add({ kind: "removalDone", value: { epoch } })
}
