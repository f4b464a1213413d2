/**
 * One space with its secrets, for targets: a hostile member, or a thief of its keys, gets past
 * every signature and seal, so what is fuzzed inside is sealed and signed after it was changed.
 *
 * @module
 */
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import { type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { type Deflate, systemDeflate } from "@fulcrum/log/deflate"
import { encodeEntry, nextChain, rootChain } from "@fulcrum/log/entry"
import {
  type ChainHash,
  type ChainKey,
  chainKeySchema,
  type EpochId,
  type EpochKey,
  epochIdSchema,
  epochKeySchema,
  type IncarnationId,
  incarnationIdSchema,
  type SpaceTag,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import { SPAN_ENTRIES, type SpanKind, sealSpan } from "@fulcrum/log/span"
import { encodeSpanEntries } from "@fulcrum/log/span-entries"

export const deflate: Deflate = systemDeflate()

export interface FuzzSpace {
  readonly random: SeededRandom
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  readonly epoch: { readonly id: EpochId; readonly key: EpochKey }
  readonly signer: SigningKey
  readonly incarnation: IncarnationId
}

export function fuzzSpace(name: string): FuzzSpace {
  const random = seededRandom(`fuzz ${name}`)
  return {
    random,
    tag: spaceTagSchema.decode(random.bytes(32)),
    chainKey: chainKeySchema.decode(random.bytes(32)),
    epoch: {
      id: epochIdSchema.decode(random.bytes(32)),
      key: epochKeySchema.decode(random.bytes(32)),
    },
    signer: generateSigningKey(random),
    incarnation: incarnationIdSchema.decode(random.bytes(16)),
  }
}

/** The same for the same name, so that an input gives the same each time it is run. */
export function fixedRandom(name: string): SeededRandom {
  return seededRandom(name)
}

/** A span of these entries as they are, well formed or not, from sequence 1, signed and sealed. */
export function spanOfEntries(
  space: FuzzSpace,
  entries: readonly Uint8Array[],
  kind: SpanKind = SPAN_ENTRIES,
  clear?: Uint8Array,
): Uint8Array {
  const chainBefore = rootChain(space.chainKey, space.tag, space.incarnation)
  let chainEnd: ChainHash = chainBefore
  for (const entry of entries) chainEnd = nextChain(space.chainKey, chainEnd, entry)
  return sealSpan({
    ...{ kind, space: space.tag, signer: space.signer, incarnation: space.incarnation },
    ...{ start: 1, end: Math.max(1, entries.length), chainBefore, chainEnd },
    ...{ epoch: space.epoch.id, epochKey: space.epoch.key },
    ...(clear && { clear }),
    content: encodeSpanEntries(entries),
    random: fixedRandom("salt"),
    deflate,
  })
}

export function payloadEntry(body: Uint8Array): Uint8Array {
  return encodeEntry({ kind: "payload", on: [], body })
}
