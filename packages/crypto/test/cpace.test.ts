import { bytesToHex, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { CpaceError, type CpaceRole, type CpaceRun, startCpace } from "../src/cpace.ts"
import { cpaceGenerator, cpaceIsk, cpaceMultiply, cpaceTranscript } from "../src/cpace-draft.ts"
import { seededRandom } from "../src/random.ts"
import { readFixture } from "./fixture.ts"

interface Side {
  readonly scalar: string
  readonly share: string
  readonly associatedData: string
}
const vector = readFixture<{
  password: string
  channel: string
  sessionId: string
  generator: string
  initiator: Side
  responder: Side
  agreed: string
  isk: string
  multiply: { scalar: string; share: string; product: string }
  invalid: readonly string[]
}>("cpace-ristretto255.json")

function littleEndian(hex: string): bigint {
  return BigInt(`0x${bytesToHex(hexToBytes(hex).reverse())}`)
}

function bytesOf(side: Side) {
  return { share: hexToBytes(side.share), associatedData: hexToBytes(side.associatedData) }
}

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof CpaceError) return error.code
    throw error
  }
  return "none"
}

const random = seededRandom("cpace")

function start(role: CpaceRole, changes: { password?: string; channel?: string } = {}): CpaceRun {
  return startCpace({
    role,
    password: utf8ToBytes(changes.password ?? "copper-lantern-orbit"),
    channel: utf8ToBytes(changes.channel ?? "4711"),
    sessionId: new Uint8Array(16).fill(3),
    associatedData: utf8ToBytes(role),
    random,
  })
}

const said = (role: CpaceRole, run: CpaceRun) => ({
  share: run.share,
  associatedData: utf8ToBytes(role),
})

describe("the draft's vectors", () => {
  test("[K10] generator, shares, K and ISK", () => {
    const password = hexToBytes(vector.password)
    const channel = hexToBytes(vector.channel)
    const sessionId = hexToBytes(vector.sessionId)
    const generator = cpaceGenerator({ password, channel, sessionId })
    expect(bytesToHex(generator)).toBe(vector.generator)
    for (const [own, peer] of [
      [vector.initiator, vector.responder],
      [vector.responder, vector.initiator],
    ] as const) {
      const scalar = littleEndian(own.scalar)
      expect(cpaceMultiply(scalar, generator)).toEqual(hexToBytes(own.share))
      expect(cpaceMultiply(scalar, hexToBytes(peer.share))).toEqual(hexToBytes(vector.agreed))
    }
    const transcript = cpaceTranscript(bytesOf(vector.initiator), bytesOf(vector.responder))
    expect(bytesToHex(cpaceIsk(hexToBytes(vector.agreed), sessionId, transcript))).toBe(vector.isk)
  })

  test("[K10] multiplication, and what it refuses", () => {
    const { scalar, share, product } = vector.multiply
    expect(cpaceMultiply(littleEndian(scalar), hexToBytes(share))).toEqual(hexToBytes(product))
    for (const invalid of vector.invalid) {
      expect(cpaceMultiply(littleEndian(scalar), hexToBytes(invalid))).toBeUndefined()
    }
  })
})

describe("a run", () => {
  test("[K10] two who know the password get one key", () => {
    const a = start("initiator")
    const b = start("responder")
    const aDone = a.finish(said("responder", b))
    const bDone = b.finish(said("initiator", a))
    const key = aDone.confirm(bDone.proof)
    expect(key).toHaveLength(32)
    expect(bDone.confirm(aDone.proof)).toEqual(key)
    expect(aDone.proof).not.toEqual(bDone.proof)
  })

  test.for([
    { name: "another password", changes: { password: "copper-lantern-orbi" } },
    { name: "another channel", changes: { channel: "4712" } },
  ])("[K10] $name is noticed by both", ({ changes }) => {
    const a = start("initiator")
    const b = start("responder", changes)
    const aDone = a.finish(said("responder", b))
    const bDone = b.finish(said("initiator", a))
    expect(codeOf(() => aDone.confirm(bDone.proof))).toBe("CPACE_PROOF_WRONG")
    expect(codeOf(() => bDone.confirm(aDone.proof))).toBe("CPACE_PROOF_WRONG")
  })

  test("[K10] associated data that was changed on the way is noticed", () => {
    const a = start("initiator")
    const b = start("responder")
    const aDone = a.finish({ share: b.share, associatedData: utf8ToBytes("somebody else") })
    const bDone = b.finish(said("initiator", a))
    expect(codeOf(() => aDone.confirm(bDone.proof))).toBe("CPACE_PROOF_WRONG")
  })

  test("[K10] one's own share and proof sent back prove nothing", () => {
    const a = start("initiator")
    const done = a.finish(said("initiator", a))
    expect(codeOf(() => done.confirm(done.proof))).toBe("CPACE_PROOF_WRONG")
  })

  test("[K10] no bytes as a share do anything but fail", () => {
    for (const share of [
      ...vector.invalid.map(hexToBytes),
      new Uint8Array(31),
      new Uint8Array(0),
    ]) {
      const finish = () => start("initiator").finish({ share, associatedData: share })
      expect(codeOf(finish)).toBe("CPACE_SHARE_INVALID")
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (share) => {
        const finish = () => start("initiator").finish({ share, associatedData: share })
        expect(["none", "CPACE_SHARE_INVALID"]).toContain(codeOf(finish))
      }),
      { numRuns: 20 },
    )
  })

  test("[K10] takes one share, and a session id that is long enough", () => {
    const a = start("initiator")
    const b = start("responder")
    a.finish(said("responder", b))
    expect(() => a.finish(said("responder", b))).toThrow(TypeError)
    expect(() =>
      startCpace({
        role: "initiator",
        password: new Uint8Array(0),
        channel: new Uint8Array(0),
        sessionId: new Uint8Array(15),
        associatedData: new Uint8Array(0),
        random,
      }),
    ).toThrow(RangeError)
  })
})
