/**
 * The vault: sealed tables on any store, in which a hole, a foreign or an old record shows.
 *
 * A table holds records by group (any bytes, such as a document's id) and order (a number, such
 * as a sequence). On the disk are keyed hashes and ciphertext: what a table is called, what a
 * group is and what a value says can be read with the vault's key only. How many records there
 * are, how large, their orders, and which share a group can be seen.
 *
 * Each batch carries the root with it: a count and a keyed digest of every table
 * (`vault-root.ts`). Opening compares them with what is there. A folder that was rolled back
 * whole, root and all, adds up: only somebody who holds what came after can tell.
 *
 * Layout: `vault-keys.ts`. Sealing: `vault-cipher.ts`. One vault at a time on one store.
 *
 * @module
 */
import { utf8Length } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { RECORD_NONCE_BYTES } from "@fulcrum/crypto/aead"
import type { Random } from "@fulcrum/crypto/random"
import { SealError } from "@fulcrum/crypto/seal-error"
import { type Store, VALUE_BYTES_MAX, WRITE_BYTES_MAX, type WriteOp } from "./contract.ts"
import { GroupCommit } from "./group-commit.ts"
import { GroupTails } from "./group-tails.ts"
import { SealedTable } from "./sealed-table.ts"
import { addToSum, takeFromSum } from "./sum256.ts"
import { drawnAtOnce, encodeRecord, VaultCipher } from "./vault-cipher.ts"
import { damaged, type VaultDamage, VaultError } from "./vault-error.ts"
import {
  anyRecordOpens,
  compareToRoot,
  type Inspection,
  inspect,
  isEmpty,
} from "./vault-inspection.ts"
import { CHECK_KEY, orderOf, ROOT_KEY, recordKeyIn, TableKeys, wholeGroup } from "./vault-keys.ts"
import {
  decodeRoot,
  encodeRoot,
  newTally,
  type Root,
  TABLE_NAME_BYTES_MAX,
  TABLES_MAX,
  type Tally,
} from "./vault-root.ts"

const VAULT_KEY_BYTES = 32

/** Room in a store's write for the root. */
const ROOT_ROOM_BYTES = 128 * 1024

/** Old values read at a time, to subtract them: bounds what overwriting large ones takes. */
const OLD_VALUES_MAX = 256

/** Broken records deleted in one write. */
const REPAIR_OPS_MAX = 1000

export type VaultOp =
  | {
      readonly type: "put"
      readonly table: string
      readonly group: Uint8Array
      readonly order: number
      readonly value: Uint8Array
    }
  | {
      readonly type: "del"
      readonly table: string
      readonly group: Uint8Array
      readonly order: number
    }

/** Orders from `from` on, before `to`. */
export interface TableRange {
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly reverse?: boolean | undefined
  readonly limit?: number | undefined
}

export interface TableRecord {
  readonly group: Uint8Array
  readonly order: number
  readonly value: Uint8Array
}

/** All that reads throws `VaultError` `VAULT_DAMAGED` on a record that does not open. */
export interface Table {
  readonly name: string
  /** @param order - 0 if left out. */
  get(group: Uint8Array, order?: number): Promise<Uint8Array | undefined>
  /** One answer for each place, in the order asked. */
  getMany(
    places: readonly { readonly group: Uint8Array; readonly order?: number | undefined }[],
  ): Promise<readonly (Uint8Array | undefined)[]>
  /** A group's records by order, ascending unless `reverse`. */
  list(
    group: Uint8Array,
    range?: TableRange,
  ): AsyncIterable<{ readonly order: number; readonly value: Uint8Array }>
  /** The whole table: groups in no order that means anything, each one's records by order. */
  groups(): AsyncIterable<TableRecord>
  put(group: Uint8Array, order: number, value: Uint8Array): VaultOp
  del(group: Uint8Array, order: number): VaultOp
}

export interface Vault extends AsyncDisposable {
  /** What `report` or `repair` found; else empty. */
  readonly damage: readonly VaultDamage[]
  /** The same table for the same name, which need not exist yet. */
  table(name: string): Table
  /**
   * All of `ops`, over any tables, or none; durable when it resolves, in the order of the calls.
   *
   * @throws {StoreError} as the store's `write`.
   * @throws {RangeError} a value, a group or the whole is too large.
   */
  write(ops: readonly VaultOp[]): Promise<void>
  /** Finishes the writes that were called and closes the store. */
  close(): Promise<void>
}

export interface VaultOptions {
  /** Belongs to the vault from now on, unless opening fails. */
  readonly store: Store
  /** 32 secret bytes. */
  readonly key: Uint8Array
  readonly random: Random
  /**
   * - `counts` (the default): every record is counted and its digest compared; a value that was
   *   changed in itself is found when it is read.
   * - `all`: every record is opened too.
   * - `report`: as `all`, but damage is told in `damage` instead of thrown. What is written to a
   *   damaged table does not mend it.
   * - `repair`: as `report`, then drops what does not open and takes the rest as it is. Holes and
   *   old records stay: fetch the tables in `damage` again from somebody who has them.
   */
  readonly verify?: "counts" | "all" | "report" | "repair"
}

/**
 * Opens the vault on a store, or begins one on an empty store.
 *
 * @throws {VaultError} `VAULT_KEY_WRONG`, `VAULT_DAMAGED` with the tables' names.
 * @throws {StoreError}
 */
export async function openVault(options: VaultOptions): Promise<Vault> {
  const { store, key, random, verify = "counts" } = options
  if (key.length !== VAULT_KEY_BYTES) throw new RangeError("a vault's key has 32 bytes")
  if (storesInUse.has(store)) throw new TypeError("this store has a vault already")
  const cipher = new VaultCipher(key)
  const [check, sealedRoot] = await store.getMany([CHECK_KEY, ROOT_KEY])
  if (check === undefined && sealedRoot === undefined && (await isEmpty(store))) {
    await store.write(beginning(cipher, new Map(), random))
    return new SealedVault({ store, key, cipher, random, root: new Map(), damage: [] })
  }
  const root = sealedRoot && openRoot(cipher, sealedRoot)
  const checked = check !== undefined && cipher.isKeyCheck(check)
  if (root === undefined && !checked && !(await anyRecordOpens(store, cipher))) {
    throw new VaultError("VAULT_KEY_WRONG", "nothing here opens with this key")
  }
  const dropped: WriteOp[] = []
  const found = await inspect(store, cipher, verify !== "counts", async (broken) => {
    if (verify !== "repair") return
    dropped.push({ type: "del", key: broken })
    if (dropped.length >= REPAIR_OPS_MAX) await store.write(dropped.splice(0))
  })
  const damage: VaultDamage[] = [
    ...(checked ? [] : [{ what: "check" } as const]),
    ...(root === undefined ? [{ what: "root" } as const] : compareToRoot(found, root)),
  ]
  if (damage.length > 0 && (verify === "counts" || verify === "all")) throw damaged(damage)
  if (damage.length === 0 || verify !== "repair") {
    return new SealedVault({ store, key, cipher, random, root: root ?? new Map(), damage })
  }
  const mended = mendedRoot(found, root)
  await store.write([...dropped, ...beginning(cipher, mended, random)])
  return new SealedVault({ store, key, cipher, random, root: mended, damage })
}

/** Two vaults on one store would each write a root that lacks the other's records. */
const storesInUse = new WeakSet<Store>()

/** One operation, sealed, and known by its place. */
interface SealedOp {
  readonly tableId: string
  readonly table: string
  readonly groupName: string
  readonly order: number
  readonly key: Uint8Array
  /** `undefined` to delete. */
  readonly sealed: Uint8Array | undefined
}

interface SealedVaultParts {
  readonly store: Store
  readonly key: Uint8Array
  readonly cipher: VaultCipher
  readonly random: Random
  readonly root: Root
  readonly damage: readonly VaultDamage[]
}

class SealedVault implements Vault {
  readonly damage: readonly VaultDamage[]
  readonly #store: Store
  readonly #key: Uint8Array
  readonly #cipher: VaultCipher
  readonly #random: Random
  readonly #commits: GroupCommit<readonly SealedOp[]>
  readonly #tablesByName = new Map<string, SealedTable>()
  readonly #tails = new GroupTails((groupName) => this.#highestOf(groupName))
  /** `undefined` after a failed write, which may have landed: then the store knows better. */
  #root: Root | undefined

  constructor({ store, key, cipher, random, root, damage }: SealedVaultParts) {
    storesInUse.add(store)
    this.damage = damage
    this.#store = store
    this.#key = key.slice()
    this.#cipher = cipher
    this.#random = random
    this.#root = root
    this.#commits = new GroupCommit((writes) => this.#commit(writes))
  }

  table(name: string): Table {
    return this.#table(name)
  }

  async write(ops: readonly VaultOp[]): Promise<void> {
    if (ops.length === 0) return
    const puts = ops.reduce((count, op) => count + (op.type === "put" ? 1 : 0), 0)
    const nonces = drawnAtOnce(this.#random, puts * RECORD_NONCE_BYTES)
    const sealed = ops.map((op) => this.#seal(op, nonces))
    await this.#commits.submit(sealed, sealedBytes(sealed))
  }

  async close(): Promise<void> {
    await this.#commits.drained()
    await this.#store.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #table(name: string): SealedTable {
    const known = this.#tablesByName.get(name)
    if (known !== undefined) return known
    const bytes = utf8Length(name)
    if (bytes === 0 || bytes > TABLE_NAME_BYTES_MAX) {
      throw new RangeError(`a table's name has 1 to ${TABLE_NAME_BYTES_MAX} bytes`)
    }
    if (this.#tablesByName.size >= TABLES_MAX) {
      throw new RangeError(`a vault has at most ${TABLES_MAX} tables`)
    }
    const keys = new TableKeys(this.#key, name)
    const table = new SealedTable({ name, keys, store: this.#store, cipher: this.#cipher })
    this.#tablesByName.set(name, table)
    return table
  }

  #seal(op: VaultOp, nonces: Random): SealedOp {
    const { keys, id } = this.#table(op.table)
    const place = keys.groupPlace(op.group)
    const key = recordKeyIn(place, op.order)
    return {
      tableId: id,
      table: op.table,
      groupName: place.name,
      order: op.order,
      key,
      sealed: op.type === "del" ? undefined : this.#cipher.seal(key, encodeRecord(op), nonces),
    }
  }

  async #commit(writes: readonly (readonly SealedOp[])[]): Promise<void> {
    const root = this.#root ?? (await this.#readRoot())
    // Of two operations on one key the later counts, within a write and across those gathered.
    const opsByKey = new Map<string, SealedOp>()
    for (const op of writes.flat()) opsByKey.set(`${op.groupName}${op.order}`, op)
    const ops = [...opsByKey.values()]
    const next = await this.#tallied(root, ops)
    const batch: WriteOp[] = ops.map(({ key, sealed }) =>
      sealed === undefined ? { type: "del", key } : { type: "put", key, value: sealed },
    )
    batch.push(rootOp(this.#cipher, next, this.#random))
    this.#root = undefined
    await this.#store.write(batch)
    this.#root = next
  }

  /** The root after `ops`: what they overwrite is taken out of its tables, what they put added. */
  async #tallied(root: Root, ops: readonly SealedOp[]): Promise<Root> {
    const tallies = new Map<string, { name: string; count: number; sum: Tally["sum"] }>()
    const tallyOf = ({ tableId, table }: SealedOp) => {
      const tally = tallies.get(tableId) ?? copyOf(root.get(tableId), table)
      tallies.set(tableId, tally)
      return tally
    }
    const overwriting: SealedOp[] = []
    for (const op of ops) {
      if (!(await this.#tails.isPastEnd(op.groupName, op.order))) overwriting.push(op)
      if (op.sealed === undefined) continue
      const tally = tallyOf(op)
      tally.count++
      addToSum(tally.sum, this.#cipher.element(op.key, op.sealed))
    }
    for (let at = 0; at < overwriting.length; at += OLD_VALUES_MAX) {
      const some = overwriting.slice(at, at + OLD_VALUES_MAX)
      const olds = await this.#store.getMany(some.map(({ key }) => key))
      for (const [index, op] of some.entries()) {
        const old = olds[index]
        if (old === undefined) continue
        const tally = tallyOf(op)
        tally.count--
        takeFromSum(tally.sum, this.#cipher.element(op.key, old))
      }
    }
    const next = new Map<string, Tally>(root)
    // In a damaged table more may be deleted than was counted; it stays damaged until repaired.
    for (const [id, tally] of tallies) next.set(id, { ...tally, count: Math.max(0, tally.count) })
    return next
  }

  async #highestOf(groupName: string): Promise<number> {
    const last = this.#store.list({ ...wholeGroup(groupName), reverse: true, limit: 1 })
    for await (const [key] of last) return orderOf(key)
    return -1
  }

  async #readRoot(): Promise<Root> {
    const sealed = await this.#store.get(ROOT_KEY)
    const root = sealed && openRoot(this.#cipher, sealed)
    if (root === undefined) throw damaged([{ what: "root" }])
    return root
  }
}

/** What an empty or repaired vault begins with. */
function beginning(cipher: VaultCipher, root: Root, random: Random): WriteOp[] {
  return [
    { type: "put", key: CHECK_KEY, value: cipher.keyCheck(random) },
    rootOp(cipher, root, random),
  ]
}

function rootOp(cipher: VaultCipher, root: Root, random: Random): WriteOp {
  return { type: "put", key: ROOT_KEY, value: cipher.seal(ROOT_KEY, encodeRoot(root), random) }
}

/** @returns `undefined` if it does not open: another key, or damaged. */
function openRoot(cipher: VaultCipher, sealed: Uint8Array): Root | undefined {
  try {
    return decodeRoot(cipher.open(ROOT_KEY, sealed))
  } catch (error) {
    if (error instanceof SealError || error instanceof CodecError) return undefined
    throw error
  }
}

/** What is there, under the names that the old root knew. */
function mendedRoot(found: Inspection, root: Root = new Map()): Root {
  const mended = new Map<string, Tally>()
  for (const [id, { name }] of root) mended.set(id, newTally(name))
  for (const [id, tally] of found.tallies) {
    mended.set(id, { ...tally, name: root.get(id)?.name ?? "" })
  }
  return mended
}

function copyOf(tally: Tally | undefined, name: string): Tally & { count: number } {
  return tally === undefined ? newTally(name) : { name, count: tally.count, sum: tally.sum.slice() }
}

/** @throws {RangeError} past what one write of the store can take. */
function sealedBytes(ops: readonly SealedOp[]): number {
  let bytes = 0
  for (const { key, sealed } of ops) {
    bytes += key.length + (sealed?.length ?? 0)
    if (sealed !== undefined && sealed.length > VALUE_BYTES_MAX) {
      throw new RangeError(`a sealed value has ${sealed.length} bytes, at most ${VALUE_BYTES_MAX}`)
    }
  }
  if (bytes > WRITE_BYTES_MAX - ROOT_ROOM_BYTES) {
    throw new RangeError(`a write has ${bytes} bytes, at most ${WRITE_BYTES_MAX - ROOT_ROOM_BYTES}`)
  }
  return bytes
}
