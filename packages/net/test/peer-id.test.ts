import { generateKeyPair } from "@libp2p/crypto/keys"
import { peerIdFromPrivateKey, peerIdFromString } from "@libp2p/peer-id"
import fc from "fast-check"
import { expect, test } from "vitest"
import { NetError } from "../src/contract.ts"
import { peerIdToPublicKey, publicKeyToPeerId } from "../src/peer-id.ts"

test("[N40] ids are libp2p's own, both ways", async () => {
  for (let turn = 0; turn < 20; turn++) {
    const key = await generateKeyPair("Ed25519")
    const id = peerIdFromPrivateKey(key).toString()
    expect(publicKeyToPeerId(key.publicKey.raw)).toBe(id)
    expect(peerIdToPublicKey(id)).toEqual(Uint8Array.from(key.publicKey.raw))
  }
})

test("[N40] every key has an id that libp2p reads, and comes back", () => {
  const keys = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(keys, (key) => {
      const id = publicKeyToPeerId(key)
      expect(peerIdToPublicKey(id)).toEqual(Uint8Array.from(key))
      expect(peerIdFromString(id).type).toBe("Ed25519")
    }),
  )
})

const GOOD = publicKeyToPeerId(new Uint8Array(32).fill(1))

test.for([
  ["nothing", ""],
  ["a foreign letter", `${GOOD.slice(0, -1)}0`],
  ["one letter less", GOOD.slice(0, -1)],
  ["one letter more", `${GOOD}1`],
  ["a leading 1 more", `1${GOOD.slice(0, -1)}`],
  ["an RSA id", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"],
  ["a secp256k1 id", "16Uiu2HAmUXEdYbXyd3UgMDWuKa7pGDcmMCDR3Vng1bGVUt25Hwqp"],
  ["a CID", "bafzaajaiaejcbpltl72da5f3y7ojrtsa7hsfn5bbnkjbkwyesziqqtdry6vjilku"],
  ["too large a number", "z".repeat(52)],
])("[N40] %s is no id of an Ed25519 key", ([, id]) => {
  expect(() => peerIdToPublicKey(id ?? "")).toThrow(NetError)
})
