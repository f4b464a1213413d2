/**
 * Scanned codes: what a QR code says to add a device, as `fulcrum pair` draws it.
 *
 * `fulcrum-pair:1.` and the base64url, unpadded, of a canonical CBOR array:
 *
 * | field       | type          | notes                                                         |
 * | ----------- | ------------- | ------------------------------------------------------------- |
 * | secret      | bytes(32)     | drawn for this pairing; the CPace password                    |
 * | fingerprint | bytes(16)     | of the existing device's writer key: who must answer          |
 * | expires     | uint          | seconds since 1970; the existing device goes by its own clock |
 * | relays      | up to 2 texts | multiaddrs; both meet there, at a name made of the secret     |
 * | transport   | text or null  | what all of `addresses` end in, after `/p2p/`                 |
 * | addresses   | up to 4 texts | multiaddrs of the existing device, without that end           |
 *
 * Who has seen the QR code can come first, as with a typed code, and is asked about under a name and
 * words of its own. It cannot answer in the existing device's place: see `pairing-identity.ts`.
 * Source: DESIGN, "Pairing".
 *
 * @module
 */
import { base64urlToBytes, bytesToBase64url } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import {
  array,
  bytes,
  decodeAs,
  encodeAs,
  optional,
  type Schema,
  struct,
  text,
  uint,
} from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import { hash } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import { AccessError } from "./access-error.ts"
import { type PairingCode, parsePairingCode } from "./pairing-code.ts"
import { ADDRESS_BYTES_MAX } from "./pairing-package.ts"

export interface ScannedCode {
  /** 32 bytes. */
  readonly secret: Uint8Array
  /** 16 bytes. */
  readonly fingerprint: Uint8Array
  readonly expiresAtMs: number
  readonly relays: readonly string[]
  readonly addresses: readonly string[]
}

/** What a person gives to `join`: typed, or scanned. */
export type GivenCode = PairingCode | ScannedCode

/** Bytes of a scanned code's secret. */
export const SCANNED_SECRET_BYTES = 32

/** Bytes of a fingerprint: nobody finds another key with the same one by 2^128 attempts. */
export const FINGERPRINT_BYTES = 16

export const SCANNED_RELAYS_MAX = 2
export const SCANNED_ADDRESSES_MAX = 4

/** Characters that are read: as many as the largest QR code that a camera reads off a screen. */
export const SCANNED_CODE_CHARS_MAX = 1024

/**
 * Characters that are written: a QR code of version 13, which with a quiet zone of 4 modules is 77
 * modules wide. A terminal has 80 columns.
 */
export const SCANNED_CODE_CHARS_WRITTEN = 425

const SCHEME = "fulcrum-pair:"
const VERSION = "1."
const TRANSPORT = "/p2p/"

const schema: Schema<Fields> = struct({
  secret: bytes(SCANNED_SECRET_BYTES),
  fingerprint: bytes(FINGERPRINT_BYTES),
  expires: uint(0xffff_ffff),
  relays: array(text(ADDRESS_BYTES_MAX), SCANNED_RELAYS_MAX),
  transport: optional(text(ADDRESS_BYTES_MAX)),
  addresses: array(text(ADDRESS_BYTES_MAX), SCANNED_ADDRESSES_MAX),
})

interface Fields {
  readonly secret: Uint8Array
  readonly fingerprint: Uint8Array
  readonly expires: number
  readonly relays: readonly string[]
  readonly transport?: string | undefined
  readonly addresses: readonly string[]
}

/**
 * Draws a code that names as many of the relays and addresses as a QR code has room for: an address,
 * a relay, the other addresses, the other relay.
 */
export function generateScannedCode(drawn: {
  readonly random: Random
  /** The key that this device signs its spans with. */
  readonly writer: PublicKey
  readonly expiresAtMs: number
  readonly relays: readonly string[]
  /** Of one host: each ends in its `/p2p/` and id. */
  readonly addresses: readonly string[]
}): ScannedCode {
  const { random, writer, relays, addresses } = drawn
  let code: ScannedCode = {
    secret: random.bytes(SCANNED_SECRET_BYTES),
    fingerprint: fingerprintOf(writer),
    expiresAtMs: Math.floor(drawn.expiresAtMs / 1000) * 1000,
    relays: [],
    addresses: [],
  }
  const add = (to: "relays" | "addresses", one: string) => {
    const longer = { ...code, [to]: [...code[to], one] }
    const isShort = one.length <= SCANNED_CODE_CHARS_WRITTEN
    if (isShort && formatScannedCode(longer).length <= SCANNED_CODE_CHARS_WRITTEN) code = longer
  }
  for (const one of addresses.slice(0, 1)) add("addresses", one)
  for (const one of relays.slice(0, 1)) add("relays", one)
  for (const one of addresses.slice(1, SCANNED_ADDRESSES_MAX)) add("addresses", one)
  for (const one of relays.slice(1, SCANNED_RELAYS_MAX)) add("relays", one)
  return code
}

/** @throws {CodecError} Outside its bounds. */
export function formatScannedCode(code: ScannedCode): string {
  const { secret, fingerprint, relays } = code
  const transport = sharedTransport(code.addresses)
  const end = transport === undefined ? "" : TRANSPORT + transport
  const encoded = encodeAs(schema, {
    secret,
    fingerprint,
    expires: code.expiresAtMs / 1000,
    relays,
    ...(transport !== undefined && { transport }),
    addresses: code.addresses.map((address) => address.slice(0, address.length - end.length)),
  })
  return `${SCHEME}${VERSION}${bytesToBase64url(encoded)}`
}

/**
 * @param scanned - As a camera, or another program, hands it over: white space around it does not
 * matter.
 * @throws {AccessError} `PAIR_CODE_MALFORMED`; `PAIR_VERSION`: made by a newer program.
 */
export function parseScannedCode(scanned: string): ScannedCode {
  if (scanned.length > SCANNED_CODE_CHARS_MAX) throw malformed()
  const said = scanned.trim()
  if (!said.startsWith(SCHEME)) throw malformed()
  const rest = said.slice(SCHEME.length)
  if (!rest.startsWith(VERSION)) {
    if (!/^[0-9]+\./.test(rest)) throw malformed()
    throw new AccessError("PAIR_VERSION", "this code is of another version of Fulcrum")
  }
  const { secret, fingerprint, expires, relays, transport, addresses } = readFields(
    rest.slice(VERSION.length),
  )
  // An id of its own, and just that: what was read can be written again.
  if (transport === "" || transport?.includes(TRANSPORT)) throw malformed()
  const end = transport === undefined ? "" : TRANSPORT + transport
  return {
    secret,
    fingerprint,
    expiresAtMs: expires * 1000,
    relays,
    addresses: addresses.map((address) => address + end),
  }
}

function readFields(encoded: string): Fields {
  try {
    const limits = { bytesMax: SCANNED_CODE_CHARS_MAX }
    return decodeAs(schema, base64urlToBytes(encoded), limits)
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw malformed(cause)
  }
}

/**
 * Reads what was given to `join`, whichever it is.
 *
 * @throws {AccessError} `PAIR_CODE_MALFORMED`, `PAIR_WORD_UNKNOWN`, `PAIR_VERSION`.
 */
export function parseGivenCode(given: string): GivenCode {
  return given.trimStart().startsWith(SCHEME) ? parseScannedCode(given) : parsePairingCode(given)
}

export function isScanned(code: GivenCode): code is ScannedCode {
  return "fingerprint" in code
}

/** What both sides know a device's writer key by. */
export function fingerprintOf(writer: PublicKey): Uint8Array {
  return hash(contexts.pairFingerprint, writer).slice(0, FINGERPRINT_BYTES)
}

/** Where both meet on a relay: says nothing of the secret. */
export function scannedMeetingName({ secret }: ScannedCode): Uint8Array {
  return hash(contexts.pairMeeting, secret)
}

/** The id that all end in; `undefined` if there is none, or they end in several. */
function sharedTransport(addresses: readonly string[]): string | undefined {
  const [first, ...others] = addresses.map((address) => {
    const at = address.lastIndexOf(TRANSPORT)
    return at < 0 ? "" : address.slice(at + TRANSPORT.length)
  })
  const isShared = first !== "" && others.every((other) => other === first)
  return isShared ? first : undefined
}

function malformed(cause?: unknown): AccessError {
  return new AccessError("PAIR_CODE_MALFORMED", "a scanned code that is not whole, or none", {
    cause,
  })
}
