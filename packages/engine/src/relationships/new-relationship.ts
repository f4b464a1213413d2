/**
 * Begins a relationship: draws all of its keys, makes its share's first key span, and seals the
 * connect message. Everything is random, nothing derived, so two relationships have nothing in
 * common. Nothing is written here: the caller puts all of it into one step.
 *
 * Source: DESIGN, "Relations" (connecting, in order, steps 3 and 4).
 *
 * @module
 */
import { contexts } from "@fulcrum/crypto/contexts"
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { wrap } from "@fulcrum/crypto/wrap"
import type { Deflate } from "@fulcrum/log/deflate"
import { epochKeySchema } from "@fulcrum/log/ids"
import { capabilityEnd, signCapability } from "@fulcrum/log/mailbox"
import type { StagedKey } from "@fulcrum/log/replica"
import { sealConnect } from "@fulcrum/relations/connect"
import { encodeInvitation, type Invitation } from "@fulcrum/relations/invitation"
import type { SignedRequest } from "@fulcrum/relations/request"
import { shareKeyBody, wrapShareKey } from "@fulcrum/relations/share-key"
import { recoveryKeyHash } from "@fulcrum/relations/successor"
import type { Vault } from "@fulcrum/store/vault"
import type { RelationshipItem } from "../items/relationship-items.ts"
import { ShareSpace } from "./share-space.ts"

export interface NewRelationship {
  readonly item: RelationshipItem
  /** The sealed connect message, to be sent byte for byte until it is receipted. */
  readonly message: Uint8Array
  readonly space: ShareSpace
  /** The share's first key span, staged in {@link NewRelationship.space}. */
  readonly keySpan: StagedKey
}

export async function newRelationship(input: {
  readonly invitation: Invitation
  readonly request: SignedRequest
  readonly key: SigningKey
  /** The proffered agreement, and the relationship key's signature over it. */
  readonly agreement: Uint8Array
  readonly signature: Uint8Array
  /** The recovery words' X-Wing key. */
  readonly recoveryKey: Uint8Array
  readonly nowMs: number
  readonly vault: Vault
  readonly random: Random
  readonly deflate: Deflate
}): Promise<NewRelationship> {
  const { invitation, request, key, agreement, signature, random } = input
  const spaceTag = random.bytes(32)
  const chainKey = random.bytes(32)
  const epochKey = epochKeySchema.decode(random.bytes(32))
  const mailbox = generateSigningKey(random)
  const access = generateSigningKey(random)
  const vendorAccess = generateSigningKey(random)
  const recovery = generateSigningKey(random)

  const space = await ShareSpace.open({
    vault: input.vault,
    spaceTag,
    chainKey,
    epochKey: () => undefined,
    currentEpoch: () => undefined,
    keys: { person: key.publicKey, vendor: invitation.vendor },
    own: { lane: "person", key },
    random,
    deflate: input.deflate,
  })
  const clear = wrapShareKey({ epochKey, spaceTag, to: request.wrap, random })
  const keySpan = space.replica.stageKey({
    epoch: { key: epochKey },
    clear,
    body: shareKeyBody(),
    follows: [],
  })
  const [keySpanBytes] = keySpan.spans
  if (keySpanBytes === undefined) throw new TypeError("a staged key without its span")

  const capability = (right: "append" | "read") =>
    signCapability({
      mailboxKey: mailbox,
      right,
      holder: vendorAccess.publicKey,
      notAfter: capabilityEnd(input.nowMs),
      serial: random.bytes(16),
    })
  const message = sealConnect({
    target: { door: invitation.door, requestHash: invitation.requestHash },
    to: request.wrap,
    key,
    body: {
      relationshipKey: key.publicKey,
      spaceTag,
      chainKey,
      mailbox: mailbox.publicKey,
      relays: invitation.relays,
      accessSeed: vendorAccess.seed,
      appendCapability: capability("append"),
      readCapability: capability("read"),
      keySpan: keySpanBytes,
      recoveryHash: recoveryKeyHash(recovery.publicKey),
      token: invitation.token,
      agreement,
      signature,
    },
    random,
  })
  return {
    item: {
      id: random.bytes(16),
      signingSeed: key.seed,
      vendor: invitation.vendor,
      spaceTag,
      chainKey,
      epoch: keySpan.epochId,
      epochKey,
      mailboxSeed: mailbox.seed,
      accessSeed: access.seed,
      vendorAccess: vendorAccess.publicKey,
      relays: invitation.relays,
      door: invitation.door,
      token: invitation.token,
      request: request.bytes,
      agreement,
      signature,
      recovery: wrap({
        context: contexts.relationshipRecovery,
        to: input.recoveryKey,
        aad: key.publicKey,
        plaintext: recovery.seed,
        random,
      }),
      invitation: encodeInvitation(invitation),
    },
    message,
    space,
    keySpan,
  }
}
