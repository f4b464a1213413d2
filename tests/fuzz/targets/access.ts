/**
 * Devices: certificates, key entries and what they come to, pairing and meeting.
 *
 * @module
 */

import { AccessError } from "@fulcrum/access/access-error"
import { encodeBeacon, openBeacon, signAnchor } from "@fulcrum/access/beacon"
import {
  certifyDevice,
  encodeDeviceCertificate,
  readDeviceCertificate,
} from "@fulcrum/access/device"
import { readKeyBody } from "@fulcrum/access/key-body"
import type { MembershipEntry } from "@fulcrum/access/member-state"
import { reduceMembership } from "@fulcrum/access/membership"
import { parsePairingCode } from "@fulcrum/access/pairing-code"
import { decodePairingPackage, encodePairingPackage } from "@fulcrum/access/pairing-package"
import { entropyFromRecoveryWords, recoveryWordsFromEntropy } from "@fulcrum/access/recovery-words"
import { auditWraps, makeKeySpanParts, openKeySpan } from "@fulcrum/access/rotation"
import {
  formatScannedCode,
  generateScannedCode,
  parseScannedCode,
} from "@fulcrum/access/scanned-code"
import {
  base64urlToBytes,
  bytesToBase64url,
  bytesToUtf8,
  concatBytes,
  utf8ToBytes,
} from "@fulcrum/codec/bytes"
import { decodeCbor, encodeCbor } from "@fulcrum/codec/cbor"
import type { CborValue } from "@fulcrum/codec/cbor-form"
import { CodecError } from "@fulcrum/codec/codec-error"
import { contexts } from "@fulcrum/crypto/contexts"
import { sign } from "@fulcrum/crypto/ed25519"
import { wrap } from "@fulcrum/crypto/wrap"
import { chainKeySchema, idKey, spaceTagSchema } from "@fulcrum/log/ids"
import { mailboxName } from "@fulcrum/log/mailbox"
import { followsDigest } from "@fulcrum/log/span"
import {
  add,
  device,
  entry,
  epoch,
  epochKey,
  recovery,
  remove,
  rename,
  rotate,
  words,
} from "../../../packages/access/test/key-history.ts"
import { fixedRandom } from "../space.ts"
import { type FuzzTarget, holds } from "../target.ts"
import { pairingPackage } from "./pairing.ts"

const errors = [AccessError]

/** Signed by the device that it names, whatever else it says. */
const certificate: FuzzTarget = {
  name: "certificate",
  form: "cbor",
  open: () => {
    const phone = device("phone")
    return {
      seeds: [encodeDeviceCertificate(certifyDevice(phone))],
      errors: [AccessError, CodecError],
      run(input) {
        const fields = decodeCbor(input, { bytesMax: input.length })
        if (!Array.isArray(fields)) return readDeviceCertificate(input).name
        const said: readonly CborValue[] = fields.slice(0, -1)
        const message = encodeCbor(said)
        const signature = sign(contexts.deviceCertificate, phone.writer, message)
        readDeviceCertificate(encodeCbor([...said, signature]))
        return "signed"
      },
    }
  },
}

const history = [
  entry("a by phone", add("phone"), words("words one")),
  entry("b < a by phone", add("laptop"), rename("laptop", "x")),
  entry("c < b by laptop", add("tablet"), remove("phone"), rotate),
]

function keySpanParts(at: number) {
  const made = history[at]
  if (made === undefined) throw new RangeError("no such entry")
  const previousKeys = made.follows.map((id) => ({ id, key: epochKey(idKey(id)) }))
  const membership = reduceMembership(history.slice(0, at), epoch("a"))
  const key = epochKey(idKey(made.epoch))
  const { changes } = made
  const random = fixedRandom("key span")
  const parts = makeKeySpanParts({ membership, changes, epochKey: key, previousKeys, random })
  return { ...parts, membership, key, digest: followsDigest(parts.follows) }
}

const keyBody: FuzzTarget = {
  name: "key-body",
  form: "cbor",
  open: () => {
    const spans = [0, 1, 2].map(keySpanParts)
    const digests = spans.map(({ digest }) => digest)
    return {
      seeds: spans.map(({ body }) => body),
      errors,
      run(input) {
        const read = digests.map((digest) => codeOf(() => readKeyBody(input, digest)))
        return read.join(" ")
      },
    }
  },
}

function codeOf(read: () => unknown): string {
  try {
    read()
    return "read"
  } catch (error) {
    if (error instanceof AccessError) return error.code
    throw error
  }
}

/** The clear part of a key span: its wraps, opened and audited. */
const wraps: FuzzTarget = {
  name: "wraps",
  form: "cbor",
  batch: 64,
  open: () => {
    const { clear, body, membership, key, digest } = keySpanParts(1)
    const read = readKeyBody(body, digest)
    const own = device("phone").wrap
    return {
      seeds: [clear],
      errors,
      run(input) {
        const opened = openKeySpan({ clear: input, follows: digest, key: own })
        const audit = auditWraps({ membership, clear: input, body: read, epochKey: key })
        return `${opened !== undefined} ${audit.isRight} ${Math.min(audit.foreign, 2)}`
      },
    }
  },
}

const NAMES = ["phone", "laptop", "tablet", "watch", "desk", "old"]
const WORDS = ["words one", "words two"]
const ENTRIES_MAX = 48

/**
 * Key entries by members of all kinds, from a short form: a list of
 * `[author, [how far back what it follows is…], [[change, whom]…]]`.
 */
const membership: FuzzTarget = {
  name: "membership",
  form: "cbor",
  bytesMax: 1024,
  batch: 128,
  open: () => ({
    seeds: [
      [
        [
          0,
          [],
          [
            [0, 0],
            [3, 0],
          ],
        ],
        [0, [1], [[0, 1]]],
        [
          0,
          [1],
          [
            [0, 2],
            [0, 3],
          ],
        ],
        [1, [1], [[1, 0]]],
        [0, [2], [[1, 1]]],
        [2, [1, 2], [[2, 0]]],
      ],
      [
        [
          0,
          [],
          [
            [0, 0],
            [0, 1],
            [0, 2],
            [3, 0],
          ],
        ],
        [0, [1], [[1, 1]]],
        [1, [2], [[1, 0]]],
        [
          6,
          [3],
          [
            [0, 4],
            [5, 3],
          ],
        ],
        [2, [1, 3], [[4, 2]]],
      ],
    ].map((list) => encodeCbor(list)),
    errors: [CodecError],
    run(input) {
      const entries = entriesOf(decodeCbor(input, { bytesMax: 4096, depthMax: 6 }))
      const genesis = epoch("0")
      const one = reduceMembership(entries, genesis)
      const other = reduceMembership([...entries, ...entries.toReversed()].toReversed(), genesis)
      holds(shown(one) === shown(other), "members do not depend on what came first, or twice")
      return `${one.devices.length} ${one.removed.length} ${one.quarantined.length > 0} ${one.concurrent}`
    },
  }),
}

function shown({ devices, removed, epochs, heads, current }: ReturnType<typeof reduceMembership>) {
  const ids = (all: readonly { readonly id: Uint8Array }[]) => all.map(({ id }) => idKey(id)).join()
  return [ids(devices), ids(removed), epochs.join(), heads.join(), current?.join()].join(";")
}

function entriesOf(value: CborValue): readonly MembershipEntry[] {
  return listOf(value)
    .slice(0, ENTRIES_MAX)
    .map((item, at) => {
      const [author, follows, changes] = listOf(item)
      const by = numberOf(author) % (NAMES.length + WORDS.length)
      const back = new Set(listOf(follows ?? null).map((to) => at - 1 - (numberOf(to) % 8)))
      const earlier = [...back].filter((to) => to >= 0).map((to) => epoch(`${to}`))
      const writer =
        by < NAMES.length ? device(NAMES[by] ?? "") : recovery(WORDS[by - NAMES.length] ?? "")
      return {
        ...entry(`x by ${NAMES[0]}`),
        epoch: epoch(`${at}`),
        follows: at === 0 ? [] : earlier,
        writer: writer.writer.publicKey,
        sequence: at + 1,
        changes: listOf(changes ?? null)
          .slice(0, 6)
          .map((change) => changeOf(listOf(change).map(numberOf))),
      }
    })
}

function changeOf([kind = 0, whom = 0]: readonly number[]): MembershipEntry["changes"][number] {
  const name = NAMES[whom % NAMES.length] ?? ""
  switch (kind % 6) {
    case 0:
      return add(name)
    case 1:
      return remove(name)
    case 2:
      return rotate
    case 3:
      return words(WORDS[whom % WORDS.length] ?? "")
    case 4:
      return rename(name, `${whom}`)
    default:
      return { kind: "suite", value: { least: whom % 4 } }
  }
}

function listOf(value: CborValue): readonly CborValue[] {
  return Array.isArray(value) ? value : []
}

function numberOf(value: CborValue | undefined): number {
  return typeof value === "number" ? Math.abs(Math.trunc(value)) % 1_000_000 : 0
}

const packages: FuzzTarget = {
  name: "pairing-package",
  form: "cbor",
  open: () => ({
    seeds: [encodePairingPackage(pairingPackage)],
    errors,
    run: (input) => `${decodePairingPackage(input).members.length}`,
  }),
}

/** What a person types: a pairing code, or the recovery words. */
const typed: FuzzTarget = {
  name: "typed-words",
  form: "lines",
  tokens: ["abandon", "zoo", "copper", "-", "4711", "65536", "1.", "  ", "copperr"],
  bytesMax: 1200,
  open: () => ({
    seeds: [
      "4711-copper-lemon-orbit",
      recoveryWordsFromEntropy(new Uint8Array(32)).join(" "),
      recoveryWordsFromEntropy(new Uint8Array(32).fill(9))
        .map((word, i) => `${i + 1}. ${word}`)
        .join("\n"),
    ].map(utf8ToBytes),
    errors: [AccessError, CodecError],
    run(input) {
      const text = bytesToUtf8(input)
      if (text.length < 80) return `${parsePairingCode(text).words.length}`
      return `${entropyFromRecoveryWords(text).length}`
    },
  }),
}

/** Sealed by whoever knows the words' public key, whatever it holds. */
const beacons: FuzzTarget = {
  name: "beacon",
  form: "bytes",
  batch: 8,
  open: () => {
    const keys = recovery("words one")
    const random = fixedRandom("beacon")
    const own = {
      space: spaceTagSchema.decode(random.bytes(32)),
      chainKey: chainKeySchema.decode(random.bytes(32)),
      meetingKey: random.bytes(32),
      genesis: epoch("a"),
    }
    const mailboxes = [{ relay: "/dns4/relay.example/tcp/4001", seed: random.bytes(32) }]
    const seed = encodeBeacon({ anchor: signAnchor(own, keys), epochs: [epoch("b")], mailboxes })
    const [context, aad] = [contexts.recoveryBeacon, mailboxName(keys.beaconName.publicKey)]
    return {
      seeds: [
        concatBytes([
          Uint8Array.of(0, 0, seed.length >> 8, seed.length & 255),
          seed,
          new Uint8Array(20),
        ]),
      ],
      errors: [],
      run(plaintext) {
        const to = keys.wrap.publicKey
        const opened = openBeacon(wrap({ context, to, aad, plaintext, random }), keys)
        if (opened === undefined) return "none"
        return `${Math.min(opened.epochs.length, 3)} ${Math.min(opened.mailboxes.length, 3)}`
      },
    }
  },
}

/** What a QR code says, or the CBOR in it. */
const scanned: FuzzTarget = {
  name: "scanned-code",
  form: "cbor",
  tokens: ["fulcrum-pair:1.", "fulcrum-pair:2.", "/p2p/", "/ip4/127.0.0.1/tcp/4002"],
  bytesMax: 1100,
  open: () => {
    const SCHEME = "fulcrum-pair:1."
    const { writer } = device("phone")
    const written = [[], ["/ip4/10.0.0.7/tcp/1/p2p/a", "/ip4/10.0.0.8/tcp/1/p2p/a"]].map(
      (addresses) =>
        formatScannedCode(
          generateScannedCode({
            ...{ random: fixedRandom("scanned"), writer: writer.publicKey, expiresAtMs: 0 },
            ...{ relays: ["/dns4/relay.example/tcp/4001/p2p/b"], addresses },
          }),
        ),
    )
    return {
      seeds: [
        ...written.map((uri) => base64urlToBytes(uri.slice(SCHEME.length))),
        ...written.map(utf8ToBytes),
      ],
      errors: [AccessError, CodecError],
      run(input) {
        const isText = input[0] === SCHEME.charCodeAt(0)
        const read = parseScannedCode(
          isText ? bytesToUtf8(input) : `${SCHEME}${bytesToBase64url(input)}`,
        )
        const again = parseScannedCode(formatScannedCode(read))
        holds(JSON.stringify(again) === JSON.stringify(read), "what was read can be written")
        return `${read.relays.length} ${read.addresses.length}`
      },
    }
  },
}

export const accessTargets: readonly FuzzTarget[] = [
  certificate,
  keyBody,
  wraps,
  membership,
  packages,
  typed,
  beacons,
  scanned,
]
