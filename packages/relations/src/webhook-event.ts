/**
 * Webhook events: what a vendor's other systems are told. The JSON is a format of its own:
 *
 * ```json
 * {
 *   "type": "share.changed",
 *   "timestamp": "2026-12-01T09:30:00.000Z",
 *   "data": {
 *     "relationship": "…",
 *     "agreement": "https://w3id.org/dpv/standards/ieee/7012#SD-BASE",
 *     "changes": [{ "path": "card/emails/home", "value": {}, "previous": {}, "effective": "2026-12-15" }],
 *     "move": "…"
 *   }
 * }
 * ```
 *
 * `value` is `null` where the field was cleared, `previous` is left out where there was none,
 * `effective` where the change holds at once, `move` where it is none. The event's id, which
 * travels in the `webhook-id` header, is the base64url hash of relationship, writer and sequence:
 * the same on every retry, and never two for one entry.
 *
 * Source: DESIGN, "Relations" (webhooks).
 *
 * @module
 */
import { bytesToBase64url, bytesToHex, uint64ToBytes } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { hash } from "@fulcrum/crypto/hash"
import type { BookChange } from "./books.ts"

export type WebhookType =
  | "relationship.agreed"
  | "share.changed"
  | "share.withdrawn"
  | "relationship.left"

/** What happened, and which entry made it happen. */
export interface WebhookCause {
  readonly type: WebhookType
  /** Id of the relationship at the vendor. */
  readonly relationship: Uint8Array
  /** Writer and sequence of the entry. */
  readonly writer: Uint8Array
  readonly sequence: number
  /** IRI of the agreement. */
  readonly agreement: string
  readonly timestampMs: number
  readonly changes: readonly BookChange[]
  /** Id of the move that it belongs to. */
  readonly move?: Uint8Array | undefined
}

export interface WebhookEvent {
  readonly id: string
  /** The bytes to sign and send, in UTF-8. */
  readonly body: string
}

export function webhookEvent(cause: WebhookCause): WebhookEvent {
  return { id: webhookId(cause), body: canonicalJson(webhookJson(cause)) }
}

/** The same for one entry however often, and whenever, it is sent. */
export function webhookId(
  cause: Pick<WebhookCause, "relationship" | "writer" | "sequence">,
): string {
  const { relationship, writer, sequence } = cause
  return bytesToBase64url(
    hash(contexts.webhookEvent, relationship, writer, uint64ToBytes(sequence)),
  )
}

function webhookJson(cause: WebhookCause): JsonValue {
  return {
    type: cause.type,
    timestamp: new Date(cause.timestampMs).toISOString(),
    data: {
      relationship: bytesToHex(cause.relationship),
      agreement: cause.agreement,
      changes: cause.changes.map(changeJson),
      ...(cause.move === undefined ? {} : { move: bytesToHex(cause.move) }),
    },
  }
}

function changeJson({ path, value, previous, effective }: BookChange): JsonValue {
  return {
    path,
    value: value ?? null,
    ...(previous === undefined ? {} : { previous }),
    ...(effective === undefined ? {} : { effective }),
  }
}
