/**
 * What makes a data folder this device of this record: its keys, and the keys of the record space
 * that never rotate. Kept in one record of the vault, so it is sealed like everything else.
 *
 * Source: DESIGN, "Keys".
 *
 * @module
 */
import type { RecordKeys } from "@fulcrum/access/beacon"
import { bytes, decodeAs, encodeAs, type Schema, struct, text } from "@fulcrum/codec/schema"
import { chainKeySchema, type EpochId, epochIdSchema, spaceTagSchema } from "@fulcrum/log/ids"
import type { Vault, VaultOp } from "@fulcrum/store/vault"

export interface DeviceState {
  readonly id: Uint8Array
  readonly name: string
  readonly writerSeed: Uint8Array
  readonly wrapSecret: Uint8Array
  /** The record space's tag: random, one generation, made at `init`. */
  readonly spaceTag: Uint8Array
  readonly chainKey: Uint8Array
  /** Own devices know each other by it; it does not rotate. */
  readonly meetingKey: Uint8Array
  /** Id of the first epoch, by which the membership log is known to be this record's. */
  readonly genesis: Uint8Array
}

export const deviceStateSchema: Schema<DeviceState> = struct({
  id: bytes(16),
  name: text(64),
  writerSeed: bytes(32),
  wrapSecret: bytes(32),
  spaceTag: bytes(32),
  chainKey: bytes(32),
  meetingKey: bytes(32),
  genesis: bytes(32),
})

/** What makes it this record. */
export function recordKeysOf(device: DeviceState): RecordKeys {
  return {
    space: spaceTagSchema.decode(device.spaceTag),
    chainKey: chainKeySchema.decode(device.chainKey),
    meetingKey: device.meetingKey,
    genesis: epochIdSchema.decode(device.genesis),
  }
}

const TABLE = "engine.device"
const GROUP: Uint8Array = new Uint8Array()
/** Order of the mark that this device was removed. */
const REMOVED = 1

export async function readDeviceState(vault: Vault): Promise<DeviceState | undefined> {
  const stored = await vault.table(TABLE).get(GROUP)
  return stored === undefined ? undefined : decodeAs(deviceStateSchema, stored, { bytesMax: 1024 })
}

export function putDeviceState(vault: Vault, value: DeviceState): VaultOp {
  return vault.table(TABLE).put(GROUP, 0, encodeAs(deviceStateSchema, value))
}

/** Marks this device as removed, by the word of a member, which was sealed under this epoch. */
export function putRemoved(vault: Vault, epoch: EpochId): VaultOp {
  return vault.table(TABLE).put(GROUP, REMOVED, epoch)
}

/** What {@link putRemoved} kept. */
export function removedUnder(vault: Vault): Promise<Uint8Array | undefined> {
  return vault.table(TABLE).get(GROUP, REMOVED)
}
