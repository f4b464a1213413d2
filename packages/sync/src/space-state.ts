/**
 * What a session knows about one space between the two.
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { ChainKey, SpaceTag } from "@fulcrum/log/ids"
import type { IncarnationTree } from "@fulcrum/log/incarnation-tree"
import { VECTOR_ROWS_MAX, type VersionVector } from "@fulcrum/log/vector"
import type { Spans } from "./messages.ts"

/** Most rows known of a peer: a whole vector, and as many that are not known to be old yet. */
export const KNOWN_ROWS_MAX: number = 2 * VECTOR_ROWS_MAX

/** One space, as the session sees it. Live: what it says is durable, and changes. */
export interface SyncSpace {
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  readonly log: {
    readonly vector: VersionVector
    readonly digest: Uint8Array
    readonly tree: Pick<IncarnationTree, "coveredBy" | "merge" | "trailed" | "byKey">
  }
}

export interface SpaceState<S> {
  readonly space: S
  readonly reference: Uint8Array
  /** What the peer has on its disk, as far as it said. */
  theirs: VersionVector | undefined
  /** What the peer will have once it has stored all that was sent. `undefined`: no rows yet. */
  sent: VersionVector | undefined
  /** Our vector when we last told its digest. */
  told: { readonly digest: Uint8Array; readonly vector: VersionVector } | undefined
  /** Digest of our vector when we last gave all its rows. */
  rowsGiven: Uint8Array | undefined
  /** Our vector as the peer was last told that it is stored. */
  storedTold: VersionVector
}

/** Whether the peer lacks something, once it has stored all that was sent. */
export function isLacking<S extends SyncSpace>({ space, sent }: SpaceState<S>): boolean {
  if (sent === undefined) return false
  const { tree, vector } = space.log
  const covered = tree.coveredBy(sent)
  return vector.some(({ incarnation, sequence, chain }) => {
    if ((covered.get(bytesToHex(incarnation)) ?? 0) < sequence) return true
    // The same sequence with another chain is a fork, of which the peer gets the proof.
    return sent.some(
      (row) =>
        row.sequence === sequence &&
        equalBytes(row.incarnation, incarnation) &&
        !equalBytes(row.chain, chain),
    )
  })
}

/** What one message carries of a space. */
export interface Chunk<S> {
  readonly state: SpaceState<S>
  readonly value: Spans
  readonly size: number
}

export function bytesOf(spans: readonly Uint8Array[]): number {
  return spans.reduce((sum, { length }) => sum + length, 0)
}
