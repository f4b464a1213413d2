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
import { EngineError } from "../failures/engine-error.ts"
import { errorCode } from "../failures/error-code.ts"
import { ItemTable } from "../items/item-table.ts"
import { RecordState } from "../items/record-state.ts"
import { type Hints, hintsOf, NO_HINTS, putHints, readHints } from "../ledger/hints.ts"
import { type DeviceState, putDeviceState, readDeviceState } from "../membership/device-state.ts"
import { Membership } from "../membership/membership.ts"
import { byteLength, inBatches } from "../recovery/batches.ts"
import { missingAfterRepair, repairNotes } from "../recovery/repair-notes.ts"
import { readSpare } from "../recovery/spare.ts"
import { type OwnRecord, openOwnRecord } from "../relationships/own-record.ts"
import type { PersonOptions } from "./open-person.ts"

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
  /** Entries of the record that were here and are not; `undefined`: that cannot be told. */
  readonly missing: number | undefined
  /** Other devices and relays of the record that are known: who may have them. */
  readonly others: number
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
  "engine.seen",
  "engine.repair",
] as const

/** They say how far lines went. */
const LINE_TABLES = ["log.tree", "log.spans"]

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
 * @throws {EngineError} `REPAIR_KEYS_LOST`: the device's own keys are among what is damaged;
 * `REPAIR_RECORD_LOST`: nothing of the record can be read, and no other device or relay is known.
 * @throws {VaultError} `VAULT_KEY_WRONG`. @throws {StoreError}
 */
export async function repairPerson(options: RepairOptions): Promise<RepairReport> {
  const { vaultKey, random } = options
  const open = (store: Store) => openVault({ store, key: vaultKey, random, verify: "repair" })
  const spare = options.spare && (await readSpare(options.spare, vaultKey))
  await using damaged = await open(options.damaged).catch((error: unknown) => {
    // The key is right, by the spare: the store is another's, or nothing of it is left.
    if (spare === undefined || errorCode(error) !== "VAULT_KEY_WRONG") throw error
    return undefined
  })
  await using vault = await open(options.into)
  const device = (damaged && (await readDeviceState(damaged))) ?? spare?.device
  if (device === undefined) {
    throw new EngineError("REPAIR_KEYS_LOST", "this device's own keys are among what is damaged")
  }
  const hints = await salvageHints(damaged, device, spare?.hints)
  const epochs = vault.table("engine.epochs")
  await vault.write([
    putDeviceState(vault, device),
    putHints(vault, hints),
    ...(spare?.epochs ?? []).map(({ id, key }) => epochs.put(id, 0, key)),
  ])
  if (damaged) for (const table of OWN_TABLES) await copyTable(damaged, vault, table)
  const { ledger, relationships } = await openOwnRecord({ ...options, vault, device })
  try {
    const { record, membership } = ledger
    if (damaged) await salvageLogs(damaged, vault, { ledger, relationships })
    const missing = await missingAfterRepair(vault, record.tree)
    const damage: readonly VaultDamage[] = damaged?.damage ?? [{ what: "foreign" }]
    const others = hints.mailboxes.length + hints.members.length - 1
    if (!membership.hasJoined && others <= 0) {
      throw new EngineError(
        "REPAIR_RECORD_LOST",
        "nothing of the record can be read, and nobody else has it",
      )
    }
    // Where it knows keys of epochs that its logs do not, it was told of more than it has.
    if (others > 0) await vault.write(membership.putAwaited())
    return {
      damage,
      entries: entriesOf(record.tree),
      missing: isCertain(damage) ? missing : undefined,
      others: Math.max(0, others),
    }
  } finally {
    await ledger.close()
  }
}

/**
 * Whom it may meet, where, and where the record lies, as far as that can be told: without the first
 * entries of the record the device is as one that has just joined.
 */
async function salvageHints(
  damaged: Vault | undefined,
  device: DeviceState,
  before: Hints | undefined,
): Promise<Hints> {
  if (damaged === undefined) return before ?? NO_HINTS
  const { certificates } = await Membership.open(damaged, device)
  const state = new RecordState()
  for await (const item of new ItemTable(damaged).all()) state.apply(item)
  const hints = hintsOf(certificates, state, before ?? (await readHints(damaged)))
  // The spare was written when membership last changed; what can be read may be from before.
  return before && before.members.length > 0 ? { ...hints, members: before.members } : hints
}

async function salvageLogs(
  damaged: Vault,
  vault: Vault,
  { ledger, relationships }: OwnRecord,
): Promise<void> {
  const { tag } = ledger.membership
  for await (const spans of inBatches(salvageSpans(damaged, tag), byteLength)) {
    await ledger.admit(spans)
  }
  await relationships.openNew()
  for (const { space, secrets } of relationships.all) {
    const shareTag = spaceTagSchema.decode(secrets.item.spaceTag)
    for await (const spans of inBatches(salvageSpans(damaged, shareTag), byteLength)) {
      await space.admit(spans)
    }
  }
  for await (const ends of inBatches(salvageEnds(damaged, tag))) {
    await vault.write(repairNotes(vault, ends))
  }
}

async function copyTable(from: Vault, into: Vault, name: string): Promise<void> {
  const table = into.table(name)
  for await (const records of inBatches(from.table(name).groups(), ({ value }) => value.length)) {
    await into.write(records.map(({ group, order, value }) => table.put(group, order, value)))
  }
}

/** Whether how far the lines went can be read: none of the tables that say it lacks anything. */
function isCertain(damage: readonly VaultDamage[]): boolean {
  return damage.every(
    ({ table, what }) => table !== undefined && what !== "root" && !LINE_TABLES.includes(table),
  )
}

function entriesOf(tree: IncarnationTree): number {
  let entries = 0
  for (const { first, sequence } of tree.nodes()) entries += sequence - first + 1
  return entries
}
