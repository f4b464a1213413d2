import { bytesToBase64url, utf8ToBytes } from "@fulcrum/codec/bytes"
import { generateWrapKey } from "@fulcrum/crypto/wrap"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { CONNECT_BYTES_MAX, type ConnectBody, openConnect, sealConnect } from "../src/connect.ts"
import { decodeInvitation, encodeInvitation, type Invitation } from "../src/invitation.ts"
import { RelationsError } from "../src/relations-error.ts"
import { unwrapShareKey, wrapShareKey } from "../src/share-key.ts"
import { person, random, stranger, vendor, vendorWrap } from "./parties.ts"

const target = { door: random.bytes(32), requestHash: random.bytes(32) }
const body: ConnectBody = {
  relationshipKey: person.publicKey,
  spaceTag: random.bytes(32),
  chainKey: random.bytes(32),
  mailbox: random.bytes(32),
  relays: ["/ip4/127.0.0.1/tcp/9/p2p/12D3KooW"],
  accessSeed: random.bytes(32),
  appendCapability: random.bytes(200),
  readCapability: random.bytes(200),
  keySpan: random.bytes(2000),
  recoveryHash: random.bytes(32),
  agreement: utf8ToBytes("{}"),
  signature: random.bytes(64),
}
const sealed = sealConnect({ target, to: vendorWrap.publicKey, key: person, body, random })

function codeOf(act: () => unknown): string {
  try {
    act()
    return "done"
  } catch (error) {
    if (error instanceof RelationsError) return error.code
    throw error
  }
}

describe("a connect message", () => {
  test("[RL15] is read by the vendor whose request it answers", () => {
    expect(openConnect({ target, key: vendorWrap, message: sealed })).toEqual(body)
    expect(sealed.length).toBeLessThan(CONNECT_BYTES_MAX)
  })

  test("[RL15] is of no use elsewhere", () => {
    const elsewhere = [
      { target: { ...target, door: random.bytes(32) }, key: vendorWrap, message: sealed },
      { target: { ...target, requestHash: random.bytes(32) }, key: vendorWrap, message: sealed },
      { target, key: generateWrapKey(random), message: sealed },
    ]
    for (const input of elsewhere) {
      expect(codeOf(() => openConnect(input))).toBe("CONNECT_MALFORMED")
    }
  })

  test("[RL15] is signed by the relationship that it names", () => {
    const message = sealConnect({ target, to: vendorWrap.publicKey, key: stranger, body, random })
    expect(codeOf(() => openConnect({ target, key: vendorWrap, message }))).toBe("CONNECT_UNSIGNED")
  })

  test("[RL7] any bytes are read or raise a coded error", () => {
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const message = Uint8Array.from(sealed)
        message[at] = (message[at] ?? 0) ^ flip
        return codeOf(() => openConnect({ target, key: vendorWrap, message })) !== "done"
      }),
      { numRuns: 20 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1300 }), (message) => {
        return codeOf(() => openConnect({ target, key: vendorWrap, message })) !== "done"
      }),
      { numRuns: 20 },
    )
  })
})

describe("a share's key", () => {
  const epochKey = random.bytes(32)
  const { spaceTag } = body
  const clear = wrapShareKey({ epochKey, spaceTag, to: vendorWrap.publicKey, random })

  test("[RL15] reaches the vendor, in this space only", () => {
    expect(unwrapShareKey({ clear, spaceTag, key: vendorWrap })).toEqual(epochKey)
    const other = random.bytes(32)
    expect(unwrapShareKey({ clear, spaceTag: other, key: vendorWrap })).toBeUndefined()
    expect(unwrapShareKey({ clear, spaceTag, key: generateWrapKey(random) })).toBeUndefined()
    expect(unwrapShareKey({ clear: clear.subarray(1), spaceTag, key: vendorWrap })).toBeUndefined()
  })
})

describe("an invitation", () => {
  const invitation: Invitation = {
    vendor: vendor.publicKey,
    door: target.door,
    relays: ["/ip4/127.0.0.1/tcp/9/p2p/12D3KooW"],
    requestHash: target.requestHash,
    token: random.bytes(32),
  }

  test("[RL16] is read as it was written, whatever white space is around it", () => {
    const text = encodeInvitation(invitation)
    expect(text).toMatch(/^fulcrum:1\.[\w-]+$/)
    expect(decodeInvitation(`\n ${text} `)).toEqual(invitation)
    const open = { ...invitation, token: undefined }
    expect(decodeInvitation(encodeInvitation(open)).token).toBeUndefined()
  })

  test.for<[string, string]>([
    ["INVITATION_VERSION", "fulcrum:2.AAAA"],
    ["INVITATION_MALFORMED", "https://example.org"],
    ["INVITATION_MALFORMED", encodeInvitation(invitation).slice(0, -4)],
    ["INVITATION_MALFORMED", `fulcrum:1.${bytesToBase64url(random.bytes(100))}`],
    ["INVITATION_MALFORMED", `fulcrum:1.${"A".repeat(4000)}`],
  ])("[RL16] else it is %s", ([code, text]) => {
    expect(codeOf(() => decodeInvitation(text))).toBe(code)
  })

  test("[RL7] any text is read or raises a coded error", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        return codeOf(() => decodeInvitation(`fulcrum:1.${text}`)) !== "done"
      }),
    )
  })
})
