/**
 * The names and keys that logs are made of, each a type of its own.
 *
 * @module
 */
import type { Brand } from "@fulcrum/codec/brand"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { branded, bytes, type Schema } from "@fulcrum/codec/schema"

/** A space's audience: 32 random bytes, drawn once for each generation. */
export type SpaceTag = Brand<Uint8Array, "SpaceTag">
/** One start of a writer: 16 random bytes. */
export type IncarnationId = Brand<Uint8Array, "IncarnationId">
/** Keyed hash over a line of entries up to one of them: 32 bytes. */
export type ChainHash = Brand<Uint8Array, "ChainHash">
/** Keys the chains of one generation of a space: 32 random bytes, never rotated. */
export type ChainKey = Brand<Uint8Array, "ChainKey">
/** Hash of the key span that announced an epoch: 32 bytes. */
export type EpochId = Brand<Uint8Array, "EpochId">
/** What an epoch's spans are sealed under: 32 random bytes. */
export type EpochKey = Brand<Uint8Array, "EpochKey">
/** Hash of a mailbox's public key: 32 bytes. */
export type MailboxName = Brand<Uint8Array, "MailboxName">
/** What an Automerge document calls one incarnation: 16 random bytes. */
export type ActorId = Brand<Uint8Array, "ActorId">

export const spaceTagSchema: Schema<SpaceTag> = branded<SpaceTag>(bytes(32))
export const incarnationIdSchema: Schema<IncarnationId> = branded<IncarnationId>(bytes(16))
export const chainHashSchema: Schema<ChainHash> = branded<ChainHash>(bytes(32))
export const chainKeySchema: Schema<ChainKey> = branded<ChainKey>(bytes(32))
export const epochIdSchema: Schema<EpochId> = branded<EpochId>(bytes(32))
export const epochKeySchema: Schema<EpochKey> = branded<EpochKey>(bytes(32))
export const mailboxNameSchema: Schema<MailboxName> = branded<MailboxName>(bytes(32))
export const actorIdSchema: Schema<ActorId> = branded<ActorId>(bytes(16))

/** The epoch that the first key span of a space follows: none, written as zeros. */
export const NO_EPOCH: EpochId = epochIdSchema.decode(new Uint8Array(32))

/** An id as a key for maps. */
export function idKey(id: Uint8Array): string {
  return bytesToHex(id)
}
