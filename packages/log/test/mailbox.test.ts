import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { seededRandom } from "@fulcrum/crypto/random"
import fc from "fast-check"
import { expect, test } from "vitest"
import {
  capabilityEnd,
  checkBinding,
  MAILBOX_RIGHTS,
  mailboxName,
  proveBinding,
  signCapability,
  verifyCapability,
} from "../src/mailbox.ts"
import { codeOf } from "./fixture.ts"

const random = seededRandom("mailbox")
const mailboxKey = generateSigningKey(random)
const holderKey = generateSigningKey(random)
const nowMs = Date.UTC(2026, 0, 1)
const serial = random.bytes(16)
const signed = signCapability({
  mailboxKey,
  right: "read",
  holder: holderKey.publicKey,
  notAfter: capabilityEnd(nowMs),
  serial,
})

test("[L12] a capability says whose it is, what for and until when", () => {
  for (const right of MAILBOX_RIGHTS) {
    const notAfter = capabilityEnd(nowMs)
    const holder = holderKey.publicKey
    const bytes = signCapability({ mailboxKey, right, holder, notAfter, serial })
    expect(verifyCapability(bytes, nowMs)).toEqual({
      mailbox: mailboxKey.publicKey,
      right,
      holder,
      notAfter,
      serial,
      bytes,
    })
  }
  // The end of a day: it does not tell when in the day it was made.
  const end = capabilityEnd(nowMs) * 1000
  expect(end + 1000).toBe((Math.floor(nowMs / 86_400_000) + 401) * 86_400_000)
  expect(codeOf(() => verifyCapability(signed, end))).toBe("ok")
  expect(codeOf(() => verifyCapability(signed, end + 1000))).toBe("CAPABILITY_EXPIRED")
  expect(mailboxName(mailboxKey.publicKey)).toHaveLength(32)
})

test("[L12] a changed capability, and any other bytes, are refused with a code", () => {
  for (let i = 0; i < signed.length; i++) {
    const flipped = Uint8Array.from(signed)
    flipped[i] = (flipped[i] ?? 0) ^ 1
    expect(codeOf(() => verifyCapability(flipped, nowMs))).toMatch(
      /^(LOG_MALFORMED|CAPABILITY_INVALID)$/,
    )
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (noise) => {
      expect(codeOf(() => verifyCapability(noise, nowMs))).toBe("LOG_MALFORMED")
    }),
  )
})

test("[L13] a binding holds for its holder, relay, dialer, nonce and capability only", () => {
  const capability = verifyCapability(signed, nowMs)
  const relayKey = random.bytes(32)
  const dialerKey = random.bytes(32)
  const nonce = random.bytes(32)
  const proof = proveBinding({ holderKey, relayKey, dialerKey, nonce, capability: signed })
  const binding = { relayKey, dialerKey, nonce, capability, proof }
  expect(checkBinding(binding)).toBe(true)
  expect(checkBinding({ ...binding, relayKey: dialerKey })).toBe(false)
  expect(checkBinding({ ...binding, dialerKey: relayKey })).toBe(false)
  expect(checkBinding({ ...binding, nonce: random.bytes(32) })).toBe(false)
  const other = signCapability({
    mailboxKey,
    right: "append",
    holder: holderKey.publicKey,
    notAfter: capabilityEnd(nowMs),
    serial,
  })
  expect(checkBinding({ ...binding, capability: verifyCapability(other, nowMs) })).toBe(false)
  const mailboxProof = proveBinding({ ...binding, capability: signed, holderKey: mailboxKey })
  expect(checkBinding({ ...binding, proof: mailboxProof })).toBe(false)
})
