/**
 * What a person and a vendor say to each other: lanes, connecting, requests, agreements.
 *
 * @module
 */
import { bytesToUtf8, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { decodeCbor, encodeCbor } from "@fulcrum/codec/cbor"
import type { CborValue } from "@fulcrum/codec/cbor-form"
import { CodecError } from "@fulcrum/codec/codec-error"
import { canonicalJson, type JsonValue, parseJson } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { sign } from "@fulcrum/crypto/ed25519"
import { wrap } from "@fulcrum/crypto/wrap"
import {
  checkAgreement,
  exportAgreement,
  importAgreement,
  proposeAgreement,
  readAgreement,
  signAgreement,
} from "@fulcrum/relations/agreement"
import { Books } from "@fulcrum/relations/books"
import { certifiedWriter } from "@fulcrum/relations/certificate"
import { type ConnectBody, openConnect, sealConnect } from "@fulcrum/relations/connect"
import { decodeInvitation, encodeInvitation } from "@fulcrum/relations/invitation"
import { type PersonItem, personLane, type VendorItem, vendorLane } from "@fulcrum/relations/lane"
import { judgeEntry } from "@fulcrum/relations/policy"
import { RelationsError } from "@fulcrum/relations/relations-error"
import { draftRequest, readRequest, requestHash } from "@fulcrum/relations/request"
import { lintRequest } from "@fulcrum/relations/request-lint"
import {
  readShareKeyBody,
  shareKeyBody,
  unwrapShareKey,
  wrapShareKey,
} from "@fulcrum/relations/share-key"
import { signDocument } from "@fulcrum/relations/signed-json"
import {
  draft,
  makeRequest,
  person,
  random,
  vendor,
  vendorWrap,
} from "../../../packages/relations/test/parties.ts"
import { joinMessages, splitMessages } from "../messages.ts"
import { fixedRandom } from "../space.ts"
import { type FuzzTarget, holds } from "../target.ts"

const PATH = "card/addresses/home"
const NOW_MS = Date.UTC(2026, 5, 20, 12)
const LIMITS = { bytesMax: 24 * 1024, depthMax: 16, itemsMax: 2048 }

const personItems: readonly PersonItem[] = [
  { kind: "put", value: { path: PATH, value: { full: "Heerstr. 1" }, counter: 3 } },
  { kind: "put", value: { path: "card/emails/home", counter: 1 } },
  {
    kind: "move",
    value: {
      id: new Uint8Array(16).fill(4),
      from: "2026-12-15",
      zone: "Pacific/Auckland",
      before: [{ path: PATH, value: "old" }],
    },
  },
]
const chain = (i: number) => new Uint8Array(32).fill(i)
const vendorItems: readonly VendorItem[] = [
  { kind: "agreed", value: { signature: new Uint8Array(64) } },
  { kind: "receipt", value: { about: chain(1), state: "delivered" } },
  {
    kind: "receipt",
    value: {
      ...{ about: chain(2), state: "rejected", code: "invalid_value" },
      ...{ pointer: "/full", retry: "changed" },
    },
  },
  { kind: "refused", value: { code: "terms_not_accepted", reason: "no" } },
]

const laneTokens = [PATH, "delivered", "applied", "9999-12-31", "Europe/Berlin", "Etc/GMT+12"]

/** Entries of both lanes, in any order, into a vendor's books: `[lane, sequence, body]`. */
const books: FuzzTarget = {
  name: "lanes",
  form: "cbor",
  isSequence: true,
  tokens: laneTokens,
  open: () => {
    const agreement = proposed().agreement
    const entry = (lane: number, sequence: number, body: Uint8Array) =>
      encodeCbor([lane, sequence, body])
    return {
      seeds: [
        [0, 1, 2, 3].flatMap((i) => [
          entry(0, i, personLane.encode(personItems.slice(i % 2))),
          entry(1, i, vendorLane.encode(vendorItems.slice(i % 3))),
        ]),
        [entry(0, 1, personLane.encode(personItems))],
      ].map(joinMessages),
      errors: [CodecError],
      run(input) {
        const book = new Books(agreement.fields.map(({ path }) => path))
        for (const message of splitMessages(input)) {
          const { lane, sequence, body } = bookEntry(message)
          const by = { writer: new Uint8Array(32).fill(lane), sequence, chain: chain(sequence) }
          if (lane === 1) {
            book.apply({ lane: "vendor", by, items: vendorLane.decode(body) })
            continue
          }
          const items = personLane.decode(body)
          holds(equalBytes(personLane.encode(items), body) || hasUnknown(body), "lanes are exact")
          judgeEntry({ agreement, items, today: "2026-06-20" })
          book.apply({ lane: "person", by, items })
          book.changesOf(by.chain, NOW_MS)
        }
        const fields = book.fields(NOW_MS)
        const due = book.due(NOW_MS + 400 * 86_400_000)
        return `${book.state} ${Math.min(fields.size, 3)} ${Math.min(due.length, 3)}`
      },
    }
  },
}

function bookEntry(message: Uint8Array): { lane: number; sequence: number; body: Uint8Array } {
  const value = decodeCbor(message, { bytesMax: message.length, depthMax: 1 })
  const [lane = 0, sequence = 0, body = null]: readonly CborValue[] = Array.isArray(value)
    ? value
    : []
  return {
    lane: lane === 1 ? 1 : 0,
    sequence: typeof sequence === "number" ? Math.trunc(Math.abs(sequence)) % 256 : 0,
    body: body instanceof Uint8Array ? body : new Uint8Array(),
  }
}

/** Items of kinds that this program does not know are passed over. */
function hasUnknown(body: Uint8Array): boolean {
  const items = decodeCbor(body, { bytesMax: body.length })
  return Array.isArray(items) && items.some((item) => Array.isArray(item) && Number(item[0]) > 1)
}

const target = { door: random.bytes(32), requestHash: random.bytes(32) }
const body: ConnectBody = {
  ...{ relationshipKey: person.publicKey, spaceTag: random.bytes(32), chainKey: random.bytes(32) },
  ...{ mailbox: random.bytes(32), relays: ["/ip4/127.0.0.1/tcp/9"], accessSeed: random.bytes(32) },
  ...{ appendCapability: random.bytes(200), readCapability: random.bytes(200) },
  ...{ keySpan: random.bytes(300), recoveryHash: random.bytes(32), token: random.bytes(32) },
  ...{ agreement: utf8ToBytes("{}"), signature: random.bytes(64) },
}

const connect: FuzzTarget = {
  name: "connect",
  form: "bytes",
  open: () => ({
    seeds: [sealConnect({ target, to: vendorWrap.publicKey, key: person, body, random })],
    errors: [RelationsError],
    run(input) {
      openConnect({ target, key: vendorWrap, message: input })
      return "opened"
    },
  }),
}

/** Anybody may knock: what is sealed to the vendor is whatever the sender liked, signed by it. */
const connectInside: FuzzTarget = {
  name: "connect-inside",
  form: "cbor",
  batch: 128,
  open: () => ({
    seeds: [encodeCbor(Object.values(bodyFields())), encodeCbor([1])],
    errors: [RelationsError],
    run(input) {
      const aad = new Uint8Array([...target.door, ...target.requestHash])
      const signed = new Uint8Array([...aad, ...input])
      const message = wrap({
        ...{ context: contexts.connectMessage, to: vendorWrap.publicKey, aad },
        plaintext: encodeCbor([input, sign(contexts.connectSignature, person, signed)]),
        random: fixedRandom("connect"),
      })
      openConnect({ target, key: vendorWrap, message })
      return "opened"
    },
  }),
}

/** In the order of the format. */
function bodyFields(): Record<string, CborValue> {
  const { relationshipKey, spaceTag, chainKey, mailbox, relays, accessSeed } = body
  const { appendCapability, readCapability, keySpan, recoveryHash, token = null } = body
  return {
    ...{ relationshipKey, spaceTag, chainKey, mailbox, relays, accessSeed, appendCapability },
    ...{ readCapability, keySpan, recoveryHash, token },
    ...{ agreement: body.agreement, signature: body.signature },
  }
}

const invitation: FuzzTarget = {
  name: "invitation",
  form: "lines",
  tokens: ["fulcrum:1.", "fulcrum:2.", "fulcrum:", "=", "_", "-"],
  bytesMax: 2100,
  open: () => ({
    seeds: [body.relays, []].map((relays, i) =>
      utf8ToBytes(
        encodeInvitation({
          ...{ vendor: vendor.publicKey, door: target.door, relays },
          ...{ requestHash: target.requestHash, ...(i === 0 && { token: random.bytes(32) }) },
        }),
      ),
    ),
    errors: [RelationsError, CodecError],
    run(input) {
      const typed = bytesToUtf8(input)
      const written = encodeInvitation(decodeInvitation(typed))
      holds(written === typed.trim(), "an invitation is written as it was read")
      return "read"
    },
  }),
}

const requestTokens = ["dpv:ServiceProvision", "P2Y", "P0D", "SD-BASE", PATH, "did:key:z6Mk", "*"]

/** What a vendor publishes: the JSON, signed by the vendor whatever it says. */
const request: FuzzTarget = {
  name: "request",
  form: "json",
  tokens: requestTokens,
  open: () => {
    const made = makeRequest()
    return {
      seeds: [utf8ToBytes(canonicalJson(innerOf(made.bytes)))],
      errors: [RelationsError, CodecError],
      run(input) {
        const inner = parseJson(input, LIMITS)
        const document = utf8ToBytes(canonicalJson(inner))
        const signature = signDocument(contexts.relationRequest, vendor, document)
        const whole = { request: inner, signatures: [{ ...signature }] }
        const bytes = utf8ToBytes(canonicalJson(whole))
        const expected = { vendor: vendor.publicKey, requestHash: requestHash(bytes) }
        const read = readRequest(bytes, expected)
        lintRequest(inner)
        proposeAgreement({
          ...{ request: read, person: person.publicKey, from: "2026-06-02" },
          disclosures: read.request.fields.map(({ path }) => ({ path, follows: true })),
          random: fixedRandom("nonce"),
        })
        return "read"
      },
    }
  },
}

function innerOf(bytes: Uint8Array): JsonValue {
  const whole = parseJson(bytes, LIMITS)
  const inner = typeof whole === "object" && whole !== null ? Object.entries(whole) : []
  return inner.find(([name]) => name === "request")?.[1] ?? null
}

/** As it is fetched: signed or not, canonical or not. */
const requestBytes: FuzzTarget = {
  name: "request-bytes",
  form: "json",
  tokens: requestTokens,
  open: () => ({
    seeds: [makeRequest().bytes],
    errors: [RelationsError],
    run(input) {
      readRequest(input, { vendor: vendor.publicKey, requestHash: requestHash(input) })
      return "read"
    },
  }),
}

/** What a vendor writes into its own file. */
const requestDraft: FuzzTarget = {
  name: "request-draft",
  form: "json",
  tokens: requestTokens,
  open: () => ({
    seeds: [utf8ToBytes(JSON.stringify(draft))],
    errors: [RelationsError, CodecError],
    run(input) {
      const json = parseJson(input, { ...LIMITS, depthMax: 32 })
      const findings = lintRequest(json)
      draftRequest(json, {
        ...{ vendor: vendor.publicKey, wrap: vendorWrap.publicKey, made: "2026-06-01" },
      })
      return `${findings.length > 0}`
    },
  }),
}

function proposed() {
  return proposeAgreement({
    ...{ request: makeRequest(), person: person.publicKey, from: "2026-06-02" },
    disclosures: [
      { path: "card/emails/home", follows: true },
      { path: PATH, follows: false },
    ],
    random: fixedRandom("agreement"),
  })
}

const agreement: FuzzTarget = {
  name: "agreement",
  form: "json",
  tokens: [...requestTokens, "2026-13-40", "9999-12-31", "1970-01-01"],
  open: () => {
    const { bytes } = proposed()
    const signatures = {
      personSignature: signAgreement(person, bytes),
      vendorSignature: signAgreement(vendor, bytes),
    }
    return {
      seeds: [bytes, utf8ToBytes(exportAgreement({ bytes, ...signatures }))],
      errors: [RelationsError],
      run(input) {
        if (input.indexOf(0x22) === 1 && bytesStart(input, '{"agreement":{')) {
          importAgreement(input)
          return "imported"
        }
        const read = readAgreement(input)
        checkAgreement({
          ...{ bytes: input, personKey: person.publicKey, vendorKey: vendor.publicKey },
          personSignature: signAgreement(person, input),
          vendorSignature: signAgreement(vendor, input),
        })
        return `${read.fields.length}`
      },
    }
  },
}

function bytesStart(bytes: Uint8Array, text: string): boolean {
  return equalBytes(bytes.subarray(0, text.length), utf8ToBytes(text))
}

/** The clear part of a share's key span, and writers' certificates. */
const shareKey: FuzzTarget = {
  name: "share-key",
  form: "cbor",
  batch: 128,
  open: () => {
    const { spaceTag } = body
    const epochKey = random.bytes(32)
    const to = vendorWrap.publicKey
    const keys = { person: person.publicKey, vendor: vendor.publicKey }
    const writer = vendor.publicKey
    return {
      seeds: [
        wrapShareKey({ epochKey, spaceTag, to, random }),
        new Uint8Array(64),
        new Uint8Array(96),
      ],
      errors: [RelationsError, CodecError],
      run(input) {
        const claim = { spaceTag, incarnation: new Uint8Array(16), writer }
        if (input.length === 64 || input.length === 96)
          return certifiedWriter(keys, claim, input)?.lane ?? "no lane"
        return `${unwrapShareKey({ clear: input, spaceTag, key: vendorWrap }) !== undefined}`
      },
    }
  },
}

/** What is new with a share's key: successors, decisions, places. */
const shareKeyNews: FuzzTarget = {
  name: "share-key-news",
  form: "cbor",
  batch: 128,
  open: () => {
    const signed = random.bytes(300)
    const place = {
      mailbox: person.publicKey,
      appendCapability: random.bytes(190),
      readCapability: random.bytes(190),
    }
    return {
      seeds: [
        shareKeyBody(),
        shareKeyBody({ statement: signed }),
        shareKeyBody({ decision: signed }),
        shareKeyBody({ statement: signed, place }),
        shareKeyBody({ places: [place, place] }),
      ],
      errors: [],
      run(input) {
        const { statement, decision, place: moved, places } = readShareKeyBody(input)
        return `${statement?.length} ${decision?.length} ${moved?.mailbox.length} ${places?.length}`
      },
    }
  },
}

export const relationsTargets: readonly FuzzTarget[] = [
  books,
  connect,
  connectInside,
  invitation,
  request,
  requestBytes,
  requestDraft,
  agreement,
  shareKey,
  shareKeyNews,
]
