import { bytesToBase64url, bytesToHex } from "@fulcrum/codec/bytes"
import {
  array,
  bytes as bytesOf,
  encodeAs,
  optional,
  struct,
  text,
  uint,
} from "@fulcrum/codec/schema"
import { seededRandom } from "@fulcrum/crypto/random"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { AccessError } from "../src/access-error.ts"
import { parsePairingCode } from "../src/pairing-code.ts"
import { PAIRING_CODE_MS } from "../src/pairing-host.ts"
import { hasIdentity, proveIdentity } from "../src/pairing-identity.ts"
import { encodePairingMessage, readFrame, readPayload } from "../src/pairing-messages.ts"
import {
  fingerprintOf,
  formatScannedCode,
  generateScannedCode,
  isScanned,
  parseGivenCode,
  parseScannedCode,
  SCANNED_CODE_CHARS_MAX,
  SCANNED_CODE_CHARS_WRITTEN,
  type ScannedCode,
  scannedMeetingName,
} from "../src/scanned-code.ts"
import { device } from "./key-history.ts"
import {
  approvalOf,
  crowd,
  expectSafe,
  guestOf,
  hostOf,
  Line,
  made,
  packageOf,
  code as typed,
  wordsOf,
} from "./pairing-line.ts"

const ID = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
const relays = [`/ip4/192.0.2.7/tcp/4001/p2p/${ID}`, `/ip4/192.0.2.8/tcp/4001/p2p/${ID}`]
const addresses = [`/ip4/192.168.1.23/tcp/40123/p2p/${ID}`]
const { writer } = device("phone")

const drawn = (seed: string): ScannedCode =>
  generateScannedCode({
    ...{ random: seededRandom(seed), writer: writer.publicKey, expiresAtMs: 1_900_000_000_123 },
    ...{ relays, addresses },
  })
const code = drawn("secret")
const other = drawn("another")
const scannedHost = () => hostOf(typed, { code, writer })

describe("a scanned code", () => {
  test("[A30] reads as it was written, and names who shows it and where it is", () => {
    const written = formatScannedCode(code)
    expect(written).toMatch(/^fulcrum-pair:1\.[\w-]+$/)
    expect(parseScannedCode(`  ${written}\n`)).toEqual(code)
    expect(code).toMatchObject({ relays, addresses, expiresAtMs: 1_900_000_000_000 })
    expect(code.fingerprint).toEqual(fingerprintOf(writer.publicKey))
    expect(bytesToHex(scannedMeetingName(code))).not.toContain(bytesToHex(code.secret.slice(0, 4)))
    expect(scannedMeetingName(code)).not.toEqual(scannedMeetingName(other))
  })

  test("[A30] whose addresses have no id in common, or none, reads as it was written", () => {
    const apart = [`/ip4/10.0.0.7/tcp/1/p2p/${ID}`, "/ip4/10.0.0.7/tcp/2/p2p/other"]
    for (const of of [apart, ["/ip4/10.0.0.7/tcp/1"], []]) {
      const made = { ...code, addresses: of }
      expect(parseScannedCode(formatScannedCode(made))).toEqual(made)
    }
  })

  test("[A30] names what a QR code of 77 modules has room for, an address and a relay first", () => {
    const many = Array.from({ length: 9 }, (_, i) => `/ip4/192.168.100.10${i}/tcp/40123/p2p/${ID}`)
    const full = generateScannedCode({
      ...{ random: seededRandom("full"), writer: writer.publicKey, expiresAtMs: 0 },
      relays: [`/dns4/${"long".repeat(20)}.example/tcp/1/p2p/${ID}`, relays[0] ?? ""],
      addresses: many,
    })
    expect(formatScannedCode(full).length).toBeLessThanOrEqual(SCANNED_CODE_CHARS_WRITTEN)
    expect(full.relays).toHaveLength(1)
    expect(full.addresses.length).toBeGreaterThan(0)
    expect(full.addresses).toEqual(many.slice(0, full.addresses.length))
    const longest = [`/dns4/${"x".repeat(500)}/tcp/1/p2p/${ID}`, ...many]
    const without = generateScannedCode({
      ...{ random: seededRandom("full"), writer: writer.publicKey, expiresAtMs: 0 },
      ...{ relays: [], addresses: longest },
    })
    expect(without.addresses).toEqual(longest.slice(1, 4))
  })

  const fields = struct({
    secret: bytesOf(32),
    fingerprint: bytesOf(16),
    expires: uint(),
    relays: array(text(2000), 20),
    transport: optional(text(2000)),
    addresses: array(text(2000), 20),
  })
  const uri = (
    of: { relays?: string[]; addresses?: string[]; expires?: number; transport?: string } = {},
  ) => {
    const said = { expires: 1, relays: [], addresses: [], ...of }
    const { secret, fingerprint } = code
    return `fulcrum-pair:1.${bytesToBase64url(encodeAs(fields, { secret, fingerprint, ...said }))}`
  }

  test("[A30] outside its bounds, of another version or of something else is told apart", () => {
    expect(parseScannedCode(uri()).expiresAtMs).toBe(1000)
    const whole = formatScannedCode(code)
    const refused = {
      "three relays": uri({ relays: ["a", "b", "c"] }),
      "five addresses": uri({ addresses: ["a", "b", "c", "d", "e"] }),
      "a long address": uri({ addresses: ["a".repeat(513)] }),
      "no id": uri({ transport: "" }),
      "two ids": uri({ transport: "a/p2p/b" }),
      "an expiry past 2106": uri({ expires: 2 ** 32 }),
      "too long": `${whole}${" ".repeat(SCANNED_CODE_CHARS_MAX)}`,
      "cut short": whole.slice(0, -4),
      "one more character": `${whole}A`,
      "an invitation": whole.replace("fulcrum-pair:", "fulcrum:"),
      "no version": whole.replace("1.", ""),
      "another version's dot": whole.replace("1.", "x."),
      nothing: "",
    }
    for (const [what, said] of Object.entries(refused)) {
      expect(() => parseScannedCode(said), what).toThrow(
        expect.objectContaining({ code: "PAIR_CODE_MALFORMED" }),
      )
    }
    expect(() => parseScannedCode(whole.replace("1.", "2."))).toThrow(
      expect.objectContaining({ code: "PAIR_VERSION" }),
    )
  })

  test("[A30] and a typed one are known from each other", () => {
    expect(isScanned(parseGivenCode(` ${formatScannedCode(code)}`))).toBe(true)
    expect(parseGivenCode("4711 copper lemon orbit")).toEqual(
      parsePairingCode("4711-copper-lemon-orbit"),
    )
    expect(() => parseGivenCode("fulcrum:1.AAAA")).toThrow(
      expect.objectContaining({ code: "PAIR_CODE_MALFORMED" }),
    )
  })

  test("[A20] any text decodes or raises a coded error", () => {
    const whole = formatScannedCode(code)
    const any = fc.oneof(
      fc.string(),
      fc.uint8Array({ maxLength: 400 }).map((raw) => `fulcrum-pair:1.${bytesToBase64url(raw)}`),
      fc
        .tuple(fc.nat(whole.length - 1), fc.string({ maxLength: 3 }))
        .map(([at, put]) => whole.slice(0, at) + put + whole.slice(at + 1)),
    )
    fc.assert(
      fc.property(any, (said) => {
        try {
          parseScannedCode(said)
        } catch (error) {
          expect(error).toBeInstanceOf(AccessError)
        }
      }),
    )
  })
})

describe("pairing by a scanned code", () => {
  test("[A22] [A31] is as by a typed one: the same words, a yes, the package", () => {
    const line = new Line({ host: scannedHost(), guest: guestOf(code) }).connect()
    expect(wordsOf(line.hostActions)).toHaveLength(3)
    expect(wordsOf(line.hostActions)).toEqual(wordsOf(line.guestActions))
    expect(packageOf(line.guestActions)).toBeUndefined()
    expect(packageOf(line.approve().guestActions)).toEqual(made)
    expect(line.kinds.host.at(-1)).toBe("done")
    const all = line.sent.map(([, bytes]) => bytesToHex(bytes)).join(" ")
    for (const secret of [code.secret, code.fingerprint, writer.publicKey, made.chainKey]) {
      expect(all).not.toContain(bytesToHex(secret))
    }
  })

  test("[A28] goes on after either side was killed", () => {
    const lost = new Line({
      ...{ host: scannedHost(), guest: guestOf(code) },
      onWay: (bytes, at) => (at === 4 ? [] : [bytes]),
    })
    lost.connect().approve().restart("host").restart("guest").connect(1)
    expect(packageOf(lost.guestActions)).toEqual(made)
    expect(lost.kinds.host.at(-1)).toBe("done")
  })

  test("[A31] with another secret uses the code up, for the words too", () => {
    const line = new Line({ host: scannedHost(), guest: guestOf(other) }).connect()
    expect(line.kinds.host.at(-1)).toBe("PAIR_CODE_WRONG")
    expect(line.kinds.guest.at(-1)).toBe("PAIR_CODE_WRONG")
    expect(line.kinds.host).not.toContain("ask-approval")
    for (const next of [guestOf(typed), guestOf(code)]) {
      const second = new Line({ host: line.host, guest: next }).connect()
      expect(second.kinds.guest.at(-1)).toBe("PAIR_CODE_USED")
    }
  })

  test("[A31] of a device that shows none uses its code up", () => {
    const line = new Line({ guest: guestOf(code) }).connect()
    expect(line.kinds.host).toEqual(["store-state", "send", "clear-state", "PAIR_CODE_WRONG"])
    expect(line.kinds.guest.at(-1)).toBe("PAIR_CODE_WRONG")
  })

  test("[A31] words that were wrong use up the QR code, stored before it is answered", () => {
    const host = scannedHost()
    const [hello] = guestOf(code).step({ kind: "connected" }, 0)
    if (hello?.kind !== "send") throw new TypeError("no hello")
    const first = host.step({ kind: "message", peer: "guest", bytes: hello.bytes }, 0)
    expect(first.map(({ kind }) => kind)).toEqual(["store-state", "send"])
    const wrong = parsePairingCode("4711-copper-lemon-zebra")
    const line = new Line({ host: scannedHost(), guest: guestOf(wrong) }).connect()
    const second = new Line({ host: line.host, guest: guestOf(code) }).connect()
    expect(second.kinds.guest.at(-1)).toBe("PAIR_CODE_USED")
  })

  test("[A24] expires after two minutes", () => {
    const line = new Line({ host: scannedHost(), guest: guestOf(code) }).connect(PAIRING_CODE_MS)
    expect(line.kinds.guest.at(-1)).toBe("PAIR_CODE_EXPIRED")
    expect(line.kinds.host.at(-1)).toBe("PAIR_CODE_EXPIRED")
  })

  test("[A24] [A31] [E13] of 1,000 who claim it at once, by either way, one is let in", () => {
    const guests = Array.from({ length: 1000 }, (_, i) =>
      guestOf(i % 2 === 0 ? code : typed, `device ${i % 4}`),
    )
    const { asked, outcomes } = crowd(scannedHost(), guests)
    expect(asked).toBe(1)
    expect(outcomes.filter((it) => it === "done")).toHaveLength(1)
    expect(outcomes.filter((it) => it === "PAIR_CODE_USED")).toHaveLength(999)
  }, 30_000)
})

describe("somebody in between who has seen the QR code", () => {
  const spy = device("spy").writer

  test("[A32] [E13] cannot answer as the device that showed it", () => {
    // With a key of its own, or with the fingerprint of its own in a code that is otherwise the same.
    for (const shown of [code, { ...code, fingerprint: fingerprintOf(spy.publicKey) }]) {
      const line = new Line({
        host: hostOf(typed, { code: shown, writer: spy }),
        guest: guestOf(code),
      }).connect()
      expect(line.kinds.guest).toEqual(["send", "send", "PAIR_CODE_WRONG"])
      // It has said nothing of itself: what it sent are its first message and that it gives up.
      expect(line.sent.filter(([to]) => to === "host")).toHaveLength(2)
    }
  })

  test("[A32] [E13] cannot pass on what that device said in another run", () => {
    const real = new Line({ host: scannedHost(), guest: guestOf(code, "spy") }).connect()
    const proof = real.sent[1]?.[1] ?? new Uint8Array(0)
    const line = new Line({
      host: hostOf(typed, { code, writer: spy }),
      guest: guestOf(code),
      onWay: (bytes, at) => [at === 1 ? proof : bytes],
    }).connect()
    expect(line.kinds.guest.at(-1)).toBe("PAIR_CODE_WRONG")
    expect(approvalOf(real.hostActions)?.name).toBe("spy")
  })

  test("[A32] cannot have the guest do without the proof", () => {
    const withoutProof = (bytes: Uint8Array) => {
      const message = readPayload(readFrame(bytes))
      if (message?.kind !== "identified") throw new TypeError("no proof to leave out")
      const { share, proof } = message.value
      return encodePairingMessage({ kind: "reply", value: { share, proof } })
    }
    const line = new Line({
      host: hostOf(typed, { code, writer: spy }),
      guest: guestOf(code),
      onWay: (bytes, at) => [at === 1 ? withoutProof(bytes) : bytes],
    }).connect()
    expect(line.kinds.guest.at(-1)).toBe("PAIR_CODE_WRONG")
  })

  test("[A32] cannot use the proof of one run in another, whatever the two have in common", () => {
    const draw = (seed: string) => seededRandom(seed).bytes(32)
    const said = {
      ...{ sessionId: draw("session"), commitment: draw("commitment") },
      ...{ guestShare: draw("guest"), hostShare: draw("host") },
    }
    const proof = proveIdentity(code, writer, said)
    expect(hasIdentity(code, proof, said)).toBe(true)
    for (const field of Object.keys(said)) {
      expect(hasIdentity(code, proof, { ...said, [field]: draw("other") }), field).toBe(false)
    }
    expect(hasIdentity(other, proof, said)).toBe(false)
    // Its key is no secret to own devices; its signature is needed.
    const forged = proveIdentity(code, { publicKey: writer.publicKey, seed: spy.seed }, said)
    expect(hasIdentity(code, forged, said)).toBe(false)
  })

  test("[A27] changes any bit: no wrong key, no wrong device, no wrong package", () => {
    const honest = new Line({ host: scannedHost(), guest: guestOf(code) }).connect().approve()
    expect(honest.sent).toHaveLength(6)
    for (const [at, [, bytes]] of honest.sent.entries()) {
      const step = Math.max(1, Math.floor((bytes.length * 8) / 25))
      for (let bit = at; bit < bytes.length * 8; bit += step) {
        const flip = (sent: Uint8Array) =>
          sent.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
        const line = new Line({
          ...{ host: scannedHost(), guest: guestOf(code) },
          onWay: (sent, i) => [i === at ? flip(sent) : sent],
        })
        expectSafe(line.connect().approve())
        if (at < 3) expect(line.kinds.guest).not.toContain("done")
      }
    }
  })
})
