/**
 * Where a vault keeps what: the store keys, from which nothing can be read.
 *
 * | store key                                           | holds                             |
 * | --------------------------------------------------- | --------------------------------- |
 * | `00`                                                | a salt, and its HMAC: the key check |
 * | `01`                                                | the sealed root: every table's count and digest |
 * | `02`, table id (8), group id (16), order (8)        | a sealed record                   |
 *
 * The table id is the first bytes of an HMAC of the table's name, the group id of one of the
 * group's bytes under a key of the table's own; `order` is big-endian, so a group lists in order.
 *
 * @module
 */
import { bytesToHex, utf8ToBytes } from "@fulcrum/codec/bytes"
import { contexts } from "@fulcrum/crypto/contexts"
import { hkdf, hmac } from "@fulcrum/crypto/hash"

export const TABLE_ID_BYTES = 8
const GROUP_ID_BYTES = 16
const ORDER_BYTES = 8
const RECORD_PREFIX = 2

export const CHECK_KEY: Uint8Array = Uint8Array.of(0)
export const ROOT_KEY: Uint8Array = Uint8Array.of(1)
export const RECORD_KEY_BYTES: number = 1 + TABLE_ID_BYTES + GROUP_ID_BYTES + ORDER_BYTES
const ORDER_AT = RECORD_KEY_BYTES - ORDER_BYTES

/** Longest group, in bytes: a hash or two and some names. */
export const GROUP_NAME_BYTES_MAX = 1024

/** Group ids remembered for each table: an HMAC costs about half of a put. About 1 MB. */
const GROUP_IDS_MAX = 4096

const EMPTY = new Uint8Array(0)

/** The keys of one table's records. */
export class TableKeys {
  readonly id: Uint8Array
  readonly #groupKey: Uint8Array
  readonly #groupIdsByHex = new Map<string, Uint8Array>()

  constructor(vaultKey: Uint8Array, name: string) {
    const derived = hkdf(contexts.storeTable, vaultKey, EMPTY, utf8ToBytes(name), 8 + 32)
    this.id = derived.slice(0, TABLE_ID_BYTES)
    this.#groupKey = derived.slice(TABLE_ID_BYTES)
  }

  /** @throws {RangeError} if group or order are out of bounds. */
  recordKey(group: Uint8Array, order: number): Uint8Array {
    const key = this.#groupPrefix(group)
    writeOrder(key, order)
    return key
  }

  /** The range of a group's records from order `from` on, before `to`. */
  groupRange(group: Uint8Array, from: number, to: number): { gte: Uint8Array; lt: Uint8Array } {
    const gte = this.recordKey(group, from)
    if (to <= Number.MAX_SAFE_INTEGER) return { gte, lt: this.recordKey(group, to) }
    const lt = this.#groupPrefix(group)
    lt.fill(0xff, ORDER_AT)
    return { gte, lt }
  }

  tableRange(): { gte: Uint8Array; lt: Uint8Array } {
    const lt = Uint8Array.of(RECORD_PREFIX, ...this.id, ...new Uint8Array(24).fill(0xff), 0)
    return { gte: Uint8Array.of(RECORD_PREFIX, ...this.id), lt }
  }

  #groupPrefix(group: Uint8Array): Uint8Array {
    const key = new Uint8Array(RECORD_KEY_BYTES)
    key[0] = RECORD_PREFIX
    key.set(this.id, 1)
    key.set(this.#groupId(group), 1 + TABLE_ID_BYTES)
    return key
  }

  #groupId(group: Uint8Array): Uint8Array {
    const hex = bytesToHex(group)
    const known = this.#groupIdsByHex.get(hex)
    if (known !== undefined) return known
    if (group.length > GROUP_NAME_BYTES_MAX) {
      throw new RangeError(`a group has ${group.length} bytes, at most ${GROUP_NAME_BYTES_MAX}`)
    }
    if (this.#groupIdsByHex.size >= GROUP_IDS_MAX) this.#groupIdsByHex.clear()
    const id = hmac(contexts.storeGroup, this.#groupKey, group).slice(0, GROUP_ID_BYTES)
    this.#groupIdsByHex.set(hex, id)
    return id
  }
}

/** The hex id of the table that a record's key names; `undefined` if it is no record's key. */
export function tableIdOf(key: Uint8Array): string | undefined {
  if (key.length !== RECORD_KEY_BYTES || key[0] !== RECORD_PREFIX) return undefined
  return bytesToHex(key.subarray(1, 1 + TABLE_ID_BYTES))
}

export function orderOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset + ORDER_AT, ORDER_BYTES)
  return view.getUint32(0) * 2 ** 32 + view.getUint32(4)
}

function writeOrder(key: Uint8Array, order: number): void {
  if (!Number.isSafeInteger(order) || order < 0) {
    throw new RangeError("an order is a whole number from 0 to 2^53 - 1")
  }
  const view = new DataView(key.buffer, key.byteOffset + ORDER_AT, ORDER_BYTES)
  view.setUint32(0, Math.floor(order / 2 ** 32))
  view.setUint32(4, order % 2 ** 32)
}
