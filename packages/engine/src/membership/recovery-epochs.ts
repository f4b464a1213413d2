/**
 * The keys of a record's epochs, found in its key spans with the recovery words alone. What was sealed
 * under earlier words is found by way of what came later: each key span carries the keys of those that
 * it follows.
 *
 * A key counts only once it has opened the key span of its own epoch: whoever was removed can leave
 * false ones beside true ones.
 *
 * @module
 */
import { AccessError } from "@fulcrum/access/access-error"
import { readKeyBody } from "@fulcrum/access/key-body"
import { openKeySpan } from "@fulcrum/access/rotation"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { WrapKey } from "@fulcrum/crypto/wrap"
import type { Deflate } from "@fulcrum/log/deflate"
import type { ChainKey, EpochKey, SpaceTag } from "@fulcrum/log/ids"
import { LogError } from "@fulcrum/log/log-error"
import { pacing } from "@fulcrum/log/slices"
import { epochIdOf, SPAN_KEY, type Span, verifySpan } from "@fulcrum/log/span"
import { openSpan } from "@fulcrum/log/span-entries"
import type { Verified } from "@fulcrum/log/verified"
import type { EpochSecret } from "./membership.ts"

export interface EpochSearch {
  readonly space: SpaceTag
  readonly chainKey: ChainKey
  /** The recovery words'. */
  readonly wrap: WrapKey
  readonly deflate: Deflate
  /** Each takes a while: others have their turn. */
  readonly clock: Clock
}

/** Key spans that are looked at: a record has one for each change of who belongs. */
const KEY_SPANS_MAX = 4096
/** @param spans - Of any kind and from anywhere; those that come after many key spans are not looked at. */
export async function findEpochs(
  spans: Iterable<Uint8Array>,
  search: EpochSearch,
): Promise<readonly EpochSecret[]> {
  const closed = new Map<string, Verified<Span>>()
  const tried: EpochSecret[] = []
  const rest = pacing(search.clock)
  for (const span of keySpans(spans, search.space)) {
    if (closed.size >= KEY_SPANS_MAX) break
    await rest()
    const id = epochIdOf(span.bytes)
    closed.set(bytesToHex(id), span)
    const key = orNothing(() => wrappedKey(span, search.wrap))
    if (key !== undefined) tried.push({ id, key })
  }
  const found: EpochSecret[] = []
  // Grows while it is gone through: what one opens names the keys of others.
  for (const { id, key } of tried) {
    const span = closed.get(bytesToHex(id))
    if (span === undefined) continue
    await rest()
    const followed = orNothing(() => followedEpochs(span, key, search))
    if (followed === undefined) continue
    closed.delete(bytesToHex(id))
    found.push({ id, key })
    tried.push(...followed)
  }
  return found
}

function* keySpans(spans: Iterable<Uint8Array>, space: SpaceTag): Iterable<Verified<Span>> {
  for (const bytes of spans) {
    const span = orNothing(() => verifySpan(bytes))
    if (span?.header.kind === SPAN_KEY && equalBytes(span.header.space, space)) yield span
  }
}

function wrappedKey({ clear, header }: Span, key: WrapKey): EpochKey | undefined {
  const found = openKeySpan({ clear, follows: header.epoch, key })
  return found === "removed" ? undefined : found
}

/** The epochs whose keys it carries. @throws {LogError | AccessError} It is another key's. */
function followedEpochs(
  span: Verified<Span>,
  epochKey: EpochKey,
  { chainKey, deflate }: EpochSearch,
): readonly EpochSecret[] {
  const entry = openSpan(span, { chainKey, epochKey, deflate }).at(-1)
  return entry === undefined ? [] : readKeyBody(entry.body, span.header.epoch).previousKeys
}

/** What foreign bytes make fail is passed over. */
function orNothing<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof LogError || error instanceof AccessError) return undefined
    throw error
  }
}
