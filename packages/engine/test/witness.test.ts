/** What own devices were told by relays, kept until the relay was asked about it. */
import { seededRandom } from "@fulcrum/crypto/random"
import type { Held } from "@fulcrum/relay/open-mailbox"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { beforeEach, expect, test } from "vitest"
import { NOTHING_KNOWN, StoredCursor } from "../src/mailboxes/mailbox-cursor.ts"
import { MailboxWitness } from "../src/mailboxes/mailbox-witness.ts"
import { RelayContradictions } from "../src/mailboxes/relay-contradictions.ts"

const GROUP = new Uint8Array(32)
const [ONE, TWO] = [new Uint8Array([1]), new Uint8Array([2])]

let vault: Vault
let contradictions: RelayContradictions
let witness: MailboxWitness

beforeEach(async () => {
  const store = await openMemoryStore({ disk: new MemoryDisk() })
  vault = await openVault({ store, key: new Uint8Array(32), random: seededRandom("witness") })
  contradictions = new RelayContradictions(vault, GROUP)
  witness = new MailboxWitness(vault, contradictions)
})

/** A relay's mailbox that answers so, and what it was asked about. */
function mailbox(answer: (asked: number) => Held | Promise<Held>) {
  const asked: Uint8Array[] = []
  return {
    asked,
    hold: async (receipt: Uint8Array) => {
      asked.push(receipt)
      return answer(asked.length)
    },
  }
}

test("[P43] what a relay hung up on is asked again", async () => {
  expect(witness.add("phone", ONE)).toBe(true)
  const read = mailbox((asked) => {
    if (asked === 1) throw new Error("hung up")
    return { kind: "fits" }
  })
  await expect(witness.hold(read)).rejects.toThrow("hung up")
  await witness.hold(read)
  await witness.hold(read)
  expect(read.asked).toEqual([ONE, ONE])
})

test("[P43] a device's newest waits, whatever others tell, and a round asks about each once", async () => {
  witness.add("phone", ONE)
  for (let told = 0; told < 100; told++) expect(witness.add("tablet", ONE)).toBe(false)
  expect(witness.add("tablet", TWO)).toBe(false)
  const read = mailbox(() => {
    witness.add("tablet", new Uint8Array([3]))
    return { kind: "fits" }
  })
  await witness.hold(read)
  expect(read.asked).toEqual([ONE, TWO])
})

test("[P43] one proof is kept, the fuller, and does not count towards leaving the relay", async () => {
  for (const proofs of [[ONE], [ONE, TWO], [TWO, ONE]]) {
    witness.add("phone", ONE)
    await witness.hold(mailbox(() => ({ kind: "contradicts", proofs })))
  }
  expect(await contradictions.count()).toBe(0)
  const kept: Uint8Array[] = []
  for await (const { value } of vault.table("engine.alarms").list(GROUP)) kept.push(value)
  expect(kept.length).toBe(1)
  expect(kept[0]?.length).toBe(5)
})

test("[P10] a cursor that is being forgotten is not read back", async () => {
  const cursor = new StoredCursor(vault, GROUP)
  const head = new Uint8Array([9])
  await cursor.save({ sequenceId: new Uint8Array(16), next: 7, ...NOTHING_KNOWN, merges: 0, head })
  const writing = vault.write([cursor.forget()])
  expect(await cursor.load()).toBeUndefined()
  await writing
  expect(await cursor.load()).toBeUndefined()
})
