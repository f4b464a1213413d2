/**
 * A record made anew from a damaged vault: the device's own keys and notes are taken over, and of the
 * logs every span that can still be read. Each of those is checked like one from a stranger, so
 * nothing damaged or old gets in; what comes after a hole waits, and comes in once another device or a
 * relay has brought what is missing. All else is made from the logs. The device writes on under a new
 * incarnation, as after any start.
 *
 * @module
 */
import type { Random } from "@fulcrum/crypto/random"
import { spaceTagSchema } from "@fulcrum/log/ids"
import type { IncarnationTree } from "@fulcrum/log/incarnation-tree"
import { salvageEnds, salvageSpans } from "@fulcrum/log/salvage"
import type { Store } from "@fulcrum/store"
import { openVault, type Vault } from "@fulcrum/store/vault"
import type { VaultDamage } from "@fulcrum/store/vault-error"
import { type DeviceState, putDeviceState, readDeviceState } from "./device-state.ts"
import { EngineError } from "./engine-error.ts"
import { errorCode } from "./error-code.ts"
import { type Hints, hintsOf, putHints, readHints } from "./hints.ts"
import { ItemTable } from "./item-table.ts"
import { Membership } from "./membership.ts"
import type { PersonOptions } from "./open-person.ts"
import { openOwnRecord } from "./own-record.ts"
import { RecordState } from "./record-state.ts"
import { missingAfterRepair, repairNotes } from "./repair-notes.ts"
import { readSpare } from "./spare.ts"

export interface RepairOptions extends Omit<PersonOptions, "store" | "network" | "discovery"> {
  /** What can be had of the damaged store. */
  readonly damaged: Store
  /** Empty. */
  readonly into: Store
}

export interface RepairReport {
  /** What did not add up; empty: only the files did not. */
  readonly damage: readonly VaultDamage[]
  /** Entries of the record that are here. */
  readonly entries: number
  /** Entries of the record that were here, as far as that can be told, and are not. */
  readonly missing: number
}

/**
 * What only this device has; all other tables are made from the logs, or are asked for anew. An old
 * record of these does no harm. A pairing is begun anew: an old one could give a code a second guess.
 */
const OWN_TABLES = [
  "engine.device",
  "engine.epochs",
  "engine.knocked",
  "engine.left",
  "engine.alarms",
  "engine.undo",
  "engine.repair",
] as const

const lengthOf = ({ length }: Uint8Array): number => length

const BATCH_MAX = 256
const BYTES_MAX: number = 4 * 1024 * 1024

/** Whether every record of a store opens and none is missing; closes it. @throws {VaultError | StoreError} */
export async function isVaultWhole(options: {
  readonly store: Store
  readonly vaultKey: Uint8Array
  readonly random: Random
}): Promise<boolean> {
  const { store, vaultKey, random } = options
  await using _ = store
  try {
    await openVault({ store, key: vaultKey, random, verify: "all" })
    return true
  } catch (error) {
    if (errorCode(error) === "VAULT_DAMAGED") return false
    throw error
  }
}

/**
 * Makes the record anew in `into`, and closes both stores.
 *
 * @throws {EngineError} `REPAIR_KEYS_LOST`: the device's own keys are among what is damaged.
 * @throws {VaultError} `VAULT_KEY_WRONG`. @throws {StoreError}
 */
export async function repairPerson(options: RepairOptions): Promise<RepairReport> {
  const { vaultKey, random } = options
  const open = (store: Store) => openVault({ store, key: vaultKey, random, verify: "repair" })
  await using damaged = await open(options.damaged)
  await using vault = await open(options.into)
  const spare = options.spare && (await readSpare(options.spare, vaultKey))
  const device = (await readDeviceState(damaged)) ?? spare?.device
  if (device === undefined) {
    throw new EngineError("REPAIR_KEYS_LOST", "this device's own keys are among what is damaged")
  }
  const epochs = vault.table("engine.epochs")
  await vault.write([
    putDeviceState(vault, device),
    putHints(vault, await salvageHints(damaged, device, spare?.hints)),
    ...(spare?.epochs ?? []).map(({ id, key }) => epochs.put(id, 0, key)),
  ])
  for (const table of OWN_TABLES) await copyTable(damaged, vault, table)
  const { ledger, relationships } = await openOwnRecord({ ...options, vault, device })
  try {
    const { record, membership } = ledger
    for await (const spans of inBatches(salvageSpans(damaged, membership.tag), lengthOf)) {
      await ledger.admit(spans)
    }
    await relationships.openNew()
    for (const { space, secrets } of relationships.all) {
      const tag = spaceTagSchema.decode(secrets.item.spaceTag)
      for await (const spans of inBatches(salvageSpans(damaged, tag), lengthOf))
        await space.admit(spans)
    }
    for await (const ends of inBatches(salvageEnds(damaged, membership.tag))) {
      await vault.write(repairNotes(vault, ends))
    }
    const missing = await missingAfterRepair(vault, record.tree)
    return { damage: damaged.damage, entries: entriesOf(record.tree), missing: missing ?? 0 }
  } finally {
    await ledger.close()
  }
}

/**
 * Whom it may meet, where, and where the record lies, as far as that can be told: without the first
 * entries of the record the device is as one that has just joined.
 */
async function salvageHints(
  damaged: Vault,
  device: DeviceState,
  before: Hints | undefined,
): Promise<Hints> {
  const { certificates } = await Membership.open(damaged, device)
  const state = new RecordState()
  for await (const item of new ItemTable(damaged).all()) state.apply(item)
  return hintsOf(certificates, state, before ?? (await readHints(damaged)))
}

async function copyTable(from: Vault, into: Vault, name: string): Promise<void> {
  const table = into.table(name)
  for await (const records of inBatches(from.table(name).groups(), ({ value }) => value.length)) {
    await into.write(records.map(({ group, order, value }) => table.put(group, order, value)))
  }
}

/** Some at a time, and of what has a size about {@link BYTES_MAX} at most. */
async function* inBatches<T>(
  items: AsyncIterable<T>,
  sizeOf: (item: T) => number = () => 0,
): AsyncIterable<readonly T[]> {
  let batch: T[] = []
  let bytes = 0
  for await (const item of items) {
    batch.push(item)
    bytes += sizeOf(item)
    if (batch.length < BATCH_MAX && bytes < BYTES_MAX) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

function entriesOf(tree: IncarnationTree): number {
  let entries = 0
  for (const { first, sequence } of tree.nodes()) entries += sequence - first + 1
  return entries
}
