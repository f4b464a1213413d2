import { bytesToHex, hexToBytes } from "@fulcrum/codec/bytes"
import fc from "fast-check"
import { expect, test } from "vitest"
import { DidKeyError, didKeyToPublicKey, publicKeyToDidKey } from "../src/didkey.ts"
import { signingKeyFromSeed } from "../src/ed25519.ts"

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof DidKeyError) return error.code
    throw error
  }
  return "none"
}

// W3C CCG did:key, test vectors of Ed25519: seeds 0 and 1 (test-vectors/ed25519-x25519.json).
test.for([
  [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
  ],
  [
    "0000000000000000000000000000000000000000000000000000000000000001",
    "did:key:z6MkjchhfUsD6mmvni8mCdXHw216Xrm9bQe2mBH1P5RDjVJG",
  ],
])("[K13] %s is %s", ([seed = "", didKey = ""]) => {
  const { publicKey } = signingKeyFromSeed(hexToBytes(seed))
  expect(publicKeyToDidKey(publicKey)).toBe(didKey)
  expect(bytesToHex(didKeyToPublicKey(didKey))).toBe(bytesToHex(publicKey))
})

test.for([
  ["", "DID_KEY_MALFORMED"],
  ["did:web:example.com", "DID_KEY_MALFORMED"],
  ["did:key:z", "DID_KEY_UNSUPPORTED"],
  ["did:key:z6Mk0", "DID_KEY_MALFORMED"],
  ["did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooW", "DID_KEY_UNSUPPORTED"],
  ["did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp#z6Mk", "DID_KEY_MALFORMED"],
  ["did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme", "DID_KEY_UNSUPPORTED"],
  [`did:key:z${"6".repeat(300)}`, "DID_KEY_MALFORMED"],
])("[K13] %s is refused", ([didKey = "", code]) => {
  expect(codeOf(() => didKeyToPublicKey(didKey))).toBe(code)
})

test("[K13] a key that is cut short is refused", () => {
  const cut = publicKeyToDidKey(new Uint8Array(31).fill(7) as never)
  expect(codeOf(() => didKeyToPublicKey(cut))).toBe("DID_KEY_MALFORMED")
})

test("[K13] a weak key is refused, and each key has one text", () => {
  const weak = new Uint8Array(32)
  const text = publicKeyToDidKey(weak as never)
  expect(codeOf(() => didKeyToPublicKey(text))).toBe("DID_KEY_WEAK")
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
      const { publicKey } = signingKeyFromSeed(seed)
      const written = publicKeyToDidKey(publicKey)
      expect(written).toMatch(/^did:key:z6Mk/)
      expect(didKeyToPublicKey(written)).toEqual(publicKey)
      expect(codeOf(() => didKeyToPublicKey(written.replace("z6", "z16")))).not.toBe("none")
    }),
    { numRuns: 20 },
  )
})
