import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import { chainHashSchema, incarnationIdSchema } from "@fulcrum/log/ids"
import { CAPABILITY_BYTES_MAX } from "@fulcrum/log/mailbox"
import type { VersionVector } from "@fulcrum/log/vector"
import type { Verified } from "@fulcrum/log/verified"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { certifiedWriter, certifyLaterWriter } from "../src/certificate.ts"
import { PersonKeys, SUCCESSORS_MAX } from "../src/person-keys.ts"
import { RENEWED_PLACES_MAX, readShareKeyBody, shareKeyBody } from "../src/share-key.ts"
import {
  type Decision,
  readDecision,
  readSuccessor,
  recoveryKeyHash,
  type Successor,
  signDecision,
  signSuccessor,
} from "../src/successor.ts"
import { person, random, stranger, vendor } from "./parties.ts"

const spaceTag = random.bytes(32)
const clear = random.bytes(100)
const binding = { spaceTag, clear }
const drawn = () => generateSigningKey(random)
const seenUpTo = (sequence: number): VersionVector => [
  {
    incarnation: incarnationIdSchema.decode(new Uint8Array(16).fill(1)),
    sequence,
    chain: chainHashSchema.decode(new Uint8Array(32)),
  },
]

function statement(old: readonly SigningKey[], key: SigningKey, sequence = 1): Verified<Successor> {
  const signed = signSuccessor({ ...binding, old, key, seen: seenUpTo(sequence) })
  const read = readSuccessor(signed, binding)
  if (read === undefined) throw new TypeError("a statement that cannot be read")
  return read
}

function decision(chosen: SigningKey, number: number): Verified<Decision> {
  const signed = signDecision({ ...binding, chosen: chosen.publicKey, number, recovery: stranger })
  const recoveryHash = recoveryKeyHash(stranger.publicKey)
  const read = readDecision(signed, { ...binding, recoveryHash })
  if (read === undefined) throw new TypeError("a decision that cannot be read")
  return read
}

describe("a successor", () => {
  const [old, also, next] = [person, drawn(), drawn()]
  const input = { ...binding, old: [old, also], key: next, seen: seenUpTo(7) }

  test("[RL28] is read in its share and rotation, and says whom it follows and what was seen", () => {
    const encoded = signSuccessor(input)
    const read = readSuccessor(encoded, binding)
    expect(read?.key).toEqual(next.publicKey)
    expect(read?.old).toHaveLength(2)
    expect(read?.seen).toEqual(seenUpTo(7))
    expect(readSuccessor(encoded, { spaceTag })).toEqual(read)
    expect(readShareKeyBody(shareKeyBody({ statement: encoded }))).toMatchObject({
      statement: encoded,
    })
    expect(readShareKeyBody(shareKeyBody())).toEqual({})
  })

  test("[RL33] may bring where the share lies from now on", () => {
    const statement = signSuccessor(input)
    const place = {
      mailbox: drawn().publicKey,
      appendCapability: random.bytes(200),
      readCapability: random.bytes(210),
    }
    const body = shareKeyBody({ statement, place })
    expect(readShareKeyBody(body)).toMatchObject({ statement, place })
    // Cut short, or grown, it is of no form, and says nothing.
    expect(readShareKeyBody(body.subarray(0, -1))).toEqual({})
    expect(readShareKeyBody(new Uint8Array([...body, 0]))).toEqual({})
    const long = { ...place, readCapability: random.bytes(CAPABILITY_BYTES_MAX + 1) }
    expect(() => shareKeyBody({ statement, place: long })).toThrow()
  })

  test("[RL34] alone, may bring how mailboxes are opened from now on", () => {
    const place = () => ({
      mailbox: drawn().publicKey,
      appendCapability: random.bytes(200),
      readCapability: random.bytes(210),
    })
    const places = Array.from({ length: RENEWED_PLACES_MAX }, place)
    const body = shareKeyBody({ places })
    expect(readShareKeyBody(body)).toMatchObject({ places })
    expect(readShareKeyBody(body.subarray(0, -1))).toEqual({})
    expect(() => shareKeyBody({ places: [...places, place()] })).toThrow()
  })

  test("[RL28] says nothing in another share, in another rotation, or without each key's signature", () => {
    const encoded = signSuccessor(input)
    expect(readSuccessor(encoded, { ...binding, spaceTag: random.bytes(32) })).toBeUndefined()
    expect(readSuccessor(encoded, { ...binding, clear: random.bytes(100) })).toBeUndefined()
    const other = signSuccessor({ ...input, key: drawn() })
    // The last 64 bytes are the new key's signature, which another key's does not replace.
    const mixed = new Uint8Array([...encoded.subarray(0, -64), ...other.subarray(-64)])
    expect(readSuccessor(mixed, binding)).toBeUndefined()
    expect(() => signSuccessor({ ...input, old: [next] })).toThrow(RangeError)
    expect(() => signSuccessor({ ...input, old: [] })).toThrow(RangeError)
  })

  test("[RL28] no byte of it can be changed", () => {
    const encoded = signSuccessor(input)
    for (let at = 0; at < encoded.length; at++) {
      const changed = Uint8Array.from(encoded)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(readSuccessor(changed, binding)).toBeUndefined()
    }
  })

  test("[RL7] any bytes are read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        readShareKeyBody(bytes)
        expect(readSuccessor(bytes, binding)).toBeUndefined()
        expect(readDecision(bytes, { ...binding, recoveryHash: bytes })).toBeUndefined()
      }),
    )
  })
})

test("[RL29] only the recovery key decides, in this share and rotation", () => {
  const recoveryHash = recoveryKeyHash(stranger.publicKey)
  const input = { ...binding, chosen: person.publicKey, number: 1 }
  const encoded = signDecision({ ...input, recovery: stranger })
  expect(readDecision(encoded, { ...binding, recoveryHash })).toMatchObject({ number: 1 })
  const forged = signDecision({ ...input, recovery: vendor })
  expect(readDecision(forged, { ...binding, recoveryHash })).toBeUndefined()
  const elsewhere = { ...binding, spaceTag: random.bytes(32), recoveryHash }
  expect(readDecision(encoded, elsewhere)).toBeUndefined()
  const later = { ...binding, clear: random.bytes(100), recoveryHash }
  expect(readDecision(encoded, later)).toBeUndefined()
})

describe("the keys of a relationship", () => {
  const [first, a, b, joined, thief] = [person, drawn(), drawn(), drawn(), drawn()]
  const toA = statement([first], a, 3)
  const toB = statement([first], b, 5)
  const toThief = statement([first], thief, 9)
  const join = statement([a, b], joined)

  test("[RL30] the newest speaks; of an earlier one what was seen counts", () => {
    const keys = new PersonKeys(first.publicKey)
    expect(keys.current).toEqual(first.publicKey)
    expect(keys.seenOf(first.publicKey)).toBeUndefined()
    keys.add(toA)
    keys.add(statement([first], a, 4))
    expect(keys.current).toEqual(a.publicKey)
    expect(keys.seenOf(first.publicKey)?.map(({ sequence }) => sequence)).toEqual([3, 4])
    expect(keys.seenOf(thief.publicKey)).toBeUndefined()
    expect(keys.isNewest(thief.publicKey)).toBe(false)
  })

  test("[RL31] two successors of one key freeze it, whichever came first", () => {
    for (const both of [
      [toA, toThief],
      [toThief, toA],
    ]) {
      const keys = new PersonKeys(first.publicKey)
      for (const one of both) keys.add(one)
      expect(keys.isFrozen).toBe(true)
      expect(keys.newest).toHaveLength(2)
      expect(keys.settled).toEqual(first.publicKey)
    }
  })

  test("[RL31] a join by all of them ends it, in whatever order they come; by some of them it does not", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([toA, toB, join], { minLength: 3 }), (statements) => {
        const keys = new PersonKeys(first.publicKey)
        for (const one of statements) keys.add(one)
        expect(keys.current).toEqual(joined.publicKey)
        keys.add(toThief)
        expect(keys.isFrozen).toBe(true)
        keys.add(statement([joined], drawn()))
        expect(keys.isFrozen).toBe(true)
      }),
    )
  })

  test("[RL32] a decision ends it; what it decided against, and an older one, say nothing more", () => {
    const keys = new PersonKeys(first.publicKey)
    for (const one of [toThief, toA]) keys.add(one)
    expect(keys.decide(decision(a, 2))).toBe(true)
    expect(keys.current).toEqual(a.publicKey)
    expect(keys.seenOf(first.publicKey)?.map(({ sequence }) => sequence)).toEqual([3])
    expect(keys.seenOf(thief.publicKey)).toEqual([])
    expect(keys.decide(decision(thief, 1))).toBe(false)
    expect(keys.decide(decision(thief, 2))).toBe(false)
    for (const one of [toThief, statement([thief], drawn()), statement([first], drawn())]) {
      expect(keys.add(one)).toBe(false)
    }
    expect(keys.current).toEqual(a.publicKey)
    keys.add(statement([a], b, 6))
    expect(keys.current).toEqual(b.publicKey)
    expect(keys.seenOf(a.publicKey)?.map(({ sequence }) => sequence)).toEqual([6])
  })

  test("[RL31] more statements than are kept freeze it, until it is decided", () => {
    const keys = new PersonKeys(first.publicKey)
    const line = [first, ...Array.from({ length: SUCCESSORS_MAX + 1 }, drawn)]
    for (const [i, key] of line.slice(1).entries()) keys.add(statement([line[i] ?? first], key))
    expect(keys.isFrozen).toBe(true)
    keys.add(toA)
    keys.decide(decision(a, 1))
    expect(keys.current).toEqual(a.publicKey)
  })
})

test("[RL14] a certificate by a later key names it, and is no use for another writer or lane", () => {
  const key = drawn()
  const claim = { spaceTag, incarnation: random.bytes(16), writer: stranger.publicKey }
  const lanes = { person: person.publicKey, vendor: vendor.publicKey }
  const certificate = certifyLaterWriter(key, claim)
  expect(certifiedWriter(lanes, claim, certificate)).toEqual({ lane: "person", by: key.publicKey })
  const other = { ...claim, incarnation: random.bytes(16) }
  expect(certifiedWriter(lanes, other, certificate)).toBeUndefined()
  const claimed = new Uint8Array([...person.publicKey, ...certificate.subarray(32)])
  expect(certifiedWriter(lanes, claim, claimed)).toBeUndefined()
})
