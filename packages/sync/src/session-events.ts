/**
 * What goes into a session and what comes out of it.
 *
 * @module
 */
import type { VersionVector } from "@fulcrum/log/vector"
import type { SoughtPlace } from "./messages.ts"
import type { SyncSpace } from "./space-state.ts"

export type SyncFailure =
  | "SYNC_MALFORMED"
  | "SYNC_ORDER"
  | "SYNC_VERSION"
  | "SYNC_CREDIT"
  | "SYNC_TIMEOUT"
  /** The peer said why it ends the session. */
  | "SYNC_BYE"

export type SyncEvent<S extends SyncSpace> =
  /** @param heads - As `heads`: they go with the first message. */
  | { readonly type: "connected"; readonly heads?: readonly Uint8Array[] }
  | { readonly type: "message"; readonly bytes: Uint8Array }
  /** The answer to `read`: from `spansAfter`. */
  | {
      readonly type: "read"
      readonly space: S
      readonly spans: readonly Uint8Array[]
      readonly reached: VersionVector
    }
  /** The answer to `admit`: it is durable, or was refused. */
  | { readonly type: "admitted"; readonly space: S }
  /** These entries are here in many small spans: the peer is asked for wider ones. */
  | { readonly type: "seek"; readonly space: S; readonly place: SoughtPlace }
  /** The answer to `find`: wider spans, or none. */
  | { readonly type: "found"; readonly space: S; readonly spans: readonly Uint8Array[] }
  /** Something new is durable here; a space that the session does not know yet joins it. */
  | { readonly type: "local"; readonly space: S }
  /** What relays signed last, one receipt of each; told if it is another than before. */
  | { readonly type: "heads"; readonly receipts: readonly Uint8Array[] }
  | { readonly type: "tick"; readonly nowMs: number }

export type SyncAction<S extends SyncSpace> =
  | { readonly type: "send"; readonly bytes: Uint8Array }
  | {
      readonly type: "read"
      readonly space: S
      readonly after: VersionVector
      readonly bytesMax: number
    }
  | { readonly type: "admit"; readonly space: S; readonly spans: readonly Uint8Array[] }
  /** The peer would have wider spans of these entries, a chunk or a single one. */
  | { readonly type: "find"; readonly space: S; readonly place: SoughtPlace }
  /** What the peer has on its disk: the news for "synced with". */
  | { readonly type: "peerHas"; readonly space: S; readonly vector: VersionVector }
  /** What relays signed last for the peer, as it says. */
  | { readonly type: "heads"; readonly receipts: readonly Uint8Array[] }
  /** The session is over. */
  | { readonly type: "fail"; readonly code: SyncFailure }
