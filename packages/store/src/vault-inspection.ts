/**
 * Looks a vault through: does what is there add up to what its root says?
 *
 * @module
 */
import { compareBytes } from "@fulcrum/codec/bytes"
import { SealError } from "@fulcrum/crypto/seal-error"
import type { Store } from "./contract.ts"
import { addToSum } from "./sum256.ts"
import type { VaultCipher } from "./vault-cipher.ts"
import type { VaultDamage } from "./vault-error.ts"
import { CHECK_KEY, ROOT_KEY, tableIdOf } from "./vault-keys.ts"
import { equalTallies, newTally, type Root, type Tally } from "./vault-root.ts"

/** Every key there is: none of a vault's is longer than these bounds. */
const EVERYTHING = { gte: Uint8Array.of(0), lt: new Uint8Array(64).fill(0xff) }

/** Records tried before a key is called wrong. */
const KEY_PROBES = 64

export interface Inspection {
  /** What is there, counted. Broken records are not. */
  readonly tallies: ReadonlyMap<string, Tally>
  /** The tables, by id in hex, that have records which do not open. */
  readonly broken: ReadonlySet<string>
  /** How many keys are no record's. */
  readonly foreign: number
}

/**
 * Counts every record.
 *
 * @param opening - Whether to open each one too, which finds changed values now and not when read.
 * @param onBroken - Told each key whose record does not open, or that is no record's.
 */
export async function inspect(
  store: Store,
  cipher: VaultCipher,
  opening: boolean,
  onBroken: (key: Uint8Array) => Promise<void>,
): Promise<Inspection> {
  const tallies = new Map<string, { name: string; count: number; sum: Tally["sum"] }>()
  const broken = new Set<string>()
  let foreign = 0
  for await (const [key, sealed] of store.list(EVERYTHING)) {
    if (compareBytes(key, CHECK_KEY) === 0 || compareBytes(key, ROOT_KEY) === 0) continue
    const id = tableIdOf(key)
    if (id === undefined) {
      foreign++
      await onBroken(key)
    } else if (opening && !opens(cipher, key, sealed)) {
      broken.add(id)
      await onBroken(key)
    } else {
      const tally = tallies.get(id) ?? { ...newTally("") }
      tally.count++
      addToSum(tally.sum, cipher.element(key, sealed))
      tallies.set(id, tally)
    }
  }
  return { tallies, broken, foreign }
}

/** Every way in which what was found is not what the root says. */
export function compareToRoot(found: Inspection, root: Root): readonly VaultDamage[] {
  const damage: VaultDamage[] = []
  for (const [id, expected] of root) {
    const table = expected.name
    const there = found.tallies.get(id) ?? newTally(table)
    if (found.broken.has(id)) damage.push({ table, what: "record" })
    else if (there.count !== expected.count) damage.push({ table, what: "count" })
    else if (!equalTallies(there, expected)) damage.push({ table, what: "digest" })
  }
  const unknown = [...found.tallies.keys(), ...found.broken].some((id) => !root.has(id))
  if (found.foreign > 0 || unknown) damage.push({ what: "foreign" })
  return damage
}

/** Whether any of the first records opens: then the key is right and something else is not. */
export async function anyRecordOpens(store: Store, cipher: VaultCipher): Promise<boolean> {
  for await (const [key, sealed] of store.list({ ...EVERYTHING, limit: KEY_PROBES })) {
    if (opens(cipher, key, sealed)) return true
  }
  return false
}

export async function isEmpty(store: Store): Promise<boolean> {
  for await (const _ of store.list({ ...EVERYTHING, limit: 1 })) return false
  return true
}

function opens(cipher: VaultCipher, key: Uint8Array, sealed: Uint8Array): boolean {
  try {
    cipher.open(key, sealed)
    return true
  } catch (error) {
    if (error instanceof SealError) return false
    throw error
  }
}
