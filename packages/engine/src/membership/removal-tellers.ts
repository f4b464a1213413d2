/**
 * Who can tell a device, as they meet, that it was removed: whoever has a key that it has as well. It
 * may have been away, and then lacks the newest; those who were removed have the older ones.
 *
 * So it is told under several of the epochs before its removal, and believes it under one that nobody had
 * who was removed since, as far as it knows: but for whom it removed itself, and who joined before it. Of
 * two that remove each other that one stays, so that its word is true. The mark in a key span is believed
 * of members, and of that one.
 *
 * Whatever removals it knows of, it has the key of the newest of their epochs, and nobody that they
 * removed has that: so those are among the epochs that it is told under.
 *
 * Source: DESIGN, "Keys" (a removed device gets a notice of its own); decision 24.
 *
 * @module
 */
import type { RemovedDevice } from "@fulcrum/access/member-state"
import { findWriter } from "@fulcrum/access/membership"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { EpochId } from "@fulcrum/log/ids"
import type { EpochSecret, Membership } from "./membership.ts"

/** Epochs that a device is told under: of removals, the newest, and the one that let it in. */
const REMOVALS_MAX = 48
const NEWEST_MAX = 15
export const TOLD_EPOCHS_MAX: number = REMOVALS_MAX + NEWEST_MAX + 1

type Known = Pick<Membership, "entries" | "epochKey" | "view">

/** What a removed device may have the key of, the newest first. */
export function epochsBefore(
  membership: Pick<Known, "entries" | "epochKey">,
  { removals, addedIn }: RemovedDevice,
): readonly EpochSecret[] {
  const [removal] = removals
  if (removal === undefined) return []
  const [, ...before] = following(membership, removal.epoch)
  const ofRemovals = before.filter((epoch) =>
    membership.entries.get(bytesToHex(epoch))?.changes.some(({ kind }) => kind === "remove"),
  )
  const told = [...before.slice(0, NEWEST_MAX), ...ofRemovals.slice(0, REMOVALS_MAX), addedIn]
  const ids = new Map(told.map((id) => [bytesToHex(id), id]))
  return [...ids.values()].flatMap((id) => {
    const key = membership.epochKey(id)
    return key === undefined ? [] : [{ id, key }]
  })
}

/** Whether what is said under this epoch's key is to be believed by a device. */
export function isToBeBelieved(
  { entries, view }: Pick<Known, "entries" | "view">,
  device: Uint8Array,
  epoch: EpochId,
): boolean {
  const before = namesOf(following({ entries }, epoch))
  const stays = stayingBeside({ entries, view }, device)
  return view.removed.every((one) => {
    if (equalBytes(one.id, device)) return true
    return one.removals.every((removal) => before.has(bytesToHex(removal.epoch))) || stays(one)
  })
}

/** @returns Whether a device is to believe whoever writes with this key that it was removed. */
export function removersOf(
  { entries, view }: Pick<Known, "entries" | "view">,
  device: Uint8Array,
): (writer: Uint8Array) => boolean {
  const stays = stayingBeside({ entries, view }, device)
  return (writer) => {
    if (findWriter(view, writer) !== undefined) return true
    const removed = view.removed.find((one) => equalBytes(one.writer, writer))
    return removed !== undefined && stays(removed)
  }
}

/** Which removed device stays if it removed this one as well: nobody else did, and it joined earlier. */
function stayingBeside(
  { entries, view }: Pick<Known, "entries" | "view">,
  device: Uint8Array,
): (removed: RemovedDevice) => boolean {
  const own = [...view.devices, ...view.removed].find(({ id }) => equalBytes(id, device))
  let beforeOwn: ReadonlySet<string> | undefined
  return ({ removals, addedIn }) => {
    const isByOwn = removals.every(({ by }) => by !== undefined && equalBytes(by, device))
    if (own === undefined || !isByOwn) return false
    beforeOwn ??= namesOf(following({ entries }, own.addedIn))
    return beforeOwn.has(bytesToHex(addedIn))
  }
}

/** Whether an epoch is this one, or one that it follows at any distance. */
export function isUpTo(
  membership: Pick<Known, "entries">,
  last: EpochId,
  epoch: Uint8Array,
): boolean {
  return [...following(membership, last)].some((one) => equalBytes(one, epoch))
}

/** An epoch and all that it follows, the nearest first. */
function* following(
  { entries }: Pick<Known, "entries">,
  from: EpochId,
): Generator<EpochId, void, void> {
  const seen = new Set([bytesToHex(from)])
  const queue = [from]
  for (const epoch of queue) {
    yield epoch
    for (const one of entries.get(bytesToHex(epoch))?.follows ?? []) {
      if (seen.has(bytesToHex(one))) continue
      seen.add(bytesToHex(one))
      queue.push(one)
    }
  }
}

function namesOf(epochs: Iterable<EpochId>): ReadonlySet<string> {
  return new Set([...epochs].map((epoch) => bytesToHex(epoch)))
}
