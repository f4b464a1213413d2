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
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
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

/** Places remembered for each table, some 300 bytes each: finding one costs an HMAC. */
const GROUP_PLACES_MAX = 4096

/** Past whatever of a key follows a table's or a group's prefix: no order begins with 0xff. */
const PAST_ANY = new Uint8Array(GROUP_ID_BYTES + ORDER_BYTES + 1).fill(0xff)

const EMPTY = new Uint8Array(0)

/** A group of one table, as it lies in the store. */
export interface GroupPlace {
  /** The record keys up to their order. */
  readonly prefix: Uint8Array
  /** The prefix in hex: one text for one group of all tables. */
  readonly name: string
}

/** The keys of one table's records. */
export class TableKeys {
  readonly id: Uint8Array
  readonly #groupKey: Uint8Array
  readonly #placesByGroup = new Map<string, GroupPlace>()

  constructor(vaultKey: Uint8Array, name: string) {
    const derived = hkdf(contexts.storeTable, vaultKey, EMPTY, utf8ToBytes(name), 8 + 32)
    this.id = derived.slice(0, TABLE_ID_BYTES)
    this.#groupKey = derived.slice(TABLE_ID_BYTES)
  }

  /** @throws {RangeError} if the group is too long. */
  groupPlace(group: Uint8Array): GroupPlace {
    const hex = bytesToHex(group)
    const known = this.#placesByGroup.get(hex)
    if (known !== undefined) return known
    if (group.length > GROUP_NAME_BYTES_MAX) {
      throw new RangeError(`a group has ${group.length} bytes, at most ${GROUP_NAME_BYTES_MAX}`)
    }
    const id = hmac(contexts.storeGroup, this.#groupKey, group).subarray(0, GROUP_ID_BYTES)
    const prefix = concatBytes([Uint8Array.of(RECORD_PREFIX), this.id, id])
    const place = { prefix, name: bytesToHex(prefix) }
    if (this.#placesByGroup.size >= GROUP_PLACES_MAX) this.#placesByGroup.clear()
    this.#placesByGroup.set(hex, place)
    return place
  }

  /** @throws {RangeError} if group or order are out of bounds. */
  recordKey(group: Uint8Array, order: number): Uint8Array {
    return recordKeyIn(this.groupPlace(group), order)
  }

  /** The range of a group's records from order `from` on, before `to`. */
  groupRange(group: Uint8Array, from: number, to: number): { gte: Uint8Array; lt: Uint8Array } {
    const place = this.groupPlace(group)
    const lt = to <= Number.MAX_SAFE_INTEGER ? recordKeyIn(place, to) : pastGroup(place.prefix)
    return { gte: recordKeyIn(place, from), lt }
  }

  tableRange(): { gte: Uint8Array; lt: Uint8Array } {
    const gte = Uint8Array.of(RECORD_PREFIX, ...this.id)
    return { gte, lt: concatBytes([gte, PAST_ANY]) }
  }
}

/** @throws {RangeError} if the order is out of bounds. */
export function recordKeyIn(place: GroupPlace, order: number): Uint8Array {
  if (!Number.isSafeInteger(order) || order < 0) {
    throw new RangeError("an order is a whole number from 0 to 2^53 - 1")
  }
  const key = new Uint8Array(RECORD_KEY_BYTES)
  key.set(place.prefix)
  const high = Math.floor(order / 2 ** 32)
  for (let at = 0; at < 4; at++) {
    key[ORDER_AT + at] = high >>> (24 - 8 * at)
    key[ORDER_AT + 4 + at] = order >>> (24 - 8 * at)
  }
  return key
}

/** The range of all records of the group that `groupPlace` named so. */
export function wholeGroup(name: string): { gte: Uint8Array; lt: Uint8Array } {
  const gte = hexToBytes(name)
  return { gte, lt: pastGroup(gte) }
}

function pastGroup(prefix: Uint8Array): Uint8Array {
  return concatBytes([prefix, PAST_ANY.subarray(0, ORDER_BYTES)])
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
