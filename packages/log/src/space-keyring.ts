/**
 * What a replica is told from above: keys, and who may write.
 *
 * @module
 */
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Begin } from "./entry.ts"
import type { ChainKey, EpochId, EpochKey, IncarnationId, SpaceTag } from "./ids.ts"
import type { SpanHeader } from "./span.ts"

/** The keys of one space; live: it may know more at the next call. */
export interface SpaceKeyring {
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  epochKey(id: EpochId): EpochKey | undefined
  /** What new spans are sealed under. */
  readonly current: { readonly id: EpochId; readonly key: EpochKey } | undefined
  /**
   * Finds the new key among a key span's wraps, and gives it for that epoch from then on, though the
   * span may wait: merged spans of its epoch may come first. `undefined`: none of them is ours.
   */
  openKeySpan?(span: KeySpan): EpochKey | undefined
  /**
   * The key of an epoch as another key span carries it, right if it opens the one that announces the
   * epoch: which has no wrap for us.
   */
  carriedKey?(epoch: EpochId): EpochKey | undefined
  /**
   * A key span opened; whether its writer may write is not known yet. It may wait for spans to which it
   * carries the keys itself.
   */
  openedKeySpan?(opened: OpenedKeySpan): void
}

export interface OpenedKeySpan {
  readonly epoch: EpochId
  readonly header: SpanHeader
  /** What its key entry says. */
  readonly body: Uint8Array
}

export interface KeySpan {
  readonly epoch: EpochId
  readonly header: SpanHeader
  /** The wraps. */
  readonly clear: Uint8Array
}

/**
 * - `goes on`: the next append may belong to it.
 * - `continued`: the next append begins another incarnation, which continues it.
 * - `ended`: the next append begins a line that continues nothing, so that whoever reads it needs
 *   nothing of what came before.
 */
export type LineStanding = "goes on" | "continued" | "ended"

/** Where a replica's own incarnations get their keys from. */
export interface WriterSource {
  begin(incarnation: IncarnationId): { readonly key: SigningKey; readonly certificate: Uint8Array }
  /** What the next append may do with one of this device's own; absent: it goes on. */
  standing?(incarnation: IncarnationId): LineStanding
  /**
   * Entries name nothing that they were written on: whoever reads them may lack the keys of some of
   * it. Only where nothing of what they say depends on it.
   */
  readonly namesNothing?: boolean
}

/** Asked for each incarnation of a span; `begin` is there if the span begins it. */
export type CheckWriter = (
  claim: Pick<SpanHeader, "kind" | "writer" | "incarnation">,
  begin: Begin | undefined,
) => "ok" | "unknown" | "refused"
