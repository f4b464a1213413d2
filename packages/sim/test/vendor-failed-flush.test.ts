/**
 * What a seed of the basic scenario found: the write that noted a hook's answer failed but landed;
 * from then on the vendor looked in vain for the event that it had deleted, and posted nothing more.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises"
import { expect, test } from "vitest"
import { Findings } from "../src/findings.ts"
import { preparePair } from "../src/pair-scenario.ts"
import { PersonDevice } from "../src/person-device.ts"
import { RelayProgram } from "../src/relay-program.ts"
import { DISCLOSED, VendorProgram } from "../src/vendor-program.ts"
import { World } from "../src/world.ts"

/** Flushes at the vendor from an arriving change to its `applied` receipt, and one to spare. */
const FLUSHES = 7

test("whichever flush fails at the vendor and lands, its hook hears of the next change", async () => {
  await preparePair()
  const world = new World({ seed: 12, turn: () => setImmediate() })
  const findings = new Findings()
  const key = new Uint8Array(32).fill(7)
  const relay = new RelayProgram(world.machine("relay"), key, findings)
  const shop = new VendorProgram(world.machine("shop"), key, findings)
  const phone = new PersonDevice(world.machine("phone"), key, findings)
  const run = async () => {
    await relay.boot()
    const invitation = await shop.create(relay.address)
    const person = await phone.create([relay.address])
    await phone.set(DISCLOSED, "Street 0, Berlin")
    await person.connect({ invitation, disclose: [DISCLOSED] })
    expect((await person.waitForAgreement("Bookshop", 60_000)).state).toBe("agreed")
    for (let at = 0; at < FLUSHES; at++) {
      await world.clock.sleep(60_000)
      shop.machine.nextFlushes.push(...Array.from({ length: at }, () => undefined))
      shop.machine.nextFlushes.push({ type: "fail-after" })
      await phone.set(DISCLOSED, `Street 1${at}, Berlin`)
      await world.clock.sleep(60_000)
      shop.machine.nextFlushes.length = 0
      await phone.set(DISCLOSED, `Street 2${at}, Berlin`)
      await world.clock.sleep(60_000)
      expect(shop.posted.at(-1)?.body).toContain(`Street 2${at}, Berlin`)
      expect(shop.vendor?.queue()).toEqual([])
    }
    findings.throwIfFailed()
  }
  await world.clock.run(run(), 7_200_000)
})
