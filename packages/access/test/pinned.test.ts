/**
 * Formats that are on disks and wires already: their bytes, made from fixed seeds, never change.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { sha256 } from "@fulcrum/crypto/hash"
import { seededRandom } from "@fulcrum/crypto/random"
import { expect, test } from "vitest"
import { certifyDevice, encodeDeviceCertificate, encodeDeviceSecrets } from "../src/device.ts"
import { discoveryTag } from "../src/meeting.ts"
import { reduceMembership } from "../src/membership.ts"
import { generatePairingCode } from "../src/pairing-code.ts"
import { createPairingGuest } from "../src/pairing-guest.ts"
import { recoveryKeysFromEntropy } from "../src/recovery-words.ts"
import { encodeRemovedNotice, makeKeySpanParts } from "../src/rotation.ts"
import { add, device, epoch, epochKey, words } from "./key-history.ts"

const digest = (bytes: Uint8Array) => bytesToHex(sha256(bytes)).slice(0, 16)
const random = () => seededRandom("pinned")
const parts = makeKeySpanParts({
  membership: reduceMembership([], epoch("a")),
  changes: [add("phone"), add("laptop"), words("words one")],
  epochKey: epochKey("a"),
  previousKeys: [],
  random: random(),
})
const recovery = recoveryKeysFromEntropy(new Uint8Array(32).fill(7))
const code = generatePairingCode({ nameplate: 4711, random: random() })
const [hello] = createPairingGuest({ code, device: device("laptop"), random: random() }).step(
  { kind: "connected" },
  0,
)

test.each([
  ["a certificate", encodeDeviceCertificate(certifyDevice(device("phone"))), "8598c55d844a9f4e"],
  ["a device's secrets", encodeDeviceSecrets(device("phone")), "836e302b299964ea"],
  ["a key span's clear part", parts.clear, "e02795f2b715bacd"],
  ["a key entry's body", parts.body, "b60848132ab9b1cf"],
  ["the recovery writer", recovery.writer.publicKey, "0c49fbce5b66af37"],
  ["the recovery wrap key", recovery.wrap.publicKey, "9cb3099fa7704c89"],
  ["the beacon's name", recovery.beaconName.publicKey, "995ea721abd9d8f0"],
  ["a notice", encodeRemovedNotice({ removed: device("phone").id }), "ab09aac3fe69cdf0"],
  ["a hello", hello?.kind === "send" ? hello.bytes : new Uint8Array(0), "97972d6cfdaa4f52"],
  [
    "a tag of the day",
    new TextEncoder().encode(discoveryTag({ meetingKey: recovery.wrap.secret, nowMs: 0 })),
    "72cfcf64a2cb71ee",
  ],
])("[R31] %s is as it was", (_, bytes, expected) => {
  expect(digest(bytes)).toBe(expected)
})
