/**
 * One device as far as the first sync needs it: a vault on a store, the record's log in it, and
 * the documents made of what the log admits.
 *
 * @module
 */
import { canonicalJson } from "@fulcrum/codec/json"
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { PeerSpace } from "@fulcrum/engine/sync-link"
import { systemDeflate } from "@fulcrum/log/deflate"
import { idKey } from "@fulcrum/log/ids"
import { openReplica, type Replica } from "@fulcrum/log/replica"
import { type DocumentId, type Documents, documentId } from "@fulcrum/record/documents"
import type { Store } from "@fulcrum/store"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { recordColumns } from "../packages/engine/src/items/record-columns.ts"
import { recordItems } from "../packages/engine/src/items/record-items.ts"
import {
  type RecordShape,
  type SeededValues,
  type SpaceKeys,
  shapeSeed,
  spaceKeysOf,
} from "./seeded-record.ts"

export interface BenchDevice {
  readonly vault: Vault
  readonly replica: Replica
}

export interface BenchDeviceOptions {
  readonly store: Store
  readonly keys: SpaceKeys
  /** Decides what is written: ids, keys and salts. */
  readonly random: Random
  /** Seals the vault; changes no size. */
  readonly vaultRandom: Random
  /** What is in the entries is nobody's record. */
  readonly isOpaque?: boolean
}

/** What the log has admitted of each document, to make it of. */
export type ChangesByDocument = Map<DocumentId, Uint8Array[]>

const VAULT_KEY_BYTES = 32

export async function openBenchDevice(options: BenchDeviceOptions): Promise<BenchDevice> {
  const { store, keys, random, vaultRandom } = options
  const { tag, chainKey, epoch } = keys
  const key = vaultRandom.bytes(VAULT_KEY_BYTES)
  const vault = await openVault({ store, key, random: vaultRandom })
  const replica = await openReplica({
    vault,
    keyring: {
      tag,
      chainKey,
      current: epoch,
      epochKey: (id) => (idKey(id) === idKey(epoch.id) ? epoch.key : undefined),
    },
    writer: { begin: () => ({ key: generateSigningKey(random), certificate: new Uint8Array() }) },
    random,
    deflate: systemDeflate(),
    ...(options.isOpaque !== true && { bodies: recordColumns }),
  })
  return { vault, replica }
}

/**
 * A device of a seeded record, on a disk in memory.
 *
 * @param counted - What makes its store count.
 */
export async function openMemoryDevice(
  shape: RecordShape,
  name: string,
  counted: (store: Store) => Store = (store) => store,
): Promise<BenchDevice> {
  const seed = shapeSeed(shape)
  return openBenchDevice({
    store: counted(await openMemoryStore({ disk: new MemoryDisk() })),
    keys: spaceKeysOf(shape),
    random: seed.fork(name),
    vaultRandom: seed.fork(`${name} vault`),
  })
}

/** The space as a sync session drives it. */
export function peerSpace(
  { replica }: BenchDevice,
  { tag, chainKey }: SpaceKeys,
  admitted: (spans: readonly Uint8Array[]) => Promise<void>,
): PeerSpace {
  return { tag, chainKey, log: replica, admit: admitted }
}

/** Takes spans durably, and keeps what they say of the documents. */
export async function admitChanges(
  { replica }: BenchDevice,
  spans: readonly Uint8Array[],
  changes: ChangesByDocument,
): Promise<void> {
  for (const result of await replica.admit(spans)) {
    if (result.outcome !== "admitted") throw new Error(`a span was ${result.outcome}`)
    for (const { kind, body } of result.entries) {
      if (kind !== "payload") continue
      for (const item of recordItems.decode(body)) {
        if (item.kind !== "change") continue
        const { document, change } = item.value
        keepChange(changes, documentId(document), change)
      }
    }
  }
}

/** Reads every document and compares it: a wrong answer cannot be fast. */
export async function checkValues(documents: Documents, expected: SeededValues): Promise<void> {
  for (const [document, value] of expected) {
    const read = await documents.read(document)
    if (read === undefined || canonicalJson(read) !== canonicalJson(value)) {
      throw new Error(`${document} has other values than were written`)
    }
  }
}

function keepChange(changes: ChangesByDocument, document: DocumentId, change: Uint8Array): void {
  const kept = changes.get(document)
  if (kept === undefined) changes.set(document, [change])
  else kept.push(change)
}
