/**
 * Reading spans with the keys of their space; and those that this replica verified before it stored
 * them, or sealed itself, without verifying them once more.
 *
 * @module
 */
import type { Deflate } from "./deflate.ts"
import type { BodyColumns } from "./entry-columns.ts"
import type { EpochId } from "./ids.ts"
import { LogError } from "./log-error.ts"
import type { SpaceKeyring } from "./space-keyring.ts"
import { epochIdOf, readSpan, SPAN_KEY, type Span } from "./span.ts"
import { openSpan, type SpanEntry, type SpanSecrets } from "./span-entries.ts"
import type { Verified } from "./verified.ts"

/** What opens the spans of a log. */
export interface LogSecrets {
  readonly keyring: SpaceKeyring
  readonly deflate: Deflate
  readonly bodies?: BodyColumns | undefined
}

/** The epoch that a span is sealed under: a key span, under the one that it announces. */
export function epochOf(span: Span): EpochId {
  return span.header.kind === SPAN_KEY ? epochIdOf(span.bytes) : span.header.epoch
}

/** What opens a span; `undefined`: the keyring lacks its epoch. */
export function secretsFor(
  span: Span,
  { keyring, deflate, bodies }: LogSecrets,
): SpanSecrets | undefined {
  const { header, clear } = span
  const epoch = epochOf(span)
  const isAnnounced = header.kind === SPAN_KEY
  const found = () => (isAnnounced ? keyring.openKeySpan?.({ epoch, header, clear }) : undefined)
  const carried = () => (isAnnounced ? keyring.carriedKey?.(epoch) : undefined)
  const epochKey = keyring.epochKey(epoch) ?? found() ?? carried()
  return epochKey && { chainKey: keyring.chainKey, epochKey, deflate, bodies }
}

/** Takes apart a span that was verified before it was stored, or was sealed here. */
export function readStored(stored: Uint8Array): Verified<Span> {
  return asVerified(readSpan(stored))
}

/**
 * Opens such a span, whose record its vault authenticated.
 *
 * @throws {LogError} `LOG_SEAL` if the keyring lacks its epoch.
 */
export function openStored(
  stored: Uint8Array,
  secrets: LogSecrets,
): { readonly span: Span; readonly entries: readonly SpanEntry[] } {
  const span = readStored(stored)
  return { span, entries: openSpan(span, storedSecrets(span, secrets)) }
}

/** @throws {LogError} `LOG_SEAL` if the keyring lacks the epoch. */
export function storedSecrets(span: Span, secrets: LogSecrets): SpanSecrets {
  const found = secretsFor(span, secrets)
  if (found === undefined) throw new LogError("LOG_SEAL", "the keyring lacks a stored epoch")
  return found
}

function asVerified(span: Span): Verified<Span>
function asVerified(span: Span): Span {
  return span
}
