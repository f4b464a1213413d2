/**
 * The record in a device's vault, opened: who belongs, the log and what it adds up to, and the
 * shares. Nothing of it is on the network yet.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "@fulcrum/log/deflate"
import { openReplica } from "@fulcrum/log/replica"
import type { Documents, Reload } from "@fulcrum/record/documents"
import type { Vault } from "@fulcrum/store/vault"
import { recordColumns } from "../items/record-columns.ts"
import { Ledger } from "../ledger/ledger.ts"
import type { DeviceState } from "../membership/device-state.ts"
import { Membership } from "../membership/membership.ts"
import { Relationships } from "./relationships.ts"
import { duesOf, isAnyDue } from "./removal-dues.ts"

export interface OwnRecordOptions {
  readonly vault: Vault
  readonly device: DeviceState
  readonly openDocuments: (reload: Reload) => Promise<Documents>
  readonly random: Random
  readonly clock: Clock
  readonly deflate: Deflate
}

export interface OwnRecord {
  readonly ledger: Ledger
  readonly relationships: Relationships
}

/** @returns It closes with its ledger. */
export async function openOwnRecord(options: OwnRecordOptions): Promise<OwnRecord> {
  const { vault, device, random, clock, deflate, openDocuments } = options
  const membership = await Membership.open(vault, device)
  const writer = signingKeyFromSeed(device.writerSeed)
  const record = await openReplica({
    vault,
    keyring: membership,
    writer: { begin: () => ({ key: writer, certificate: new Uint8Array() }) },
    checkWriter: membership.checkWriter,
    random,
    deflate,
    bodies: recordColumns,
    clock,
  })
  const ledger = await Ledger.open({ vault, record, membership, clock, openDocuments })
  try {
    const mayTell = () =>
      !membership.isRemoved(device.id) && !membership.isOutdated && !isAnyDue(duesOf(ledger))
    const shared = { ledger, vault, random, clock, deflate, mayTell }
    return { ledger, relationships: await Relationships.open(shared) }
  } catch (error) {
    await ledger.close()
    throw error
  }
}
