/**
 * The key schedule of HPKE in base mode (RFC 9180, section 5.1) for one cipher
 * suite's identifiers, with HKDF-SHA-256. Encapsulation is the caller's.
 *
 * Written here because the libraries draw their own randomness, and ours is
 * passed in: see docs/decisions/0002-hpke-randomness.md.
 *
 * Internal: `wrap` is what other packages use.
 *
 * @module
 */
import { concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { hkdfExpand, hkdfExtract } from "./hkdf.ts"
import { primitives } from "./platform.ts"

export interface HpkeSuite {
  readonly kemId: number
  readonly kdfId: number
  readonly aeadId: number
  /** Nk, bytes in the AEAD's key. */
  readonly keyBytes: number
  /** Nn, bytes in its nonce. */
  readonly nonceBytes: number
}

export interface HpkeKeys {
  readonly key: Uint8Array
  readonly baseNonce: Uint8Array
  readonly exporterSecret: Uint8Array
}

const MODE_BASE = Uint8Array.of(0)
const EMPTY = new Uint8Array(0)
const VERSION = utf8ToBytes("HPKE-v1")
const HASH_BYTES = 32

/** The keys that both sides derive from the shared secret; `baseNonce` is the first message's. */
export function hpkeKeys(suite: HpkeSuite, shared: Uint8Array, info: Uint8Array): HpkeKeys {
  const suiteId = concatBytes([
    utf8ToBytes("HPKE"),
    uint16(suite.kemId),
    uint16(suite.kdfId),
    uint16(suite.aeadId),
  ])
  const extract = (salt: Uint8Array, label: string, key: Uint8Array): Uint8Array =>
    hkdfExtract(primitives, salt, concatBytes([VERSION, suiteId, utf8ToBytes(label), key]))
  const expand = (label: string, length: number): Uint8Array =>
    hkdfExpand(
      primitives,
      secret,
      concatBytes([uint16(length), VERSION, suiteId, utf8ToBytes(label), context]),
      length,
    )
  const context = concatBytes([
    MODE_BASE,
    extract(EMPTY, "psk_id_hash", EMPTY),
    extract(EMPTY, "info_hash", info),
  ])
  const secret = extract(shared, "secret", EMPTY)
  return {
    key: expand("key", suite.keyBytes),
    baseNonce: expand("base_nonce", suite.nonceBytes),
    exporterSecret: expand("exp", HASH_BYTES),
  }
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}
