/**
 * The keys that a removed device lacks: what is drawn from them is the same for all devices that know
 * of the same removals, and unknown to whoever was removed.
 *
 * Source: DESIGN, "Keys" (removing a device).
 *
 * @module
 */
import { bytesToHex, hexToBytes } from "@fulcrum/codec/bytes"
import { type EpochId, type EpochKey, epochIdSchema } from "@fulcrum/log/ids"
import type { EpochSecret, Membership } from "./membership.ts"

/** A membership as it will be once a removal is written with which something is drawn. */
export interface RemovalKeys {
  readonly membership: Membership
  /** The removal's epoch; absent: all are known. */
  readonly pending?: EpochSecret | undefined
}

/** The epochs of removals, each once. */
export function removalEpochs({ membership, pending }: RemovalKeys): readonly EpochId[] {
  const known = membership.view.removed.flatMap(({ removals }) => removals)
  const epochs = [...known.map(({ epoch }) => epoch), ...(pending ? [pending.id] : [])]
  return [...new Map(epochs.map((epoch) => [bytesToHex(epoch), epoch])).values()]
}

/** The epoch that is written under. */
export function currentEpoch({ membership, pending }: RemovalKeys): EpochId | undefined {
  return pending?.id ?? membership.view.current
}

/** The keys of epochs, each once, by their ids' order. @returns `undefined` if this device lacks one. */
export function keysOfEpochs(
  { membership, pending }: RemovalKeys,
  epochs: readonly EpochId[],
): readonly EpochKey[] | undefined {
  const keys: EpochKey[] = []
  for (const id of [...new Set(epochs.map(bytesToHex))].toSorted()) {
    const isPending = pending !== undefined && id === bytesToHex(pending.id)
    const key = isPending ? pending.key : membership.epochKey(epochIdSchema.decode(hexToBytes(id)))
    if (key === undefined) return undefined
    keys.push(key)
  }
  return keys
}
