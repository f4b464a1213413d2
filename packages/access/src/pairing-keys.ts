/**
 * What both sides of a pairing derive from the key that CPace gave them.
 *
 * The guest commits to a nonce before it sees the host's share and shows it after. The check
 * words come from that nonce too: somebody in between who has overheard the code must choose all
 * that is its own before it learns what the words will be, so it has one chance in 2^33.
 *
 * Every key seals one thing once, hence the zero nonces. The package is sealed twice, to the
 * guest's own key (which holds when CPace's curve no longer does) and then under CPace's.
 *
 * @module
 */
import { concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { encodeCbor } from "@fulcrum/codec/cbor"
import { encodeAs, type Schema, struct } from "@fulcrum/codec/schema"
import { open, seal } from "@fulcrum/crypto/aead"
import { type Context, contexts } from "@fulcrum/crypto/contexts"
import { type CpaceRole, type CpaceRun, startCpace } from "@fulcrum/crypto/cpace"
import { hash, hkdf, hmac } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import { unwrap, type WrapKey, type WrapPublicKey, wrap } from "@fulcrum/crypto/wrap"
import { deviceNameSchema } from "./device.ts"
import {
  type Frame,
  type Hello,
  PAIRING_LEAST_VERSION,
  PAIRING_VERSION,
} from "./pairing-messages.ts"
import {
  addressesSchema,
  decodePairingPackage,
  encodePairingPackage,
  type PairingPackage,
} from "./pairing-package.ts"
import { readAs } from "./read.ts"
import { type GivenCode, isScanned } from "./scanned-code.ts"
import { bytesToWords } from "./words.ts"

/** Words that both screens show: 33 bits. */
export const CHECK_WORDS = 3

/** What a session is known by. */
export interface Session {
  readonly id: Uint8Array
  /** From CPace: the same on both sides. */
  readonly key: Uint8Array
}

/** What the existing device says of itself to the new one. */
export interface HostInfo {
  readonly name: string
  readonly addresses: readonly string[]
}

const NONCE = new Uint8Array(12)
const EMPTY = new Uint8Array(0)
const hostInfoSchema: Schema<HostInfo> = struct({
  name: deviceNameSchema,
  addresses: addressesSchema,
})

export function startRun(started: {
  readonly role: CpaceRole
  readonly code: GivenCode
  readonly sessionId: Uint8Array
  readonly associatedData: Uint8Array
  readonly random: Random
}): CpaceRun {
  const { role, code, sessionId, associatedData, random } = started
  // The way is part of the channel: a message of one way is worth nothing on the other.
  const way = isScanned(code) ? "scanned" : code.nameplate
  const channel = utf8ToBytes(`${contexts.pairChannel} ${way}`)
  return startCpace({ role, password: code.secret, channel, sessionId, associatedData, random })
}

/** All of the guest's first message but its share, for CPace to cover. */
export function guestSaid(
  frame: Pick<Frame, "version" | "least">,
  hello: Omit<Hello, "share">,
): Uint8Array {
  return encodeCbor([frame.version, frame.least, hello.sessionId, hello.commitment])
}

/** All of the host's first message but its share. */
export function hostSaid(frame: Pick<Frame, "version" | "least">): Uint8Array {
  return encodeCbor([frame.version, frame.least])
}

export const OWN_VERSIONS: Pick<Frame, "version" | "least"> = {
  version: PAIRING_VERSION,
  least: PAIRING_LEAST_VERSION,
}

export function commitTo(nonce: Uint8Array, sessionId: Uint8Array): Uint8Array {
  return hash(contexts.pairCommitment, nonce, sessionId)
}

export function checkWords(session: Session, nonce: Uint8Array): readonly string[] {
  const drawn = hkdf(contexts.pairCheckWords, session.key, nonce, session.id, 5)
  return bytesToWords(drawn, CHECK_WORDS)
}

export function sealCertificate(
  session: Session,
  nonce: Uint8Array,
  certificate: Uint8Array,
): Uint8Array {
  return sealFor(contexts.pairClaim, session, nonce, certificate)
}

/** @throws {SealError} */
export function openCertificate(
  session: Session,
  nonce: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  return openFor(contexts.pairClaim, session, nonce, sealed)
}

/** Names a claim by its bytes. */
export function claimDigest(claim: Uint8Array): Uint8Array {
  return hash(contexts.pairClaimDigest, claim)
}

export function sealHostInfo(session: Session, info: HostInfo): Uint8Array {
  return sealFor(contexts.pairAsking, session, EMPTY, encodeAs(hostInfoSchema, info))
}

/** @throws {SealError | AccessError} */
export function openHostInfo(session: Session, sealed: Uint8Array): HostInfo {
  const info = openFor(contexts.pairAsking, session, EMPTY, sealed)
  return readAs(hostInfoSchema, info, { bytesMax: 16 * 1024 })
}

export function sealPackage(sealed: {
  readonly session: Session
  readonly to: WrapPublicKey
  readonly claim: Uint8Array
  readonly pairingPackage: PairingPackage
  readonly random: Random
}): Uint8Array {
  const { session, to, claim, pairingPackage, random } = sealed
  const plaintext = encodePairingPackage(pairingPackage)
  const aad = concatBytes([session.id, claim])
  const wrapped = wrap({ context: contexts.pairPackageWrap, to, aad, plaintext, random })
  return sealFor(contexts.pairPackage, session, claim, wrapped)
}

/** @throws {SealError | AccessError} */
export function openPackage(opened: {
  readonly session: Session
  readonly key: WrapKey
  readonly claim: Uint8Array
  readonly sealed: Uint8Array
}): PairingPackage {
  const { session, key, claim } = opened
  const sealed = openFor(contexts.pairPackage, session, claim, opened.sealed)
  const aad = concatBytes([session.id, claim])
  return decodePairingPackage(unwrap({ context: contexts.pairPackageWrap, key, aad, sealed }))
}

/** The guest's word that it keeps the package that came in these bytes. */
export function acknowledgement(session: Session, sealed: Uint8Array): Uint8Array {
  const key = hkdf(contexts.pairAcknowledgementKey, session.key, EMPTY, session.id, 32)
  return hmac(contexts.pairAcknowledgement, key, sealed)
}

function sealFor(
  context: Context,
  session: Session,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const key = hkdf(context, session.key, EMPTY, session.id, 32)
  return seal({ key, nonce: NONCE, aad, plaintext })
}

function openFor(
  context: Context,
  session: Session,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  const key = hkdf(context, session.key, EMPTY, session.id, 32)
  return open({ key, nonce: NONCE, aad, sealed })
}
