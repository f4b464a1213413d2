/**
 * Mailboxes' names, and the capabilities to use one.
 *
 * A mailbox is named by the hash of a public key that its maker drew. A capability is the
 * canonical CBOR array `[payload, signature]`; the payload is a CBOR array of its own:
 *
 * | field    | type     | notes                                             |
 * | -------- | -------- | ------------------------------------------------- |
 * | version  | 1        |                                                   |
 * | mailbox  | 32 bytes | the mailbox's Ed25519 key, which signs            |
 * | right    | 0, 1, 2  | append, read, manage                              |
 * | holder   | 32 bytes | the Ed25519 key that may use it                   |
 * | notAfter | integer  | seconds since 1970; inclusive                     |
 * | serial   | 16 bytes | random                                            |
 *
 * It is no bearer token: on each connection its holder signs the binding, a hash over the
 * relay's transport key, the dialer's, the relay's nonce and the capability.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import {
  branded,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  literal,
  type Schema,
  struct,
  uint,
} from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import { type PublicKey, type SigningKey, sign, verify } from "@fulcrum/crypto/ed25519"
import { hash } from "@fulcrum/crypto/hash"
import { type MailboxName, mailboxNameSchema } from "./ids.ts"
import { LogError, readAs } from "./log-error.ts"
import type { Verified } from "./verified.ts"

/** How long a capability lasts; it is renewed at half of that. */
export const CAPABILITY_DAYS = 400

/** Largest capability, in bytes. */
export const CAPABILITY_BYTES_MAX = 512

export const MAILBOX_RIGHTS = ["append", "read", "manage"] as const
export type MailboxRight = (typeof MAILBOX_RIGHTS)[number]

export interface Capability {
  readonly mailbox: PublicKey
  readonly right: MailboxRight
  readonly holder: PublicKey
  /** Seconds since 1970, inclusive. */
  readonly notAfter: number
  /** 16 random bytes. */
  readonly serial: Uint8Array
  /** The capability as it was signed. */
  readonly bytes: Uint8Array
}

export interface Binding {
  /** The relay's transport key, 32 bytes. */
  readonly relayKey: Uint8Array
  /** The dialer's transport key, 32 bytes. */
  readonly dialerKey: Uint8Array
  /** What the relay drew for this connection. */
  readonly nonce: Uint8Array
  readonly capability: Uint8Array
}

interface Payload {
  readonly version: 1
  readonly mailbox: PublicKey
  readonly right: number
  readonly holder: PublicKey
  readonly notAfter: number
  readonly serial: Uint8Array
}

const payloadSchema: Schema<Payload> = struct({
  version: literal(1),
  mailbox: branded<PublicKey>(bytes(32)),
  right: uint(MAILBOX_RIGHTS.length - 1),
  holder: branded<PublicKey>(bytes(32)),
  notAfter: uint(),
  serial: bytes(16),
})

const signedSchema: Schema<{ readonly payload: Uint8Array; readonly signature: Uint8Array }> =
  struct({ payload: bytesMax(256), signature: bytes(64) })

const MS_PER_SECOND = 1000
const MS_PER_DAY = 86_400_000

export function mailboxName(publicKey: Uint8Array): MailboxName {
  return mailboxNameSchema.decode(hash(contexts.mailboxName, publicKey))
}

/**
 * When a capability that is signed now ends, in seconds since 1970: at the end of a day, so that it
 * tells nobody when in the day it was made.
 */
export function capabilityEnd(nowMs: number): number {
  const day = Math.floor(nowMs / MS_PER_DAY)
  return ((day + CAPABILITY_DAYS + 1) * MS_PER_DAY) / MS_PER_SECOND - 1
}

/** Signs a capability with the mailbox's own key. */
export function signCapability(input: {
  readonly mailboxKey: SigningKey
  readonly right: MailboxRight
  readonly holder: PublicKey
  readonly notAfter: number
  readonly serial: Uint8Array
}): Uint8Array {
  const payload = encodeAs(payloadSchema, {
    version: 1,
    mailbox: input.mailboxKey.publicKey,
    right: MAILBOX_RIGHTS.indexOf(input.right),
    holder: input.holder,
    notAfter: input.notAfter,
    serial: input.serial,
  })
  const signature = sign(contexts.mailboxCapability, input.mailboxKey, payload)
  return encodeAs(signedSchema, { payload, signature })
}

/**
 * Checks a capability's form, signature and end.
 *
 * @throws {LogError} `LOG_MALFORMED`, `CAPABILITY_INVALID`, `CAPABILITY_EXPIRED`.
 */
export function verifyCapability(encoded: Uint8Array, nowMs: number): Verified<Capability> {
  const { fields, isGenuine } = readAs("LOG_MALFORMED", "not a capability", () => {
    const signed = decodeAs(signedSchema, encoded, { bytesMax: CAPABILITY_BYTES_MAX })
    const fields = decodeAs(payloadSchema, signed.payload, { bytesMax: CAPABILITY_BYTES_MAX })
    const { payload, signature } = signed
    return {
      fields,
      isGenuine: verify(contexts.mailboxCapability, fields.mailbox, payload, signature),
    }
  })
  if (!isGenuine) throw new LogError("CAPABILITY_INVALID", "a capability its mailbox never signed")
  if (nowMs > fields.notAfter * MS_PER_SECOND) {
    throw new LogError("CAPABILITY_EXPIRED", "a capability past its end")
  }
  const { mailbox, holder, notAfter, serial } = fields
  const right = MAILBOX_RIGHTS[fields.right] ?? "append"
  const capability: Capability = { mailbox, right, holder, notAfter, serial, bytes: encoded }
  return asVerified(capability)
}

/** The holder's proof, for one connection: 64 bytes. */
export function proveBinding(input: Binding & { readonly holderKey: SigningKey }): Uint8Array {
  return sign(contexts.mailboxBinding, input.holderKey, bindingMessage(input))
}

/** Whether the capability's holder made this proof for this connection. */
export function checkBinding(input: {
  readonly relayKey: Uint8Array
  readonly dialerKey: Uint8Array
  readonly nonce: Uint8Array
  readonly capability: Verified<Capability>
  readonly proof: Uint8Array
}): boolean {
  const { capability, proof } = input
  const message = bindingMessage({ ...input, capability: capability.bytes })
  return verify(contexts.mailboxBinding, capability.holder, message, proof)
}

function bindingMessage({ relayKey, dialerKey, nonce, capability }: Binding): Uint8Array {
  if (relayKey.length !== 32 || dialerKey.length !== 32) throw new RangeError("a key has 32 bytes")
  return concatBytes([relayKey, dialerKey, hash(contexts.mailboxCapabilityHash, nonce, capability)])
}

function asVerified<T extends object>(checked: T): Verified<T>
function asVerified(checked: object): object {
  return checked
}
