/**
 * Making this folder a device of a record with its 24 recovery words, from what its relays have, a backup,
 * or a device that still runs.
 *
 * State is in table `engine.recovery`: group empty, order 0, the keys that the device drew, until it is a
 * member; order 1 a hash of the words, by which the same command goes on where it was cut off. Of the
 * words themselves nothing is kept.
 *
 * @module
 */
import {
  type DeviceSecrets,
  decodeDeviceSecrets,
  encodeDeviceSecrets,
  generateDevice,
} from "@fulcrum/access/device"
import {
  entropyFromRecoveryWords,
  type RecoveryKeys,
  recoveryKeysFromEntropy,
} from "@fulcrum/access/recovery-words"
import { equalBytes } from "@fulcrum/codec/bytes"
import { contexts } from "@fulcrum/crypto/contexts"
import { hash } from "@fulcrum/crypto/hash"
import type { Store } from "@fulcrum/store"
import { openVault, type Table, type Vault } from "@fulcrum/store/vault"
import { EngineError } from "../failures/engine-error.ts"
import { putHints } from "../ledger/hints.ts"
import { type DeviceState, putDeviceState, readDeviceState } from "../membership/device-state.ts"
import type { Person } from "../person/person.ts"
import { attachmentsIn, type RestoredSpans, spansIn } from "../recovery/backup.ts"
import { byteLength, inBatches } from "../recovery/batches.ts"
import { askDevice } from "../recovery/recovery-line.ts"
import { openRecovery, type RecoverySession } from "../recovery/recovery-session.ts"
import { openOwnRecord } from "../relationships/own-record.ts"
import type { PersonOptions } from "./open-person.ts"
import { PersonEngine } from "./person-engine.ts"

const NOTHING: Uint8Array = new Uint8Array()
const DEVICE = 0
const WORDS = 1

export interface RecoverOptions extends PersonOptions {
  /** What this device is called. */
  readonly name: string
  /** The 24 words, as they were typed. */
  readonly words: string
  /** Addresses of relays where the record may lie. */
  readonly relays: readonly string[]
  /** A backup, from its beginning each time; then its own relays are asked, and not needed. */
  readonly backup?: (() => AsyncIterable<Uint8Array>) | undefined
  /** Where a device of the record listens that still runs; then no relay is asked either. */
  readonly at?: string | undefined
  /** An empty store, for what is read on the way. */
  readonly openScratch: () => Promise<Store>
  /** Told before it fails, if the same command would find nothing here to go on from. */
  leftNothing?(): void
  readonly signal: AbortSignal
}

export interface RestoredAttachments {
  readonly restored: number
  readonly wrong: readonly string[]
  readonly isCut: boolean
}

export interface Recovered {
  readonly person: Person
  /** Changes of who belongs that a beacon names and no relay has. */
  readonly missingEpochs: number
  /** Whether it holds what a relay, or a device that runs, had of it: a backup alone may be old. */
  readonly isNewest: boolean
  /** Whether the same words brought it back here before: nothing was to be done. */
  readonly wasHere: boolean
}

/**
 * @throws {AccessError} `RECOVERY_WORDS_COUNT`, `RECOVERY_WORD_UNKNOWN`, `RECOVERY_CHECKSUM`.
 * @throws {EngineError} `RECORD_EXISTS`, `RECOVERY_…`.
 */
export async function recoverPerson(options: RecoverOptions): Promise<Recovered> {
  const { store, vaultKey, random } = options
  const vault = await openVault({ store, key: vaultKey, random })
  let run: Run | undefined
  try {
    const recovery = recoveryKeysFromEntropy(entropyFromRecoveryWords(options.words))
    run = new Run(vault, recovery, options)
    return await run.recover()
  } catch (error) {
    if (run?.isBegun !== true) options.leftNothing?.()
    await vault.close().catch(() => undefined)
    throw error
  }
}

/**
 * Puts the attached files back that are in a backup and not here. The record is here already.
 *
 * @returns How many were put back, the names of those that are not what the record says, and whether the
 * backup ends early. @throws {EngineError} `BACKUP_WORDS_OTHER`. @throws What `backup` does.
 */
export async function restoreAttachments(
  person: Person,
  { words, backup }: { readonly words: string; backup(): AsyncIterable<Uint8Array> },
): Promise<RestoredAttachments> {
  const recovery = recoveryKeysFromEntropy(entropyFromRecoveryWords(words))
  const wrong: string[] = []
  let restored = 0
  try {
    for await (const { id, name, content } of attachmentsIn(backup(), recovery)) {
      const came = await person.attachments.putBack(id, content)
      if (came === "restored") restored++
      if (came === "wrong") wrong.push(name)
    }
  } catch (error) {
    // All that came before is right, and kept.
    if (!(error instanceof EngineError && error.code === "BACKUP_DAMAGED")) throw error
    return { restored, wrong, isCut: true }
  }
  return { restored, wrong, isCut: false }
}

class Run {
  /** Whether there may be something here that the same command goes on with. */
  isBegun = true
  readonly #vault: Vault
  readonly #table: Table
  readonly #recovery: RecoveryKeys
  readonly #options: RecoverOptions

  constructor(vault: Vault, recovery: RecoveryKeys, options: RecoverOptions) {
    this.#vault = vault
    this.#table = vault.table("engine.recovery")
    this.#recovery = recovery
    this.#options = options
  }

  async recover(): Promise<Recovered> {
    const there = await readDeviceState(this.#vault)
    const before = await this.#table.get(NOTHING, WORDS)
    const words = hash(contexts.recoveryResumed, this.#recovery.writer.publicKey)
    const isResumed = before !== undefined && equalBytes(before, words)
    if (there !== undefined) {
      if (!isResumed) throw new EngineError("RECORD_EXISTS", "this folder holds a record already")
      return { person: await this.#open(there), missingEpochs: 0, isNewest: false, wasHere: true }
    }
    this.isBegun = isResumed
    const { at: address } = this.#options
    const recovery = this.#recovery
    await using source =
      address === undefined ? undefined : await askDevice({ ...this.#options, address, recovery })
    const content = source?.content() ?? this.#options.backup?.()
    const backup = content && (await spansIn(content, recovery))
    const { bring } = source ?? {}
    await using session = await openRecovery({ ...this.#options, recovery, backup, bring })
    const device = await this.#device(isResumed, words)
    return await this.#join(session, device, backup?.shares)
  }

  /** The same one each time: whoever was cut off may be a member already. */
  async #device(isResumed: boolean, words: Uint8Array): Promise<DeviceSecrets> {
    const { random, name } = this.#options
    const kept = isResumed ? await this.#table.get(NOTHING, DEVICE) : undefined
    if (kept !== undefined) return decodeDeviceSecrets(kept)
    const device = generateDevice({ name, random })
    this.isBegun = true
    await this.#vault.write([
      this.#table.put(NOTHING, DEVICE, encodeDeviceSecrets(device)),
      this.#table.put(NOTHING, WORDS, words),
    ])
    return device
  }

  /** @param shares - Of a backup: what comes from a relay comes by itself. */
  async #join(
    session: RecoverySession,
    device: DeviceSecrets,
    shares: RestoredSpans["shares"] | undefined,
  ): Promise<Recovered> {
    const { epochs, hints } = await session.addDevice(device)
    const { tag, chainKey, genesis } = session.own.ledger.membership
    const state = {
      id: device.id,
      name: device.name,
      writerSeed: device.writer.seed,
      wrapSecret: device.wrap.secret,
      spaceTag: tag,
      chainKey,
      meetingKey: session.meetingKey,
      genesis,
    }
    const epochTable = this.#vault.table("engine.epochs")
    await this.#vault.write([
      ...epochs.map(({ id, key }) => epochTable.put(id, 0, key)),
      putHints(this.#vault, hints),
    ])
    if (shares !== undefined) await this.#fill(session, state, shares)
    // Last: without it the same command begins again.
    await this.#vault.write([putDeviceState(this.#vault, state), this.#table.del(NOTHING, DEVICE)])
    const { missingEpochs, isFromRelays } = session
    const isNewest = isFromRelays || this.#options.at !== undefined
    return { person: await this.#open(state), missingEpochs, isNewest, wasHere: false }
  }

  /** There may be nobody else who has it. */
  async #fill(
    session: RecoverySession,
    device: DeviceState,
    shares: RestoredSpans["shares"],
  ): Promise<void> {
    const vault = this.#vault
    const { ledger, relationships } = await openOwnRecord({ ...this.#options, vault, device })
    try {
      for await (const spans of inBatches(session.spans(), byteLength)) await ledger.admit(spans)
      await relationships.openNew()
      for (const { id, space } of relationships.all) {
        for await (const spans of inBatches(shares.get(id) ?? [], byteLength)) {
          await space.admit(spans)
        }
      }
    } finally {
      await ledger.close()
    }
  }

  #open(device: DeviceState): Promise<Person> {
    return PersonEngine.open({ ...this.#options, vault: this.#vault, device })
  }
}
