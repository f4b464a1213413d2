/**
 * Devices for tests: replicas of one space in vaults in memory.
 *
 * @module
 */
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import {
  type ChainKey,
  chainKeySchema,
  type EpochId,
  type EpochKey,
  epochIdSchema,
  epochKeySchema,
  idKey,
  type SpaceTag,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import { openReplica, type Replica } from "@fulcrum/log/replica"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"

export interface SpaceSecrets {
  readonly random: SeededRandom
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  readonly epoch: { readonly id: EpochId; readonly key: EpochKey }
}

export interface Device {
  readonly disk: MemoryDisk
  readonly vault: Vault
  readonly replica: Replica
}

let opened = 0

export function spaceSecrets(seed: string): SpaceSecrets {
  const random = seededRandom(seed)
  return {
    random,
    tag: spaceTagSchema.decode(random.bytes(32)),
    chainKey: chainKeySchema.decode(random.bytes(32)),
    epoch: {
      id: epochIdSchema.decode(random.bytes(32)),
      key: epochKeySchema.decode(random.bytes(32)),
    },
  }
}

export async function openDevice(
  { tag, chainKey, epoch }: SpaceSecrets,
  name: string,
  options: { readonly disk?: MemoryDisk } = {},
): Promise<Device> {
  const { disk = new MemoryDisk() } = options
  // Each start draws anew, as a process does.
  const random = seededRandom(`${name} ${opened++}`)
  const store = await openMemoryStore({ disk })
  const vault = await openVault({ store, key: new Uint8Array(32).fill(7), random })
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
  })
  return { disk, vault, replica }
}

export async function append(device: Device, ...texts: string[]): Promise<readonly Uint8Array[]> {
  return appendBytes(device, ...texts.map((text) => new TextEncoder().encode(text)))
}

export async function appendBytes(
  { replica, vault }: Device,
  ...bodies: Uint8Array[]
): Promise<readonly Uint8Array[]> {
  const staged = replica.stage(bodies.map((body) => ({ kind: "payload", body })))
  await vault.write(staged.ops)
  staged.commit()
  return staged.spans
}

/** What the payload entries say, in the order of arrival. */
export async function textsOf(replica: Replica): Promise<string[]> {
  const texts: string[] = []
  for await (const { kind, body } of replica.entriesAfter(0)) {
    if (kind === "payload") texts.push(new TextDecoder().decode(body))
  }
  return texts
}
