/**
 * The log: spans from the outside to their innermost entry, capabilities, vectors, snapshots.
 *
 * @module
 */
import { deflateRawSync } from "node:zlib"
import { concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { decodeCbor, encodeCbor } from "@fulcrum/codec/cbor"
import { CodecError } from "@fulcrum/codec/codec-error"
import { decodeAs, encodeAs } from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import { generateSigningKey, sign } from "@fulcrum/crypto/ed25519"
import { hash } from "@fulcrum/crypto/hash"
import { nativeDeflate, portableDeflate } from "@fulcrum/log/deflate"
import { decodeBegin, decodeEntry, encodeBegin, encodeEntry } from "@fulcrum/log/entry"
import { actorIdSchema, chainHashSchema, incarnationIdSchema } from "@fulcrum/log/ids"
import { LogError } from "@fulcrum/log/log-error"
import { checkBinding, proveBinding, signCapability, verifyCapability } from "@fulcrum/log/mailbox"
import { paddedLength } from "@fulcrum/log/padding"
import { openSnapshot, sealSnapshot } from "@fulcrum/log/snapshot"
import { SPAN_ENTRIES, SPAN_KEY, sealSpan, verifySpan } from "@fulcrum/log/span"
import { openSpan } from "@fulcrum/log/span-entries"
import { trailedVectorSchema, vectorSchema } from "@fulcrum/log/vector"
import { packContent, unpackContent } from "../../../packages/log/src/packing.ts"
import { deflate, fixedRandom, fuzzSpace, payloadEntry, spanOfEntries } from "../space.ts"
import { type FuzzTarget, holds } from "../target.ts"

const errors = [LogError]
const space = fuzzSpace("log")
const secrets = { chainKey: space.chainKey, epochKey: space.epoch.key, deflate }
const NOW_MS = Date.UTC(2026, 5, 1)

const row = (i: number, sequence = 5) => ({
  incarnation: incarnationIdSchema.decode(new Uint8Array(16).fill(i)),
  sequence,
  chain: chainHashSchema.decode(new Uint8Array(32).fill(i)),
})

const begin = encodeBegin({
  parent: row(3),
  actor: actorIdSchema.decode(space.random.bytes(16)),
  certificate: space.random.bytes(64),
})
const entries = [
  encodeEntry({ kind: "begin", on: [], body: begin }),
  encodeEntry({ kind: "payload", on: [row(1), row(2)], body: space.random.bytes(40) }),
  payloadEntry(new Uint8Array(700)),
]

const spanSeeds = () => [
  spanOfEntries(space, entries),
  spanOfEntries(space, [payloadEntry(new Uint8Array(3))]),
  spanOfEntries(
    space,
    [encodeEntry({ kind: "key", on: [], body: space.random.bytes(60) })],
    SPAN_KEY,
    space.random.bytes(100),
  ),
  snapshotSpan(),
]

/** As it comes: only its writer's signature lets anybody further. */
const span: FuzzTarget = {
  name: "span",
  form: "cbor",
  open: () => ({
    seeds: spanSeeds(),
    errors,
    run(input) {
      openSpan(verifySpan(input), secrets)
      return "opened"
    },
  }),
}

/** By a hostile writer: whatever the parts are, its signature over them is right. */
const signedSpan: FuzzTarget = {
  name: "span-signed",
  form: "cbor",
  open: () => ({
    seeds: spanSeeds(),
    errors: [LogError, CodecError],
    run(input) {
      const parts = decodeCbor(input, { bytesMax: input.length, depthMax: 1 })
      if (!Array.isArray(parts) || !parts.every((part) => part instanceof Uint8Array)) return "none"
      const [header = EMPTY, clear = EMPTY, commitment = EMPTY, ciphertext = EMPTY] = parts
      const body = hash(contexts.spanBody, header, clear, commitment, ciphertext)
      const signature = sign(contexts.spanSignature, space.signer, body)
      const signed = verifySpan(encodeCbor([header, clear, commitment, ciphertext, signature]))
      return `${openSpan(signed, secrets).length > 0}`
    },
  }),
}

/** By somebody with all keys: what is sealed in the span is not what it should be. */
const spanContent: FuzzTarget = {
  name: "span-content",
  form: "cbor",
  open: () => ({
    seeds: [encodeCbor(entries), encodeCbor([payloadEntry(new Uint8Array(1))])],
    errors,
    run(input) {
      const sealed = sealSpan({
        ...{ kind: SPAN_ENTRIES, space: space.tag, signer: space.signer },
        ...{ incarnation: space.incarnation, start: 1, end: countOf(input) },
        ...{ chainBefore: row(0).chain, chainEnd: row(0).chain },
        ...{ epoch: space.epoch.id, epochKey: space.epoch.key, content: input },
        random: fixedRandom("salt"),
        deflate,
      })
      openSpan(verifySpan(sealed), secrets)
      return "opened"
    },
  }),
}

/** So that the number of entries is right, where there is one. */
function countOf(content: Uint8Array): number {
  const head = (content[0] ?? 0) - 0x80
  return head >= 1 && head <= 23 ? head : 1
}

const entry: FuzzTarget = {
  name: "entry",
  form: "cbor",
  open: () => ({
    seeds: entries,
    errors,
    run(input) {
      const read = decodeEntry(input)
      holds(equalBytes(encodeEntry(read), input), "an entry is written as it was read")
      if (read.kind === "begin") decodeBegin(read.body)
      return read.kind
    },
  }),
}

/** The plaintext of a span: padding, packing, and both inflaters on what is packed. */
const packed: FuzzTarget = {
  name: "packed",
  form: "bytes",
  open: () => {
    const portable = portableDeflate()
    const native = nativeDeflate() ?? portable
    const deflated = new Uint8Array(deflateRawSync(new Uint8Array(3000).map((_, i) => i % 50)))
    const fixed = new Uint8Array(deflateRawSync(new Uint8Array(60).fill(65), { strategy: 4 }))
    return {
      seeds: [
        packContent(new Uint8Array(100), deflate),
        packContent(new Uint8Array(5000), deflate),
        concatBytes([Uint8Array.of(0x0b, 0xb8), deflated]),
        concatBytes([Uint8Array.of(0, 60), fixed]),
        concatBytes([Uint8Array.of(0, 5), portable.deflate(new Uint8Array(5))]),
      ],
      errors,
      run(input) {
        if (input.length > 0 && paddedLength(input.length) === input.length) {
          unpackContent(input, deflate)
          return "unpacked"
        }
        const length = ((input[0] ?? 0) << 8) | (input[1] ?? 0)
        const data = input.subarray(2)
        const [one, other] = [portable, native].map(({ inflate }) =>
          outcomeOf(inflate, data, length),
        )
        holds(one === other, "both inflaters give the same, or refuse")
        return `${length > 0} ${one?.slice(0, 8) === "refused" ? "refused" : "inflated"}`
      },
    }
  },
}

function outcomeOf(
  inflate: (bytes: Uint8Array, length: number) => Uint8Array,
  data: Uint8Array,
  length: number,
): string {
  try {
    return Buffer.from(inflate(data, length)).toString("latin1")
  } catch (error) {
    if (error instanceof LogError) return "refused"
    throw error
  }
}

const vector: FuzzTarget = {
  name: "vector",
  form: "cbor",
  open: () => ({
    seeds: [
      encodeAs(vectorSchema, [row(1), row(2), row(3, 2 ** 40)]),
      encodeAs(trailedVectorSchema, [
        { ...row(3), trail: [{ incarnation: row(4).incarnation, sequence: 2 }] },
      ]),
    ],
    errors: [CodecError],
    run(input) {
      const limits = { bytesMax: input.length }
      try {
        return `${decodeAs(trailedVectorSchema, input, limits).length > 0}`
      } catch (error) {
        if (!(error instanceof CodecError)) throw error
      }
      const rows = decodeAs(vectorSchema, input, limits)
      holds(equalBytes(encodeAs(vectorSchema, rows), input), "a vector is written as it was read")
      return "plain"
    },
  }),
}

const capability: FuzzTarget = {
  name: "capability",
  form: "cbor",
  open: () => {
    const mailboxKey = generateSigningKey(space.random)
    const holder = generateSigningKey(space.random)
    const binding = {
      relayKey: space.random.bytes(32),
      dialerKey: space.random.bytes(32),
      nonce: space.random.bytes(32),
    }
    const made = (right: "append" | "read") =>
      signCapability({
        ...{ mailboxKey, right, holder: holder.publicKey },
        ...{ notAfter: NOW_MS / 1000 + 1e6, serial: space.random.bytes(16) },
      })
    const proofOf = (bytes: Uint8Array) =>
      proveBinding({ ...binding, capability: bytes, holderKey: holder })
    const seeds = [made("append"), made("read")].flatMap((bytes) => [
      bytes,
      encodeCbor([bytes, proofOf(bytes)]),
    ])
    return {
      seeds,
      errors: [LogError],
      run(input) {
        const pair = pairOf(input)
        if (pair === undefined) return verifyCapability(input, NOW_MS).right
        const verified = verifyCapability(pair[0], NOW_MS)
        return `bound ${checkBinding({ ...binding, capability: verified, proof: pair[1] })}`
      },
    }
  },
}

function pairOf(input: Uint8Array): readonly [Uint8Array, Uint8Array] | undefined {
  try {
    const value = decodeCbor(input, { bytesMax: input.length, depthMax: 1 })
    if (!Array.isArray(value) || value.length !== 2) return undefined
    const [first, second] = value
    // A capability is itself a pair of byte strings, the second of 64.
    if (!(first instanceof Uint8Array) || !(second instanceof Uint8Array)) return undefined
    return first[0] === 0x82 ? [first, second] : undefined
  } catch {
    return undefined
  }
}

function snapshotSpan(): Uint8Array {
  return sealSnapshot({
    ...{ space: space.tag, signer: space.signer, at: row(1), epoch: space.epoch },
    snapshot: {
      vector: [row(1), row(2)],
      documents: [
        {
          document: space.random.bytes(16),
          heads: [space.random.bytes(32)],
          shown: space.random.bytes(200),
        },
      ],
    },
    random: fixedRandom("salt"),
    deflate,
  })
}

const snapshot: FuzzTarget = {
  name: "snapshot",
  form: "cbor",
  open: () => {
    const content = encodeCbor([
      [1, 2].map((i) => [row(i).incarnation, 5, row(i).chain]),
      [[space.random.bytes(16), [space.random.bytes(32)], space.random.bytes(100)]],
    ])
    return {
      seeds: [content],
      errors,
      run(input) {
        const sealed = sealSpan({
          ...{ kind: 2, space: space.tag, signer: space.signer, incarnation: space.incarnation },
          ...{ start: 5, end: 5, chainBefore: row(1).chain, chainEnd: row(1).chain },
          ...{ epoch: space.epoch.id, epochKey: space.epoch.key, content: input },
          random: fixedRandom("salt"),
          deflate,
        })
        return `${openSnapshot(verifySpan(sealed), secrets).documents.length}`
      },
    }
  },
}

const EMPTY = new Uint8Array()

export const logTargets: readonly FuzzTarget[] = [
  span,
  signedSpan,
  spanContent,
  entry,
  packed,
  vector,
  capability,
  snapshot,
]
