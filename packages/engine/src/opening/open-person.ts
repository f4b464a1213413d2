/**
 * Makes, or opens, a person's record in a store.
 *
 * @module
 */
import { certifyDevice, certifyRecovery, generateDevice } from "@fulcrum/access/device"
import { reduceMembership } from "@fulcrum/access/membership"
import {
  generateRecoveryEntropy,
  recoveryKeysFromEntropy,
  recoveryWordsFromEntropy,
} from "@fulcrum/access/recovery-words"
import { makeKeySpanParts } from "@fulcrum/access/rotation"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "@fulcrum/log/deflate"
import { chainKeySchema, epochKeySchema, NO_EPOCH, spaceTagSchema } from "@fulcrum/log/ids"
import { openReplica } from "@fulcrum/log/replica"
import type { Network } from "@fulcrum/net/contract"
import type { Discovery } from "@fulcrum/net/discovery"
import type { Documents, Reload } from "@fulcrum/record/documents"
import type { Store } from "@fulcrum/store"
import type { Blobs } from "@fulcrum/store/blobs"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { EngineError } from "../failures/engine-error.ts"
import { requireRelayAddress } from "../mailboxes/relay-address.ts"
import { type DeviceState, putDeviceState, readDeviceState } from "../membership/device-state.ts"
import type { Person } from "../person/person.ts"
import type { WordsToWrite } from "../person/person-recovery.ts"
import type { SpareFile } from "../recovery/spare.ts"
import { PersonEngine } from "./person-engine.ts"

export interface PersonOptions {
  readonly store: Store
  /** 32 bytes that seal everything in the store. */
  readonly vaultKey: Uint8Array
  readonly network: Network
  /** How own devices find each other on a local network; absent: not that way. */
  readonly discovery?: Discovery
  readonly openDocuments: (reload: Reload) => Promise<Documents>
  readonly random: Random
  readonly clock: Clock
  readonly deflate: Deflate
  /** IANA name of the person's time zone. */
  readonly zone: string
  /** What sort of machine this is, for its person: one short line. Absent: the record does not say. */
  readonly kind?: string | undefined
  /** Where the files of attachments lie; absent: nowhere, and there are none. */
  readonly blobs?: Blobs | undefined
  /** An empty store that is thrown away afterwards, to try the recovery words in; absent: not here. */
  readonly openScratch?: (() => Promise<Store>) | undefined
  /** Where it keeps what it can be made anew from; absent: nowhere. */
  readonly spare?: SpareFile | undefined
}

export interface NewPerson extends WordsToWrite {
  readonly person: Person
}

/**
 * Opens the record that a store holds.
 *
 * @throws {EngineError} `RECORD_ABSENT`. @throws {VaultError | StoreError}
 */
export async function openPerson(options: PersonOptions): Promise<Person> {
  const vault = await openVault({ ...options, key: options.vaultKey })
  return closedIfFails(vault, async () => {
    const device = await readDeviceState(vault)
    if (device === undefined) throw new EngineError("RECORD_ABSENT", "no record here yet")
    return PersonEngine.open({ ...options, vault, device })
  })
}

/**
 * Makes a new record, with this as its first device. If making it was cut off, also before its
 * words were seen, the same again completes it, with the same words.
 *
 * @param options.relays - Relays that keep the record.
 * @throws {EngineError} `RECORD_EXISTS`, `RELAY_ADDRESS_INVALID`.
 */
export async function createPerson(
  options: PersonOptions & { readonly name: string; readonly relays: readonly string[] },
): Promise<NewPerson> {
  // Before anything is written: the words are shown only if all of it worked.
  for (const address of options.relays) requireRelayAddress(address)
  const vault = await openVault({ ...options, key: options.vaultKey })
  const words = vault.table("engine.words")
  let person: PersonEngine | undefined
  try {
    const founded = await readDeviceState(vault)
    const cutOff = await words.get(NOTHING)
    if (founded !== undefined && cutOff === undefined) {
      throw new EngineError("RECORD_EXISTS", "this folder holds a record already")
    }
    const entropy = cutOff ?? generateRecoveryEntropy(options.random)
    const device = founded ?? (await found(vault, entropy, options))
    person = await PersonEngine.open({ ...options, vault, device })
    await person.recovery.putBeacon(entropy)
    for (const address of options.relays) await person.addRelay(address)
    return {
      person,
      words: recoveryWordsFromEntropy(entropy),
      wordsSeen: () => vault.write([words.del(NOTHING, 0)]),
    }
  } catch (error) {
    await (person ?? vault).close().catch(() => undefined)
    throw error
  }
}

const NOTHING: Uint8Array = new Uint8Array()

/** The vault is the caller's only if `work` succeeds. */
async function closedIfFails<T>(vault: Vault, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await vault.close().catch(() => undefined)
    throw error
  }
}

/**
 * Writes the first key span and the device's state, in one batch. The words' entropy is in table
 * `engine.words` until they were seen.
 */
async function found(
  vault: Vault,
  entropy: Uint8Array,
  options: { readonly name: string; readonly random: Random; readonly deflate: Deflate },
): Promise<DeviceState> {
  const { name, random, deflate } = options
  const secrets = generateDevice({ name, random })
  const tag = spaceTagSchema.decode(random.bytes(32))
  const chainKey = chainKeySchema.decode(random.bytes(32))
  const epochKey = epochKeySchema.decode(random.bytes(32))
  const replica = await openReplica({
    vault,
    keyring: { tag, chainKey, epochKey: () => undefined, current: undefined },
    writer: { begin: () => ({ key: secrets.writer, certificate: new Uint8Array() }) },
    random,
    deflate,
  })
  const parts = makeKeySpanParts({
    membership: reduceMembership([], NO_EPOCH),
    changes: [
      { kind: "add", value: { certificate: certifyDevice(secrets) } },
      {
        kind: "recovery",
        value: { certificate: certifyRecovery(recoveryKeysFromEntropy(entropy)) },
      },
    ],
    epochKey,
    previousKeys: [],
    random,
  })
  const staged = replica.stageKey({ epoch: { key: epochKey }, ...parts })
  const device: DeviceState = {
    id: secrets.id,
    name,
    writerSeed: secrets.writer.seed,
    wrapSecret: secrets.wrap.secret,
    spaceTag: tag,
    chainKey,
    meetingKey: random.bytes(32),
    genesis: staged.epochId,
  }
  await vault.write([
    ...staged.ops,
    vault.table("engine.epochs").put(staged.epochId, 0, epochKey),
    putDeviceState(vault, device),
    vault.table("engine.words").put(NOTHING, 0, entropy),
  ])
  staged.commit()
  return device
}
