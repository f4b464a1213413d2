/**
 * What the entries of the record space say.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { LogError } from "@fulcrum/log/log-error"
import { atOnce } from "@fulcrum/log/slices"
import { documentId, type Edit } from "@fulcrum/record/documents"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { recordColumns } from "../../../packages/engine/src/items/record-columns.ts"
import { type RecordItem, recordItems } from "../../../packages/engine/src/items/record-items.ts"
import { fixedRandom } from "../space.ts"
import { type FuzzTarget, holds } from "../target.ts"

const random = fixedRandom("fuzz engine")
const id = random.bytes(16)
const key = random.bytes(32)

const items: readonly RecordItem[] = [
  { kind: "change", value: { document: "card", change: random.bytes(50) } },
  {
    kind: "relationship",
    value: {
      ...{ id, signingSeed: key, vendor: key, spaceTag: key, chainKey: key, epoch: key },
      ...{ epochKey: key, mailboxSeed: key, accessSeed: key, vendorAccess: key, door: key },
      ...{ relays: ["/ip4/127.0.0.1/tcp/9"], token: key, request: random.bytes(40) },
      ...{ agreement: random.bytes(40), signature: random.bytes(64), recovery: random.bytes(40) },
      invitation: "fulcrum:1.AAAA",
    },
  },
  { kind: "connect", value: { relationship: id, message: random.bytes(40) } },
  {
    kind: "relayReceipt",
    value: { relationship: id, incarnation: id, start: 1, end: 2, receipt: random.bytes(40) },
  },
  { kind: "carried", value: { relationship: id, spans: [random.bytes(20), random.bytes(5)] } },
  {
    kind: "move",
    value: {
      ...{ id, madeMs: 1_700_000_000_000, from: "2026-12-15" },
      assignments: [{ path: "card/name", before: { full: "A" }, after: ["b", 1.5, null] }],
      lines: [
        {
          ...{ relationship: id, paths: ["card/name"], incarnation: id, sequence: 4 },
          chain: key,
        },
      ],
    },
  },
  { kind: "recordRelay", value: { address: "/memory/relay", mailboxSeed: key, removed: false } },
  { kind: "addresses", value: { device: id, addresses: ["/ip4/127.0.0.1/tcp/1"] } },
  { kind: "shareEpoch", value: { relationship: id, epoch: key, epochKey: key } },
  { kind: "removalDone", value: { epoch: key } },
  { kind: "renewed", value: { removals: [key], relationships: [id] } },
  { kind: "asideDecided", value: { rows: [{ incarnation: id, sequence: 3 }] } },
  { kind: "access", value: { until: 1_800_000_000, rows: [{ relationship: id, key }] } },
  { kind: "connectRefused", value: { relationship: id, code: "RELAY_TOKEN_SPENT" } },
]

const recordItem: FuzzTarget = {
  name: "record-items",
  form: "cbor",
  open: () => ({
    seeds: [recordItems.encode(items), ...items.map((item) => recordItems.encode([item]))],
    errors: [CodecError],
    run(input) {
      const read = recordItems.decode(input)
      const written = recordItems.encode(read)
      holds(written.length < input.length || equalBytes(written, input), "items are exact")
      return [...new Set(read.map(({ kind }) => kind))].join(" ").slice(0, 60)
    },
  }),
}

async function bodies(): Promise<readonly Uint8Array[]> {
  await using documents = await openInLineDocuments()
  const document = documentId("card")
  const lists: readonly (readonly Edit[])[] = [
    [{ op: "set", path: ["name", "full"], value: "Anna" }],
    [
      { op: "set", path: ["name", "full"], value: "Anne" },
      { op: "set", path: ["phones", "1", "number"], value: 12.5 },
    ],
    [{ op: "unset", path: ["phones"] }],
  ]
  const made: Uint8Array[] = []
  for (const [at, edits] of lists.entries()) {
    const edit = await documents.edit({ document, edits, actor: random.bytes(16) })
    if (edit === undefined) continue
    const { change } = edit
    made.push(recordItems.encode([{ kind: "change", value: { document: `card${at}`, change } }]))
  }
  return [...made, recordItems.encode(items)]
}

const COLUMN_BODIES = 4

const columns: FuzzTarget = {
  name: "record-columns",
  form: "bytes",
  open: async () => {
    const packed = atOnce(recordColumns.pack(await bodies()))
    return {
      seeds: packed ? [packed] : [],
      errors: [CodecError, LogError],
      run(input) {
        const limits = { count: COLUMN_BODIES, bytesMax: 1024 * 1024 }
        const read = atOnce(recordColumns.unpack(input, limits))
        const again = atOnce(recordColumns.pack(read))
        const same = again && atOnce(recordColumns.unpack(again, limits))
        holds(
          same?.every((body, at) => equalBytes(body, read[at] ?? body.subarray(1))) ?? false,
          "what was packed comes out the same",
        )
        return read.map((body) => Math.min(body.length, 200) >> 4).join(" ")
      },
    }
  },
}

export const engineTargets: readonly FuzzTarget[] = [recordItem, columns]
