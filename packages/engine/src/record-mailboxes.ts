/**
 * In which mailbox of a relay the record lies: one on each, which moves whenever a device is removed.
 *
 * Source: DESIGN, "Keys" (the record space moves to a new mailbox).
 *
 * @module
 */
import {
  bytesToHex,
  compareBytes,
  equalBytes,
  hexToBytes,
  uint64ToBytes,
  utf8ToBytes,
} from "@fulcrum/codec/bytes"
import { contexts } from "@fulcrum/crypto/contexts"
import { hash } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import { type EpochKey, epochIdSchema } from "@fulcrum/log/ids"
import type { Ledger } from "./ledger.ts"
import type { Step } from "./ledger-step.ts"

/**
 * The record goes to another mailbox on each of its relays: the same one for all devices that know of
 * the same removals, and unknown to each device that was removed, which lacks the key of its own
 * removal.
 */
export function moveRecord(step: Step, ledger: Ledger, random: Random): void {
  for (const address of relayAddresses(ledger)) {
    moveTo(step, ledger, { address, seed: sharedSeed(ledger, address) ?? random.bytes(32) })
  }
}

/** Devices that moved it at once, or added one relay at once, made several mailboxes there. */
export function joinMailboxes(step: Step, ledger: Ledger): void {
  for (const address of relayAddresses(ledger)) {
    const seeds = ledger.state.relays.filter((one) => one.address === address)
    if (seeds.length < 2) continue
    const [least] = seeds.map(({ mailboxSeed }) => mailboxSeed).toSorted(compareBytes)
    const seed = sharedSeed(ledger, address) ?? least
    if (seed !== undefined) moveTo(step, ledger, { address, seed })
  }
}

function moveTo(
  step: Step,
  { state }: Ledger,
  { address, seed }: { readonly address: string; readonly seed: Uint8Array },
): void {
  const here = state.relays.filter((one) => one.address === address)
  for (const { mailboxSeed } of here) {
    if (equalBytes(mailboxSeed, seed)) continue
    step.add({ kind: "recordRelay", value: { address, mailboxSeed, removed: true } })
  }
  if (here.some(({ mailboxSeed }) => equalBytes(mailboxSeed, seed))) return
  step.add({ kind: "recordRelay", value: { address, mailboxSeed: seed, removed: false } })
}

function relayAddresses({ state }: Ledger): ReadonlySet<string> {
  return new Set(state.relays.map(({ address }) => address))
}

/** The mailbox that a relay is added with. */
export function addedSeed(ledger: Ledger, address: string, random: Random): Uint8Array {
  return sharedSeed(ledger, address) ?? random.bytes(32)
}

/**
 * What all that know of the same removals draw from their keys and the record's first: the first of
 * its kind that the record has not left.
 *
 * @returns `undefined` if this device lacks a key.
 */
function sharedSeed({ membership, state }: Ledger, address: string): Uint8Array | undefined {
  const removals = membership.view.removed.flatMap((device) => device.removals)
  const epochs = new Set(removals.map(({ epoch }) => bytesToHex(epoch)))
  const ids = [...epochs].toSorted().map((id) => epochIdSchema.decode(hexToBytes(id)))
  const keys = [membership.genesis, ...ids].map((id) => membership.epochKey(id))
  if (!isComplete(keys)) return undefined
  for (let round = 0; ; round++) {
    const parts = [utf8ToBytes(address), uint64ToBytes(round), ...keys]
    const seed = hash(contexts.recordMailbox, ...parts)
    if (!state.hasLeft(address, seed)) return seed
  }
}

function isComplete(keys: readonly (EpochKey | undefined)[]): keys is readonly EpochKey[] {
  return keys.every((key) => key !== undefined)
}
