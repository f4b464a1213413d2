/**
 * CPace (draft-irtf-cfrg-cpace), ristretto255 with SHA-512, initiator and
 * responder: two who know one short password agree on a strong key, and whoever
 * guesses gets one guess a run and learns nothing else.
 *
 * | message   | from      | bytes | is                                          |
 * | --------- | --------- | ----: | ------------------------------------------- |
 * | share     | each      |    32 | Y, the generator times a secret scalar      |
 * | proof     | each      |    32 | HMAC over both shares, under a key from ISK |
 *
 * The draft's own functions are in `cpace-draft.ts`.
 *
 * Neither side uses what it got before the other's proof was checked.
 * A share that is no point, and one that makes the result the neutral element, are
 * refused.
 *
 * @module
 */
import { equalInConstantTime } from "./constant-time.ts"
import { contexts } from "./contexts.ts"
import {
  cpaceGenerator,
  cpaceIsk,
  cpaceMultiply,
  cpaceTranscript,
  sampleScalar,
} from "./cpace-draft.ts"
import { hkdf, hmac } from "./hash.ts"
import type { Random } from "./random.ts"

export type CpaceErrorCode =
  /** What came as a share is none, or would force the result. */
  | "CPACE_SHARE_INVALID"
  /** Another password, or somebody in between: the two look the same. */
  | "CPACE_PROOF_WRONG"

/** A run that must end here. */
export class CpaceError extends Error {
  override readonly name = "CpaceError"
  readonly code: CpaceErrorCode

  constructor(code: CpaceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export type CpaceRole = "initiator" | "responder"

export interface CpaceInput {
  readonly role: CpaceRole
  /** The shared secret, however short. */
  readonly password: Uint8Array
  /** Who talks to whom and over what (the draft's CI): the same on both sides. */
  readonly channel: Uint8Array
  /** At least 16 bytes that both know and that no other run has (the draft's sid). */
  readonly sessionId: Uint8Array
  /** What this side says of itself, authenticated by the run (the draft's AD). */
  readonly associatedData: Uint8Array
  readonly random: Random
}

export interface CpaceRun {
  /** 32 bytes, to be sent with the associated data. */
  readonly share: Uint8Array
  /**
   * Takes the other side's share, once.
   *
   * @throws {CpaceError} `CPACE_SHARE_INVALID`.
   */
  finish(peer: {
    readonly share: Uint8Array
    readonly associatedData: Uint8Array
  }): CpaceUnconfirmed
}

export interface CpaceUnconfirmed {
  /** 32 bytes, to be sent. */
  readonly proof: Uint8Array
  /**
   * Checks the other side's proof.
   *
   * @returns The session key, 32 bytes, the same on both sides.
   * @throws {CpaceError} `CPACE_PROOF_WRONG`.
   */
  confirm(peerProof: Uint8Array): Uint8Array
}

export const CPACE_SHARE_BYTES = 32
export const CPACE_PROOF_BYTES = 32
export const CPACE_SESSION_ID_BYTES_MIN = 16

const EMPTY = new Uint8Array(0)

/** Begins a run. */
export function startCpace(input: CpaceInput): CpaceRun {
  if (input.sessionId.length < CPACE_SESSION_ID_BYTES_MIN) {
    throw new RangeError("a session id has at least 16 bytes")
  }
  const scalar = sampleScalar(input.random)
  const share = multiply(scalar, cpaceGenerator(input))
  let isFinished = false
  return {
    share,
    finish(peer) {
      if (isFinished) throw new TypeError("a run takes one share")
      isFinished = true
      const own = { share, associatedData: input.associatedData }
      const transcript =
        input.role === "initiator" ? cpaceTranscript(own, peer) : cpaceTranscript(peer, own)
      const isk = cpaceIsk(multiply(scalar, peer.share), input.sessionId, transcript)
      return confirmation(input.role, isk, transcript)
    },
  }
}

function multiply(scalar: bigint, share: Uint8Array): Uint8Array {
  const product = cpaceMultiply(scalar, share)
  if (product === undefined) {
    throw new CpaceError("CPACE_SHARE_INVALID", "not a share that may be used")
  }
  return product
}

function confirmation(role: CpaceRole, isk: Uint8Array, transcript: Uint8Array): CpaceUnconfirmed {
  const proofKey = hkdf(contexts.cpaceConfirmation, isk, EMPTY, EMPTY, 32)
  const initiatorProof = hmac(contexts.cpaceInitiatorProof, proofKey, transcript)
  const responderProof = hmac(contexts.cpaceResponderProof, proofKey, transcript)
  const isInitiator = role === "initiator"
  const expected = isInitiator ? responderProof : initiatorProof
  return {
    proof: isInitiator ? initiatorProof : responderProof,
    confirm(peerProof) {
      if (!equalInConstantTime(peerProof, expected)) {
        throw new CpaceError("CPACE_PROOF_WRONG", "another password, or somebody in between")
      }
      return hkdf(contexts.cpaceSession, isk, EMPTY, EMPTY, 32)
    },
  }
}
