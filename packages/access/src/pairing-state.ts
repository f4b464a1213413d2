/**
 * What each side of a pairing keeps in its sealed storage, so that it may be killed at any point.
 *
 * | who   | when                     | keeps                                                     |
 * | ----- | ------------------------ | --------------------------------------------------------- |
 * | host  | before its first answer  | that the code is used up                                  |
 * | host  | before it sends package  | the sealed package, which claim it is for, the awaited ack |
 * | guest | before it sends claim    | its own secrets, the session, its claim                   |
 * | guest | before it acknowledges   | the same, with the sealed package                         |
 *
 * @module
 */
import {
  array,
  bytes,
  bytesMax,
  encodeAs,
  optional,
  type Schema,
  struct,
  text,
  uint,
  variant,
} from "@fulcrum/codec/schema"
import { type DeviceId, deviceIdSchema, deviceNameSchema } from "./device.ts"
import { CHECK_WORDS, type HostInfo } from "./pairing-keys.ts"
import { PAIRING_MESSAGE_BYTES_MAX, SESSION_ID_BYTES } from "./pairing-messages.ts"
import { addressesSchema } from "./pairing-package.ts"
import { readAs } from "./read.ts"
import { WORD_LETTERS_MAX } from "./words.ts"

export type HostState =
  | { readonly kind: "used"; readonly value: Readonly<Record<never, never>> }
  | { readonly kind: "approved"; readonly value: Approved }

export interface Approved {
  readonly device: DeviceId
  readonly name: string
  /** Digest of the guest's claim: who shows it again is sent the package again. */
  readonly claim: Uint8Array
  /** The message with the sealed package, sent again byte for byte. */
  readonly message: Uint8Array
  readonly acknowledgement: Uint8Array
  readonly approvedAtMs: number
}

export interface GuestState {
  /** `encodeDeviceSecrets`. */
  readonly device: Uint8Array
  readonly sessionId: Uint8Array
  readonly sessionKey: Uint8Array
  /** The whole message, sent again byte for byte. */
  readonly claim: Uint8Array
  readonly words: readonly string[]
  readonly host?: HostInfo | undefined
  /** Sealed as it came. */
  readonly sealedPackage?: Uint8Array | undefined
}

const STATE_BYTES_MAX = PAIRING_MESSAGE_BYTES_MAX + 16 * 1024

const hostSchema: Schema<HostState> = variant({
  used: [0, struct({})],
  approved: [
    1,
    struct({
      device: deviceIdSchema,
      name: deviceNameSchema,
      claim: bytes(32),
      message: bytesMax(PAIRING_MESSAGE_BYTES_MAX),
      acknowledgement: bytes(32),
      approvedAtMs: uint(),
    }),
  ],
})

const guestSchema: Schema<GuestState> = struct({
  device: bytesMax(256),
  sessionId: bytes(SESSION_ID_BYTES),
  sessionKey: bytes(32),
  claim: bytesMax(4096),
  words: array(text(WORD_LETTERS_MAX), CHECK_WORDS),
  host: optional(struct({ name: deviceNameSchema, addresses: addressesSchema })),
  sealedPackage: optional(bytesMax(PAIRING_MESSAGE_BYTES_MAX)),
})

export function encodeHostState(state: HostState): Uint8Array {
  return encodeAs(hostSchema, state)
}

/** @throws {AccessError} `ACCESS_STATE_UNREADABLE`. */
export function decodeHostState(encoded: Uint8Array): HostState {
  return readAs(hostSchema, encoded, { bytesMax: STATE_BYTES_MAX, code: "ACCESS_STATE_UNREADABLE" })
}

export function encodeGuestState(state: GuestState): Uint8Array {
  return encodeAs(guestSchema, state)
}

/** @throws {AccessError} `ACCESS_STATE_UNREADABLE`. */
export function decodeGuestState(encoded: Uint8Array): GuestState {
  return readAs(guestSchema, encoded, {
    bytesMax: STATE_BYTES_MAX,
    code: "ACCESS_STATE_UNREADABLE",
  })
}
