/**
 * In which mailbox of a relay the record lies: one on each, by whichever of its addresses it is known,
 * which moves whenever a device is removed.
 *
 * Source: DESIGN, "Keys" (the record space moves to a new mailbox).
 *
 * @module
 */
import { compareBytes, equalBytes, uint64ToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { contexts } from "@fulcrum/crypto/contexts"
import { hash } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import type { Vault } from "@fulcrum/store/vault"
import type { RecordRelayItem } from "../items/record-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import type { EpochSecret } from "../membership/membership.ts"
import { keysOfEpochs, type RemovalKeys, removalEpochs } from "../membership/removal-keys.ts"
import { leaving } from "./left-mailboxes.ts"
import { relayId } from "./relay-address.ts"

interface Moving {
  readonly random: Random
  /** Notes which mailboxes this device has the record leave. */
  readonly vault: Vault
}

/**
 * The record goes to another mailbox on each of its relays: the same one for all devices that know of
 * the same removals, and unknown to each device that was removed, which lacks the key of its own
 * removal.
 *
 * @param pending - The epoch of a removal that is written with it.
 */
export function moveRecord(
  step: Step,
  ledger: Ledger,
  { random, vault, pending }: Moving & { readonly pending?: EpochSecret | undefined },
): void {
  const seeds = new Map<string, Uint8Array>()
  for (const { address } of ledger.state.relays) {
    const id = relayId(address)
    const seed = seeds.get(id) ?? sharedSeed(ledger, id, pending) ?? random.bytes(32)
    seeds.set(id, seed)
    moveTo(step, ledger, { vault, address, seed })
  }
}

/** Devices that moved it at once, or added one relay at once, made several mailboxes there. */
export function joinMailboxes(step: Step, ledger: Ledger, { vault }: Pick<Moving, "vault">): void {
  for (const [id, places] of Map.groupBy(ledger.state.relays, ({ address }) => relayId(address))) {
    const seeds = places.map(({ mailboxSeed }) => mailboxSeed).toSorted(compareBytes)
    const [least] = seeds
    if (least === undefined || seeds.every((seed) => equalBytes(seed, least))) continue
    const seed = sharedSeed(ledger, id) ?? least
    for (const address of new Set(places.map((place) => place.address))) {
      moveTo(step, ledger, { vault, address, seed })
    }
  }
}

function moveTo(
  step: Step,
  { state }: Ledger,
  { vault, address, seed }: Pick<Moving, "vault"> & Readonly<{ address: string; seed: Uint8Array }>,
): void {
  if (state.hasLeft(address, seed)) return
  const here = state.relays.filter((one) => one.address === address)
  for (const { mailboxSeed } of here) {
    if (equalBytes(mailboxSeed, seed)) continue
    leave(step, vault, { address, mailboxSeed })
  }
  if (here.some(({ mailboxSeed }) => equalBytes(mailboxSeed, seed))) return
  step.add({ kind: "recordRelay", value: { address, mailboxSeed: seed, removed: false } })
}

/** The record lies there no more, and whoever still looks there is told. */
export function leave(
  step: Step,
  vault: Vault,
  { address, mailboxSeed }: Omit<RecordRelayItem, "removed">,
): void {
  const value: RecordRelayItem = { address, mailboxSeed, removed: true }
  step.add({ kind: "recordRelay", value })
  step.write(leaving(vault, value))
}

/** The mailbox that a relay is added with: its own, if it is known by another address already. */
export function addedSeed(ledger: Ledger, address: string, random: Random): Uint8Array {
  const id = relayId(address)
  const known = ledger.state.relays.find((place) => relayId(place.address) === id)?.mailboxSeed
  if (known !== undefined && !ledger.state.hasLeft(address, known)) return known
  return sharedSeed(ledger, id) ?? random.bytes(32)
}

/**
 * What all that know of the same removals draw from their keys and the record's first: the first of
 * its kind that the record has not left, at any address of the relay.
 *
 * @returns `undefined` if this device lacks a key.
 */
function sharedSeed(
  { membership, state }: Ledger,
  id: string,
  pending?: EpochSecret,
): Uint8Array | undefined {
  const parts: RemovalKeys = { membership, pending }
  const first = membership.epochKey(membership.genesis)
  const removed = keysOfEpochs(parts, removalEpochs(parts))
  if (first === undefined || removed === undefined) return undefined
  const keys = [first, ...removed]
  const left = state.leftRelays.filter(({ address }) => relayId(address) === id)
  for (let round = 0; ; round++) {
    const seed = hash(contexts.recordMailbox, utf8ToBytes(id), uint64ToBytes(round), ...keys)
    if (!left.some(({ mailboxSeed }) => equalBytes(mailboxSeed, seed))) return seed
  }
}
