/**
 * The two lanes of a share space: what the person and the vendor say to each other.
 *
 * A payload entry's body is `array(variant)` in canonical CBOR: items that hold together or not at
 * all. Each side has its own items; an entry by one side's writer is read with that side's table
 * only, so nobody can speak in the other's lane. Tags are never reused; an unknown tag is kept in
 * the log and ignored.
 *
 * | lane   | tag | item     | what it says                                                   |
 * | ------ | --: | -------- | -------------------------------------------------------------- |
 * | person |   0 | put      | a register's value, or its absence, its counter and its day    |
 * | person |   1 | move     | the puts of this entry belong to this move                     |
 * | vendor |   0 | agreed   | the vendor's signature over the proffered agreement            |
 * | vendor |   1 | refused  | the vendor does not agree; why                                 |
 * | vendor |   2 | receipt  | what became of the person's entry that has this chain hash     |
 * | vendor |   3 | keys     | the newest keys of hers that it knows; more than one: frozen   |
 *
 * Source: DESIGN, "Record and shares" (two lanes) and "Relations" (receipts, moves).
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import { type ItemList, itemList } from "@fulcrum/codec/item-list"
import type { JsonLimits, JsonValue } from "@fulcrum/codec/json"
import {
  array,
  bytes,
  int,
  json,
  oneOf,
  optional,
  type Schema,
  struct,
  text,
} from "@fulcrum/codec/schema"
import { isDay } from "./day.ts"
import { isPathForm, REGISTER_PATH_BYTES_MAX } from "./field-path.ts"
import { NEWEST_KEYS_MAX } from "./person-keys.ts"

/** One entry is one step: at most this many items. */
export const LANE_ITEMS_MAX = 2048
/** Bytes of one entry's body. */
export const LANE_BYTES_MAX: number = 256 * 1024
/** Bytes, nesting and items of one register's value. */
export const REGISTER_LIMITS: JsonLimits = { bytesMax: 64 * 1024, depthMax: 8, itemsMax: 1024 }

/** Why a vendor does not apply a change. Source: DESIGN, "Move". */
export type RejectionCode =
  | "duplicate_match"
  | "no_match"
  | "insufficient_verification"
  | "invalid_value"
  | "field_not_agreed"
  | "terms_expired"
  | "needs_document"
  | "legal_hold"
  | "crm_unavailable"
  | "rate_limited"
  | "other"

export type ReceiptState = "delivered" | "accepted" | "applied" | "rejected"

/** A register's new value. */
export interface Put {
  /** A path of the record at or below a disclosed one, `document/…`. */
  readonly path: string
  /** `undefined`: the field is empty now, which is not the same as not disclosed. */
  readonly value?: JsonValue | undefined
  /** From 1; grows with each edit of this register, and the greater wins. */
  readonly counter: number
  /** From when it holds; absent: at once. */
  readonly day?: PutDay | undefined
}

export interface PutDay {
  /** `YYYY-MM-DD`, in `zone`. */
  readonly from: string
  /** IANA time zone of the person. */
  readonly zone?: string | undefined
}

/** What makes this entry's puts a move. */
export interface MoveNote {
  readonly id: Uint8Array
  /** Day (`YYYY-MM-DD`) from which it holds, in `zone`, as its puts say; absent: at once. */
  readonly from?: string | undefined
  /** IANA time zone of the person. */
  readonly zone?: string | undefined
  /** Earlier values by which the vendor finds her: only of fields that it holds already. */
  readonly before: readonly { readonly path: string; readonly value?: JsonValue | undefined }[]
}

export interface Agreed {
  readonly signature: Uint8Array
}

export interface Refused {
  /** Stable code, such as `terms_not_accepted`. */
  readonly code: string
  readonly reason: string
}

/**
 * The newest keys of the relationship, as the vendor knows them (`person-keys.ts`). One: it speaks
 * for the person. More: the vendor takes no change until the recovery key has decided.
 */
export interface NewestKeys {
  /** Greater than that of any before. */
  readonly number: number
  /** Ascending. */
  readonly keys: readonly Uint8Array[]
}

/** What became of one of the person's entries. */
export interface Receipt {
  /** Chain hash of the entry that it answers. */
  readonly about: Uint8Array
  readonly state: ReceiptState
  /** Present with `rejected`. */
  readonly code?: RejectionCode | undefined
  /** JSON pointer into the value, for `invalid_value`. */
  readonly pointer?: string | undefined
  readonly retry?: "no" | "later" | "changed" | undefined
}

const path: Schema<string> = textThat(
  REGISTER_PATH_BYTES_MAX,
  (given) => isPathForm(given, REGISTER_PATH_BYTES_MAX),
  "not a field's path",
)
const day: Schema<string> = textThat(10, isDay, "not a day")
const value: Schema<JsonValue> = json(REGISTER_LIMITS)

const rejectionCode: Schema<RejectionCode> = oneOf([
  "duplicate_match",
  "no_match",
  "insufficient_verification",
  "invalid_value",
  "field_not_agreed",
  "terms_expired",
  "needs_document",
  "legal_hold",
  "crm_unavailable",
  "rate_limited",
  "other",
])

const put: Schema<Put> = struct({
  path,
  value: optional(value),
  counter: int(1, Number.MAX_SAFE_INTEGER),
  day: optional(struct({ from: day, zone: optional(text(64)) })),
})
const move: Schema<MoveNote> = struct({
  id: bytes(16),
  from: optional(day),
  zone: optional(text(64)),
  before: array(struct({ path, value: optional(value) }), 16),
})
const agreed: Schema<Agreed> = struct({ signature: bytes(64) })
const refused: Schema<Refused> = struct({ code: text(32), reason: text(500) })
const receipt: Schema<Receipt> = struct({
  about: bytes(32),
  state: oneOf(["delivered", "accepted", "applied", "rejected"]),
  code: optional(rejectionCode),
  pointer: optional(text(256)),
  retry: optional(oneOf(["no", "later", "changed"])),
})

const keys: Schema<NewestKeys> = struct({
  number: int(1, Number.MAX_SAFE_INTEGER),
  keys: array(bytes(32), NEWEST_KEYS_MAX),
})

export type PersonItem =
  | { readonly kind: "put"; readonly value: Put }
  | { readonly kind: "move"; readonly value: MoveNote }

export type VendorItem =
  | { readonly kind: "agreed"; readonly value: Agreed }
  | { readonly kind: "refused"; readonly value: Refused }
  | { readonly kind: "receipt"; readonly value: Receipt }
  | { readonly kind: "keys"; readonly value: NewestKeys }

/** Text that meets a test, both ways. */
function textThat(max: number, meets: (text: string) => boolean, fault: string): Schema<string> {
  const plain = text(max)
  const check = (read: string, path?: string): string => {
    if (!meets(read)) throw new CodecError("SCHEMA_VALUE", fault, { path: path ?? "" })
    return read
  }
  return {
    encode: (value) => plain.encode(check(value)),
    decode: (value, path) => check(plain.decode(value, path), path),
  }
}

const limits = { itemsMax: LANE_ITEMS_MAX, bytesMax: LANE_BYTES_MAX } as const

/** What the person's writers say. */
export const personLane: ItemList<PersonItem> = itemList({ put: [0, put], move: [1, move] }, limits)

/** What the vendor's writers say. */
export const vendorLane: ItemList<VendorItem> = itemList(
  { agreed: [0, agreed], refused: [1, refused], receipt: [2, receipt], keys: [3, keys] },
  limits,
)
