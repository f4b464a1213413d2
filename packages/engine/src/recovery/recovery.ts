/**
 * The recovery words of an open record: the beacon by which they find it, trying them out, and putting
 * others in their place. Getting a record back with them is `recover-person.ts`.
 *
 * New words are in table `engine.words`, group `next`, until they were seen: the same again gives them
 * again. Source: DESIGN, "Meeting" (recovery).
 *
 * @module
 */
import { signAnchor } from "@fulcrum/access/beacon"
import { certifyRecovery } from "@fulcrum/access/device"
import {
  entropyFromRecoveryWords,
  generateRecoveryEntropy,
  type RecoveryKeys,
  recoveryKeysFromEntropy,
  recoveryWordsFromEntropy,
} from "@fulcrum/access/recovery-words"
import { bytesToHex, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "@fulcrum/log/deflate"
import type { Network } from "@fulcrum/net/contract"
import { DOCUMENT_NAMES, type Documents, documentId, type Reload } from "@fulcrum/record/documents"
import type { Store } from "@fulcrum/store"
import type { Vault } from "@fulcrum/store/vault"
import type { WholeAttachment } from "../attachments/attachments.ts"
import { EngineError, notYet } from "../failures/engine-error.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import { type DeviceState, recordKeysOf } from "../membership/device-state.ts"
import type { BeaconRow, DrillReport, NewWords, PersonRecovery } from "../person/person-recovery.ts"
import { changeMembership } from "../relationships/membership-writes.ts"
import { isDecidedBy, rewrapRecoveries } from "../relationships/relationship-recovery.ts"
import type { Relationships } from "../relationships/relationships.ts"
import type { Underway } from "../waiting/underway.ts"
import type { BackupSource } from "./backup.ts"
import type { BackedUp } from "./backup-file.ts"
import { BeaconKeeper } from "./beacon-keeper.ts"
import { openRecovery, type RecoverySession } from "./recovery-session.ts"

const NEXT: Uint8Array = utf8ToBytes("next")

export interface RecoveryParts {
  readonly ledger: Ledger
  readonly relationships: Relationships
  readonly vault: Vault
  readonly device: DeviceState
  readonly network: Network
  readonly openDocuments: (reload: Reload) => Promise<Documents>
  /** Absent: this program cannot try the words out. */
  readonly openScratch?: (() => Promise<Store>) | undefined
  readonly random: Random
  readonly clock: Clock
  readonly deflate: Deflate
  readonly underway: Underway
  /** Every document, or the card, as `export` writes it. */
  exported(format: "json" | "vcard"): Promise<string>
  /** Attached files that are whole here. */
  attachments(): AsyncIterable<WholeAttachment>
  /** Whether this device is a member and can write. */
  mayWrite(): boolean
  /** @throws {EngineError} It is none, or cannot. */
  asMember<T>(work: () => Promise<T>): Promise<T>
}

export class Recovery implements PersonRecovery {
  /** Keeps the beacon on the relays that there are connections to. */
  readonly keeper: BeaconKeeper
  readonly #parts: RecoveryParts

  constructor(parts: RecoveryParts) {
    const { device } = parts
    this.#parts = parts
    this.keeper = new BeaconKeeper({
      ...parts,
      keys: recordKeysOf(device),
      writer: signingKeyFromSeed(device.writerSeed),
    })
  }

  /** Lets every device keep a beacon for these words, which are the record's. */
  async putBeacon(entropy: Uint8Array): Promise<void> {
    const { ledger, device } = this.#parts
    const keys = recoveryKeysFromEntropy(entropy)
    const words = keys.writer.publicKey
    if (ledger.state.beacons.has(bytesToHex(words))) return
    const { signature } = signAnchor(recordKeysOf(device), keys)
    const value = { words, mailboxSeed: keys.beaconName.seed, signature }
    await ledger.transact(async (step) => step.add({ kind: "beacon", value }))
  }

  async beacons(): Promise<readonly BeaconRow[]> {
    const addresses = new Set(this.#parts.ledger.state.relays.map(({ address }) => address))
    const rows = [...addresses].map(async (address) => ({
      address,
      ...(await this.keeper.standing(address)),
    }))
    return Promise.all(rows)
  }

  replaceWords(old?: string): Promise<NewWords> {
    const { ledger, vault, relationships, random, asMember } = this.#parts
    const oldEntropy = old === undefined ? undefined : entropyFromRecoveryWords(old)
    return asMember(async () => {
      await ledger.mend()
      await relationships.openNew()
      const before = oldEntropy && this.#keysOfOld(oldEntropy)
      const table = vault.table("engine.words")
      const pending = await table.get(NEXT)
      const isOurs = pending !== undefined && this.#isRecovery(pending)
      const entropy = isOurs ? pending : generateRecoveryEntropy(random)
      const keys = recoveryKeysFromEntropy(entropy)
      const goOver = (step: Step): void => {
        if (before === undefined) return
        rewrapRecoveries(step, relationships.all, { from: before.wrap, to: keys.wrap, random })
      }
      if (isOurs) await ledger.transact(async (step) => goOver(step))
      else {
        const certificate = certifyRecovery(keys)
        await changeMembership(
          { ledger, random },
          () => [{ kind: "recovery", value: { certificate } }],
          (step) => {
            step.write(table.put(NEXT, 0, entropy))
            goOver(step)
          },
        )
      }
      await this.putBeacon(entropy)
      return {
        words: recoveryWordsFromEntropy(entropy),
        undecided: relationships.all.filter((one) => !isDecidedBy(one, keys.wrap)).length,
        wordsSeen: () => vault.write([table.del(NEXT, 0)]),
      }
    })
  }

  drill(words: string): Promise<DrillReport> {
    const { ledger, underway, asMember } = this.#parts
    const entropy = entropyFromRecoveryWords(words)
    return underway.run((signal) =>
      asMember(async () => {
        if (!this.#isRecovery(entropy)) {
          throw new EngineError("RECOVERY_WORDS_OTHER", "these are not the words of this record")
        }
        const { openScratch } = this.#parts
        if (openScratch === undefined) throw notYet("trying the words out in this program")
        const recovery = recoveryKeysFromEntropy(entropy)
        const relays = [...new Set(ledger.state.relays.map(({ address }) => address))]
        await using session = await openRecovery({
          ...{ ...this.#parts, openScratch, recovery, relays, signal },
        })
        return await this.#report(session)
      }),
    )
  }

  async *backup(): AsyncGenerator<Uint8Array> {
    const { exported, attachments } = this.#parts
    // Loaded when it is asked for: nothing else needs what age and tar take.
    const { backupFiles } = await import("./backup.ts")
    yield* this.#sealed(backupFiles({ ...this.#kept, exported, attachments }))
  }

  /** The record alone, for whoever has the words: see `recovery-line.ts`. */
  async *forWords(): AsyncGenerator<Uint8Array> {
    const { recordFiles } = await import("./backup.ts")
    yield* this.#sealed(recordFiles(this.#kept))
  }

  get #kept(): Pick<BackupSource, "beacon" | "record" | "relationships"> {
    const { ledger, relationships } = this.#parts
    const due = this.keeper.due
    if (due === undefined) {
      throw new EngineError(
        "RECOVERY_WORDS_OTHER",
        "the recovery words are of a time before backups",
      )
    }
    return { beacon: due.beacon, record: ledger.record, relationships }
  }

  async *#sealed(files: AsyncIterable<BackedUp>): AsyncGenerator<Uint8Array> {
    const { writeBackup } = await import("./backup-file.ts")
    yield* writeBackup(files, this.#parts.ledger.membership.recoveryKey)
  }

  /** @throws {EngineError} `RECOVERY_WORDS_OTHER` */
  #keysOfOld(entropy: Uint8Array): RecoveryKeys {
    const keys = recoveryKeysFromEntropy(entropy)
    const { relationships } = this.#parts
    if (!this.#isRecovery(entropy) && !relationships.all.some((it) => isDecidedBy(it, keys.wrap))) {
      throw new EngineError("RECOVERY_WORDS_OTHER", "these are not the words of this record")
    }
    return keys
  }

  /** Whether these are the words that count now. */
  #isRecovery(entropy: Uint8Array): boolean {
    const { recovery } = this.#parts.ledger.membership.view
    const { publicKey } = recoveryKeysFromEntropy(entropy).writer
    return recovery !== undefined && equalBytes(recovery.writer, publicKey)
  }

  async #report(session: RecoverySession): Promise<DrillReport> {
    const { ledger, relationships } = this.#parts
    const found = session.own
    const missing = missingEntries(ledger, found.ledger)
    const isThere = (id: string) => found.relationships.all.some((one) => one.id === id)
    const lost = relationships.all.filter(({ id }) => !isThere(id)).length
    const different = await differentDocuments(ledger, found.ledger, relationships)
    return {
      relays: session.sought,
      mailboxes: session.read,
      isUsable: session.isUsable && session.missingEpochs === 0,
      entries: entriesIn(found.ledger),
      missing,
      relationships: { found: found.relationships.all.length, missing: lost },
      documents: different,
      attachments: ledger.state.attachments.size,
    }
  }
}

function entriesIn({ record }: Ledger): number {
  let entries = 0
  for (const { first, sequence } of record.tree.nodes()) entries += sequence - first + 1
  return entries
}

/** Entries that are here and were not found, by the device that wrote them. */
function missingEntries(here: Ledger, found: Ledger): DrillReport["missing"] {
  const missing = new Map<string, number>()
  for (const { key, writer, first, sequence } of here.record.tree.nodes()) {
    const there = found.record.tree.byKey(key)?.sequence ?? 0
    const entries = sequence - Math.max(there, first - 1)
    if (entries <= 0) continue
    const device = here.membership.deviceByWriter(writer)?.name ?? "unknown"
    missing.set(device, (missing.get(device) ?? 0) + entries)
  }
  return [...missing].map(([device, entries]) => ({ device, entries }))
}

/** How many documents that are used here were found as they are here, and otherwise. */
async function differentDocuments(
  here: Ledger,
  found: Ledger,
  relationships: Relationships,
): Promise<DrillReport["documents"]> {
  const names = [...DOCUMENT_NAMES, ...relationships.all.map(({ id }) => `relationships/${id}`)]
  let [same, different] = [0, 0]
  for (const name of names) {
    const heads = await here.documents.heads(documentId(name))
    if (heads.length === 0) continue
    const theirs = await found.documents.heads(documentId(name))
    if (heads.toSorted().join() === theirs.toSorted().join()) same++
    else different++
  }
  return { same, different }
}
