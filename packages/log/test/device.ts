/**
 * Devices for tests: replicas of one space in vaults on memory disks that can fail.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import { type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import type { Store } from "@fulcrum/store"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"
import type { Deflate } from "../src/deflate.ts"
import type { EpochId, EpochKey } from "../src/ids.ts"
import { idKey } from "../src/ids.ts"
import { type AdmittedEntry, type MergedSpan, openReplica, type Replica } from "../src/replica.ts"
import type { CheckWriter, SpaceKeyring, WriterSource } from "../src/space-keyring.ts"
import type { VersionVector } from "../src/vector.ts"
import { deflate, type SpaceSecrets } from "./fixture.ts"

export interface Device {
  readonly disk: MemoryDisk
  readonly random: SeededRandom
  readonly keyring: TestKeyring
  readonly vault: Vault
  readonly replica: Replica
}

export interface TestKeyring extends SpaceKeyring {
  current: { readonly id: EpochId; readonly key: EpochKey } | undefined
  readonly epochs: Map<string, EpochKey>
}

export interface DeviceOptions {
  readonly disk?: MemoryDisk
  readonly knowsEpoch?: boolean
  readonly checkWriter?: CheckWriter
  readonly openKeySpan?: SpaceKeyring["openKeySpan"]
  readonly openedKeySpan?: SpaceKeyring["openedKeySpan"]
  readonly carriedKey?: SpaceKeyring["carriedKey"]
  /** What to open the vault on instead of the disk. */
  readonly store?: Store
  /** Signs each of its starts; absent: each has a key of its own. */
  readonly signer?: SigningKey
  /** What may be done with each of its incarnations, and what its entries name. */
  readonly lines?: Pick<WriterSource, "standing" | "namesNothing">
  /** Absent: the system's. */
  readonly deflate?: Deflate
  /** Absent: nothing goes in slices. */
  readonly clock?: Clock
}

let opened = 0

export async function openDevice(
  space: SpaceSecrets,
  name: string,
  options: DeviceOptions = {},
): Promise<Device> {
  const { disk = new MemoryDisk(), knowsEpoch = true, checkWriter, openKeySpan } = options
  // Each start draws anew, as a process does.
  const random = seededRandom(`${name} ${opened++}`)
  const epochs = new Map<string, EpochKey>()
  if (knowsEpoch) epochs.set(idKey(space.epoch.id), space.epoch.key)
  const keyring: TestKeyring = {
    tag: space.tag,
    chainKey: space.chainKey,
    epochs,
    epochKey: (id) => epochs.get(idKey(id)),
    current: knowsEpoch ? space.epoch : undefined,
    ...(openKeySpan && { openKeySpan }),
    ...(options.openedKeySpan && { openedKeySpan: options.openedKeySpan }),
    ...(options.carriedKey && { carriedKey: options.carriedKey }),
  }
  const store = options.store ?? (await openMemoryStore({ disk }))
  const vault = await openVault({ store, key: new Uint8Array(32).fill(7), random })
  const replica = await openReplica({
    vault,
    keyring,
    writer: {
      ...options.lines,
      begin: () => ({
        key: options.signer ?? generateSigningKey(random),
        certificate: new Uint8Array(),
      }),
    },
    random,
    deflate: options.deflate ?? deflate,
    ...(checkWriter && { checkWriter }),
    ...(options.clock && { clock: options.clock }),
  })
  return { disk, random, keyring, vault, replica }
}

export async function append(device: Device, ...texts: string[]): Promise<readonly Uint8Array[]> {
  const items = texts.map((text) => ({
    kind: "payload" as const,
    body: new TextEncoder().encode(text),
  }))
  const staged = device.replica.stage(items)
  await device.vault.write(staged.ops)
  staged.commit()
  return staged.spans
}

export async function entriesOf(replica: Replica, after = 0): Promise<AdmittedEntry[]> {
  const entries: AdmittedEntry[] = []
  for await (const entry of replica.entriesAfter(after)) entries.push(entry)
  return entries
}

/** What the payload entries say, in the order of arrival. */
export async function textsOf(replica: Replica): Promise<string[]> {
  const entries = await entriesOf(replica)
  return entries
    .filter(({ kind }) => kind === "payload")
    .map(({ body }) => new TextDecoder().decode(body))
}

/** All spans that are kept, in the order of arrival. */
export async function spansOf(replica: Replica): Promise<readonly Uint8Array[]> {
  const spans: Uint8Array[] = []
  for (let vector: VersionVector = []; ; ) {
    const next = await replica.spansAfter(vector, { bytesMax: 1_000_000 })
    if (next.spans.length === 0) return spans
    spans.push(...next.spans)
    vector = next.reached
  }
}

/** Merges all that is due. @returns The merged spans. */
export async function mergeAll(replica: Replica): Promise<readonly MergedSpan[]> {
  const merged: MergedSpan[] = []
  for (;;) {
    const one = await replica.merging.merge()
    if (one === undefined) return merged
    merged.push(one)
  }
}

/** All that one has goes to the other. */
export async function carry(from: Replica, to: Replica): Promise<void> {
  for (;;) {
    const { spans } = await from.spansAfter(to.vector, { bytesMax: 100_000 })
    if (spans.length === 0) return
    const before = to.digest
    await to.admit(spans)
    if (before === to.digest) return
  }
}
