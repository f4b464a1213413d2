import { seededRandom } from "@fulcrum/crypto/random"
import {
  chainKeySchema,
  type EpochId,
  epochIdSchema,
  mailboxNameSchema,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import { mailboxName } from "@fulcrum/log/mailbox"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  BEACON_BYTES_MAX,
  BEACON_EPOCHS_MAX,
  BEACON_MAILBOXES_MAX,
  BEACON_STEP_BYTES,
  type Beacon,
  encodeBeacon,
  openBeacon,
  type RecordKeys,
  sealBeacon,
  signAnchor,
} from "../src/beacon.ts"
import { ADDRESS_BYTES_MAX } from "../src/pairing-package.ts"
import { generateRecoveryEntropy, recoveryKeysFromEntropy } from "../src/recovery-words.ts"

const random = seededRandom("beacon")
const words = recoveryKeysFromEntropy(generateRecoveryEntropy(random))
const others = recoveryKeysFromEntropy(generateRecoveryEntropy(random))

function recordKeys(): RecordKeys {
  return {
    space: spaceTagSchema.decode(random.bytes(32)),
    chainKey: chainKeySchema.decode(random.bytes(32)),
    meetingKey: random.bytes(32),
    genesis: epoch(),
  }
}

function epoch(): EpochId {
  return epochIdSchema.decode(random.bytes(32))
}

const beacon: Beacon = {
  anchor: signAnchor(recordKeys(), words),
  epochs: [epoch(), epoch()],
  mailboxes: [{ relay: "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWRelay", seed: random.bytes(32) }],
}

function seal(made: Beacon = beacon): Uint8Array {
  return sealBeacon({
    beacon: made,
    to: words.wrap.publicKey,
    mailbox: mailboxName(words.beaconName.publicKey),
    random,
  })
}

describe("a beacon", () => {
  test("[A35] opens with its words, and with no others", () => {
    expect(openBeacon(seal(), words)).toEqual(beacon)
    expect(openBeacon(seal(), others)).toBeUndefined()
    // The wrap key alone is not enough: it names another mailbox.
    expect(openBeacon(seal(), { ...words, beaconName: others.beaconName })).toBeUndefined()
  })

  test("[A35] is good in its own mailbox only", () => {
    const elsewhere = mailboxNameSchema.decode(random.bytes(32))
    const sealed = sealBeacon({ beacon, to: words.wrap.publicKey, mailbox: elsewhere, random })
    expect(openBeacon(sealed, words)).toBeUndefined()
  })

  test("[A36] of a record that the words did not sign for is none, whoever sealed it", () => {
    const stolen = { ...recordKeys(), signature: beacon.anchor.signature }
    expect(openBeacon(seal({ ...beacon, anchor: stolen }), words)).toBeUndefined()
    const own = signAnchor(recordKeys(), others)
    expect(openBeacon(seal({ ...beacon, anchor: own }), words)).toBeUndefined()
    for (const [field, value] of Object.entries(recordKeys())) {
      const anchor = { ...beacon.anchor, [field]: value }
      expect(openBeacon(seal({ ...beacon, anchor }), words), field).toBeUndefined()
    }
  })

  test("[A37] has one of four sizes, and any two that hold the same are the same inside", () => {
    expect(seal()).toHaveLength(BEACON_STEP_BYTES)
    expect(seal()).not.toEqual(seal())
    expect(encodeBeacon(beacon)).toEqual(encodeBeacon({ ...beacon }))
    const many: Beacon = {
      anchor: beacon.anchor,
      epochs: Array.from({ length: 40 }, epoch),
      mailboxes: Array.from({ length: 40 }, () => ({
        relay: "x".repeat(ADDRESS_BYTES_MAX),
        seed: random.bytes(32),
      })),
    }
    const sealed = seal(many)
    expect(sealed.length % BEACON_STEP_BYTES).toBe(0)
    expect(sealed.length).toBeLessThanOrEqual(BEACON_BYTES_MAX)
    expect(openBeacon(sealed, words)).toEqual({
      anchor: many.anchor,
      epochs: many.epochs.slice(0, BEACON_EPOCHS_MAX),
      mailboxes: many.mailboxes.slice(0, BEACON_MAILBOXES_MAX),
    })
  })

  test("[A20] any bytes open or are none", () => {
    const sealed = seal()
    const changed = fc.record({
      at: fc.nat({ max: sealed.length - 1 }),
      by: fc.integer({ min: 1, max: 255 }),
    })
    fc.assert(
      fc.property(changed, ({ at, by }) => {
        expect(
          openBeacon(
            sealed.map((byte, i) => (i === at ? byte ^ by : byte)),
            words,
          ),
        ).toBeUndefined()
      }),
      { numRuns: 100 },
    )
    for (const length of [0, 3, 1135, 1136, 1137, 4095, BEACON_BYTES_MAX + 1]) {
      expect(openBeacon(random.bytes(length), words), String(length)).toBeUndefined()
    }
  })
})
