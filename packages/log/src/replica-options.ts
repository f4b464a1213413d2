/**
 * What a replica is opened with.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "./deflate.ts"
import type { BodyColumns } from "./entry-columns.ts"
import type { LogVault } from "./log-vault.ts"
import type { CheckWriter, SpaceKeyring, WriterSource } from "./space-keyring.ts"

export interface ReplicaOptions {
  readonly vault: LogVault
  readonly keyring: SpaceKeyring
  readonly writer: WriterSource
  /** Who may write here; absent: whoever has the keys. */
  readonly checkWriter?: CheckWriter
  readonly random: Random
  /** By which others have their turn while much is opened or merged; absent: they have to wait. */
  readonly clock?: Clock
  readonly deflate: Deflate
  /** How the bodies of entries are written together; absent: one after another. */
  readonly bodies?: BodyColumns
}
