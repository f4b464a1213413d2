/**
 * A person and a vendor: a few seeds, and what a vendor must not notice.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { expect, test } from "vitest"
import { Findings } from "../src/findings.ts"
import { preparePair } from "../src/pair-scenario.ts"
import { PersonDevice } from "../src/person-device.ts"
import { RelayProgram } from "../src/relay-program.ts"
import { runSeed } from "../src/run-seed.ts"
import { DISCLOSED, VendorProgram, WITHHELD } from "../src/vendor-program.ts"
import { World } from "../src/world.ts"

const SEEDS = 2
const turn = () => setImmediate()

test("[E5] a vendor holds what the record says, and sees no old value return", {
  timeout: 60_000,
}, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await runSeed({ scenario: "basic", seed, turn }).catch((cause: unknown) => {
      throw new Error(`npm run sim -- --scenario basic --seeds 1 --from ${seed}`, { cause })
    })
  }
})

/**
 * Everything that the vendor's machine received and what its hook was sent, when an undisclosed
 * field was given these values, between two changes of the disclosed one.
 */
async function vendorSees(withheld: readonly string[]): Promise<{
  readonly messages: readonly string[]
  readonly posted: readonly unknown[]
}> {
  await preparePair()
  const world = new World({ seed: 11, turn })
  const messages: string[] = []
  world.trace.onReceived("shop", (bytes) => messages.push(bytesToHex(bytes)))
  const findings = new Findings()
  const key = new Uint8Array(32).fill(7)
  const relay = new RelayProgram(world.machine("relay"), key, findings)
  const shop = new VendorProgram(world.machine("shop"), key, findings)
  const phone = new PersonDevice(world.machine("phone"), key, findings)
  const run = async () => {
    await relay.boot()
    const invitation = await shop.create(relay.address)
    const person = await phone.create([relay.address])
    await phone.set(DISCLOSED, "Street 1, Berlin")
    await phone.set(`${WITHHELD}/address`, "ada@example.org")
    await person.connect({ invitation, disclose: [DISCLOSED] })
    expect((await person.waitForAgreement("Bookshop", 60_000)).state).toBe("agreed")
    await world.clock.sleep(60_000)
    for (const value of withheld) {
      await phone.set(`${WITHHELD}/address`, value)
      await world.clock.sleep(60_000)
    }
    // Not in the moment in which the relay is read: which of the two came first would be chance.
    await world.clock.sleep(60_000 * (3 - withheld.length) + 777)
    await phone.set(DISCLOSED, "Street 2, Berlin")
    await world.clock.sleep(60_000)
    expect(shop.held(DISCLOSED)).toMatchObject({ full: "Street 2, Berlin" })
    findings.throwIfFailed()
  }
  await world.clock.run(run(), 3_600_000)
  return { messages, posted: shop.posted }
}

test("[E11] a vendor gets the same bytes whatever the undisclosed field says", async () => {
  const short = await vendorSees(["a@example.org"])
  const long = await vendorSees([`${"a".repeat(200)}@example.org`])
  expect(short.messages.length).toBeGreaterThan(5)
  expect(long).toEqual(short)
})

test("[E11] a vendor gets as many messages of the same sizes however often it changes", async () => {
  // Which of two messages of one moment comes first is left to chance.
  const sizes = (messages: readonly string[]) => messages.map(({ length }) => length / 2).sort()
  const none = await vendorSees([])
  const often = await vendorSees(["b@example.org", "c@example.org", "d@example.org"])
  expect(sizes(often.messages)).toEqual(sizes(none.messages))
  expect(often.posted.length).toBe(none.posted.length)
})
