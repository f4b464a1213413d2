/** Epochs' keys, found with the recovery words alone. */
import { certifyDevice, certifyRecovery, generateDevice } from "@fulcrum/access/device"
import type { MembershipChange } from "@fulcrum/access/key-body"
import { reduceMembership } from "@fulcrum/access/membership"
import { generateRecoveryEntropy, recoveryKeysFromEntropy } from "@fulcrum/access/recovery-words"
import { makeKeySpanParts } from "@fulcrum/access/rotation"
import { systemClock } from "@fulcrum/crypto/clock"
import { seededRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import {
  chainKeySchema,
  type EpochId,
  epochKeySchema,
  NO_EPOCH,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import { openReplica } from "@fulcrum/log/replica"
import { openMemoryStore } from "@fulcrum/store/memory"
import { openVault } from "@fulcrum/store/vault"
import { expect, test } from "vitest"
import type { EpochSecret } from "../src/membership/membership.ts"
import { findEpochs } from "../src/membership/recovery-epochs.ts"

const random = seededRandom("epochs")
const deflate = systemDeflate()
const space = spaceTagSchema.decode(random.bytes(32))
const chainKey = chainKeySchema.decode(random.bytes(32))
const words = recoveryKeysFromEntropy(generateRecoveryEntropy(random))
const newWords = recoveryKeysFromEntropy(generateRecoveryEntropy(random))
const phone = generateDevice({ name: "phone", random })
const founding: readonly MembershipChange[] = [
  { kind: "add", value: { certificate: certifyDevice(phone) } },
  { kind: "recovery", value: { certificate: certifyRecovery(words) } },
]
const replacing: readonly MembershipChange[] = [
  { kind: "recovery", value: { certificate: certifyRecovery(newWords) } },
]

/** A key span, sealed under a key of its own, by a writer of its own. */
async function keySpan(changes: readonly MembershipChange[], previousKeys: readonly EpochSecret[]) {
  const key = epochKeySchema.decode(random.bytes(32))
  const vault = await openVault({ store: await openMemoryStore(), key: random.bytes(32), random })
  const replica = await openReplica({
    vault,
    keyring: { tag: space, chainKey, epochKey: () => undefined, current: undefined },
    writer: { begin: () => ({ key: phone.writer, certificate: new Uint8Array() }) },
    random,
    deflate,
  })
  const none = reduceMembership([], NO_EPOCH)
  const membership = { ...none, heads: previousKeys.map(({ id }) => id) }
  const made = { membership, changes, epochKey: key, previousKeys, random }
  const staged = replica.stageKey({ epoch: { key }, ...makeKeySpanParts(made) })
  await vault.write(staged.ops)
  staged.commit()
  const { spans } = await replica.spansAfter([], { bytesMax: 1_000_000 })
  await vault.close()
  const [span = new Uint8Array()] = spans
  return { span, secret: { id: staged.epochId, key } }
}

function find(spans: readonly Uint8Array[], { wrap } = newWords): Promise<readonly EpochSecret[]> {
  return findEpochs(spans, { space, chainKey, wrap, deflate, clock: systemClock() })
}

function keyOf(found: readonly EpochSecret[], id: EpochId): Uint8Array | undefined {
  return found.find((one) => String(one.id) === String(id))?.key
}

test("[P76] epochs under earlier words are found by way of later ones", async () => {
  const first = await keySpan(founding, [])
  const second = await keySpan(replacing, [first.secret])
  const third = await keySpan([...replacing, { kind: "rotate", value: {} }], [second.secret])
  const spans = [first, second, third].map(({ span }) => span)
  expect(await find(spans)).toHaveLength(3)
  expect(keyOf(await find(spans.toReversed()), first.secret.id)).toEqual(first.secret.key)
  // The old words open only what was wrapped for them.
  expect(await find(spans, words)).toEqual([first.secret])
  // Whatever else lies there is passed over.
  expect(await find([random.bytes(100), new Uint8Array(), ...spans])).toHaveLength(3)
})

test("[P76] a false key that somebody left for an epoch keeps nobody from the true one", async () => {
  const first = await keySpan(founding, [])
  const other = epochKeySchema.decode(random.bytes(32))
  const lie = await keySpan(replacing, [{ id: first.secret.id, key: other }])
  const truth = await keySpan(replacing, [first.secret])
  for (const spans of [
    [lie.span, truth.span, first.span],
    [truth.span, first.span, lie.span],
  ]) {
    expect(keyOf(await find(spans), first.secret.id)).toEqual(first.secret.key)
  }
  expect(keyOf(await find([lie.span, first.span]), first.secret.id)).toBeUndefined()
})
