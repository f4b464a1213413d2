/**
 * Where a person's devices are in scenario *members*: machines, what is on their disks, and the
 * programs that run there. The recovery words have one too, as if somebody typed them in each time.
 *
 * @module
 */
import type { DeviceCertificate } from "@fulcrum/access/device"
import { reduceMembership } from "@fulcrum/access/membership"
import { makeKeySpanParts } from "@fulcrum/access/rotation"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { type DeviceState, putDeviceState } from "@fulcrum/engine/device-state"
import { systemDeflate } from "@fulcrum/log/deflate"
import {
  chainKeySchema,
  epochIdSchema,
  epochKeySchema,
  NO_EPOCH,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import { openReplica } from "@fulcrum/log/replica"
import type { MemoryDisk } from "@fulcrum/store/memory"
import { openVault } from "@fulcrum/store/vault"
import type { Machine } from "./machine.ts"
import type { MemberHistory, Someone } from "./member-history.ts"
import { deviceKeys, keySpanRandom, wordsKeys } from "./member-keys.ts"
import { type Given, type MemberProgram, VAULT_KEY } from "./member-program.ts"

export interface Place {
  readonly machine: Machine
  readonly by: Someone
  readonly members: readonly DeviceCertificate[]
  /** Starts from the disk, or ran last. */
  program: MemberProgram | undefined
  /** A copy of its folder, and what it had acknowledged by then. */
  backup: { readonly disk: MemoryDisk; readonly acknowledged: ReadonlySet<string> } | undefined
}

/** What all devices of one record have in common. */
export type RecordKeys = Pick<DeviceState, "spaceTag" | "chainKey" | "meetingKey" | "genesis">

export function someDevice(index: number): Someone {
  const { secrets } = deviceKeys(index)
  return {
    id: bytesToHex(secrets.id),
    name: secrets.name,
    isWords: false,
    writer: bytesToHex(secrets.writer.publicKey),
    wrap: secrets.wrap,
    rings: [],
  }
}

export function someWords(index: number): Someone {
  const { keys } = wordsKeys(index)
  return {
    id: `words ${index}`,
    name: `words-${index}`,
    isWords: true,
    writer: bytesToHex(keys.writer.publicKey),
    wrap: keys.wrap,
    rings: [],
  }
}

/** Makes the record, on its first device's disk, with the first recovery words. */
export async function foundRecord(
  machine: Machine,
  index: number,
  history: MemberHistory,
  by: Someone,
): Promise<RecordKeys> {
  const life = machine.start()
  const { random } = life
  const store = await machine.openStore(life)
  const vault = await openVault({ store, key: VAULT_KEY, random })
  const { secrets, certificate } = deviceKeys(index)
  const tag = spaceTagSchema.decode(random.bytes(32))
  const chainKey = chainKeySchema.decode(random.bytes(32))
  const drawn = keySpanRandom(history.nextKeySpan())
  const epochKey = epochKeySchema.decode(drawn.bytes(32))
  const replica = await openReplica({
    vault,
    keyring: { tag, chainKey, epochKey: () => undefined, current: undefined },
    writer: { begin: () => ({ key: secrets.writer, certificate: new Uint8Array() }) },
    random,
    deflate: systemDeflate(),
  })
  history.watchFirst(replica, by)
  const parts = makeKeySpanParts({
    membership: reduceMembership([], NO_EPOCH),
    changes: [
      { kind: "add", value: { certificate } },
      { kind: "recovery", value: { certificate: wordsKeys(0).certificate } },
    ],
    epochKey,
    previousKeys: [],
    random: drawn,
  })
  const staged = replica.stageKey({ epoch: { key: epochKey }, ...parts })
  const { epochId } = staged
  const common = { spaceTag: tag, chainKey, meetingKey: random.bytes(32), genesis: epochId }
  await vault.write([
    ...staged.ops,
    vault.table("engine.epochs").put(epochId, 0, epochKey),
    putDeviceState(vault, deviceState(common, index)),
  ])
  staged.commit()
  machine.crash()
  return common
}

/** Puts a device on an empty disk, with what it was given when it paired. */
export async function joinRecord(
  machine: Machine,
  common: RecordKeys,
  joining: { readonly index: number; readonly given: Given },
): Promise<void> {
  await putState(machine, deviceState(common, joining.index), joining.given.epochs)
}

/** The same for recovery words, which nobody gives any keys. */
export async function typeWords(
  machine: Machine,
  common: RecordKeys,
  index: number,
): Promise<void> {
  const { keys } = wordsKeys(index)
  const id = new Uint8Array(16).fill(index)
  const secrets = { writerSeed: keys.writer.seed, wrapSecret: keys.wrap.secret }
  await putState(machine, { ...common, ...secrets, id, name: machine.name }, [])
}

function deviceState(common: RecordKeys, index: number): DeviceState {
  const { id, name, writer, wrap } = deviceKeys(index).secrets
  return { ...common, id, name, writerSeed: writer.seed, wrapSecret: wrap.secret }
}

async function putState(
  machine: Machine,
  state: DeviceState,
  epochs: Given["epochs"],
): Promise<void> {
  const life = machine.start()
  const store = await machine.openStore(life)
  const vault = await openVault({ store, key: VAULT_KEY, random: life.random })
  const table = vault.table("engine.epochs")
  await vault.write([
    putDeviceState(vault, state),
    ...epochs.map(({ id, key }) => table.put(epochIdSchema.decode(id), 0, key)),
  ])
  machine.crash()
}
