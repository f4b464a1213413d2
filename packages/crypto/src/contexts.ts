/**
 * Every context string: what a signature, hash or derived key is for. No two
 * uses share one, so nothing made for one purpose passes for another.
 *
 * Each is `fulcrum/v1/<purpose>`, purposes in kebab-case. A string in use never
 * changes meaning: a new meaning is a new string. Packages append their own
 * under their heading; `contexts.test.ts` holds the form and that each is unique.
 *
 * @module
 */

export const contexts = {
  // crypto
  /** Stretches a seed into the simulator's stream of bytes. */
  seededRandom: "fulcrum/v1/seeded-random",
  /** Derives a labelled stream from another. */
  seededRandomFork: "fulcrum/v1/seeded-random-fork",
  /** Derives the two confirmation keys from a CPace result. */
  cpaceConfirmation: "fulcrum/v1/cpace-confirmation",
  /** The initiator's proof that it holds the same CPace result. */
  cpaceInitiatorProof: "fulcrum/v1/cpace-initiator-proof",
  /** The responder's proof that it holds the same CPace result. */
  cpaceResponderProof: "fulcrum/v1/cpace-responder-proof",
  /** Derives the session key that a CPace exchange yields to its caller. */
  cpaceSession: "fulcrum/v1/cpace-session",

  // store

  // net

  // log

  // sync

  // access

  // relay
  /** What a mailbox's maker signs to create it on one relay. */
  relayCreate: "fulcrum/v1/relay-create",
  /** What a mailbox's maker signs to remove it from one relay. */
  relayRemove: "fulcrum/v1/relay-remove",
  /** A relay's signed statement that it holds an item. */
  relayReceipt: "fulcrum/v1/relay-receipt",
  /** The running root over a mailbox's items. */
  relayRoot: "fulcrum/v1/relay-root",
  /** Names an item of a mailbox: a span, or a message to a front door. */
  relayItem: "fulcrum/v1/relay-item",
  /** What a front door registers for a token. */
  relayToken: "fulcrum/v1/relay-token",
  /** A stranger's proof of work for one message to one front door. */
  relayWork: "fulcrum/v1/relay-work",

  // record

  // relations

  // engine

  // nodes
} as const

/** A registered context string. */
export type Context = (typeof contexts)[keyof typeof contexts]
