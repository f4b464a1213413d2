/**
 * Keys and spans for tests, all drawn from one seed.
 *
 * @module
 */
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import { type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { type Deflate, systemDeflate } from "../src/deflate.ts"
import { encodeEntry, nextChain, rootChain } from "../src/entry.ts"
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
} from "../src/ids.ts"
import { SPAN_ENTRIES, sealSpan } from "../src/span.ts"
import { encodeSpanEntries } from "../src/span-entries.ts"

export const deflate: Deflate = systemDeflate()

export interface SpaceSecrets {
  readonly random: SeededRandom
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  readonly epoch: { readonly id: EpochId; readonly key: EpochKey }
  readonly signer: SigningKey
  readonly incarnation: IncarnationId
}

export function spaceSecrets(seed: string): SpaceSecrets {
  const random = seededRandom(seed)
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

/** A span of payload entries with these bodies, from sequence 1. */
export function spanOf(secrets: SpaceSecrets, bodies: readonly Uint8Array[]): Uint8Array {
  const entries = bodies.map((body) => encodeEntry({ kind: "payload", on: [], body }))
  const chainBefore = rootChain(secrets.chainKey, secrets.tag, secrets.incarnation)
  let chainEnd: ChainHash = chainBefore
  for (const entry of entries) chainEnd = nextChain(secrets.chainKey, chainEnd, entry)
  return sealSpan({
    kind: SPAN_ENTRIES,
    space: secrets.tag,
    signer: secrets.signer,
    incarnation: secrets.incarnation,
    start: 1,
    end: entries.length,
    chainBefore,
    chainEnd,
    epoch: secrets.epoch.id,
    epochKey: secrets.epoch.key,
    content: encodeSpanEntries(entries),
    random: secrets.random,
    deflate,
  })
}

export function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : `uncoded: ${error}`
  }
  return "ok"
}
