/**
 * What seeds of the pair scenario found: after a flush that failed while the program lived on, a
 * device edited on top of changes that were only in its memory (or landed without its knowing), and
 * passed over entries that its log held; then documents could not be loaded again, peers
 * quarantined honest edits, and two devices with one vector showed two records.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises"
import { test } from "vitest"
import { Findings } from "../src/findings.ts"
import { preparePair } from "../src/pair-scenario.ts"
import { PersonDevice } from "../src/person-device.ts"
import { World } from "../src/world.ts"

const FAULTS = ["fail-before", "fail-after"] as const
/** Flushes of one arriving edit: the log's, the documents', and one to spare. */
const FLUSHES = 3
const WHERE = FAULTS.flatMap((type) => Array.from({ length: FLUSHES }, (_, at) => ({ type, at })))

test.for(WHERE)(
  "an edit after flush $at of an arriving one: $type",
  async ({ type, at }, { expect }) => {
    await preparePair()
    const { world, phone, laptop, findings } = stage()
    const run = async () => {
      await laptop.join(await phone.create([]), undefined)
      await world.clock.sleep(5_000)
      laptop.machine.nextFlushes.push(...Array.from({ length: at }, () => undefined), { type })
      await phone.set("card/name/full", "Ada 1")
      await world.clock.sleep(50)
      await laptop.set("card/name/full", "Ada 2")
      await laptop.set("card/name/full", "Ada 3")
      await world.clock.sleep(60_000)
      laptop.machine.crash()
      await laptop.boot()
      await world.clock.sleep(60_000)
      const values = [...phone.acknowledged, ...laptop.acknowledged]
      for (const device of [phone, laptop]) await device.holds(values)
      expect(await laptop.shown()).toBe(await phone.shown())
      findings.throwIfFailed()
    }
    await world.clock.run(run(), 3_600_000)
  },
)

test.for(FAULTS)(
  "an edit after one of its own that the disk refused: %s",
  async (type, { expect }) => {
    await preparePair()
    const { world, phone, laptop, findings } = stage()
    const run = async () => {
      await laptop.join(await phone.create([]), undefined)
      await world.clock.sleep(5_000)
      phone.machine.nextFlushes.push({ type })
      await phone.set("card/emails/home/address", "ada.1@example.org")
      await phone.set("card/emails/home/address", "ada.2@example.org")
      await world.clock.sleep(60_000)
      for (const device of [phone, laptop]) await device.holds(phone.acknowledged)
      expect(await laptop.shown()).toBe(await phone.shown())
      findings.throwIfFailed()
    }
    await world.clock.run(run(), 3_600_000)
  },
)

function stage() {
  const world = new World({ seed: 1, turn: () => setImmediate() })
  const findings = new Findings()
  const [phone, laptop] = (["phone", "laptop"] as const).map(
    (name) => new PersonDevice(world.machine(name), new Uint8Array(32).fill(7), findings),
  )
  if (phone === undefined || laptop === undefined) throw new RangeError("two devices")
  return { world, findings, phone, laptop }
}
