/** The record's log is merged by itself: on the device, on its relays, and on its other devices. */
import { RELAY_LIMITS } from "@fulcrum/relay/limits"
import { MemoryDisk } from "@fulcrum/store/memory"
import { beforeAll, describe, expect, test } from "vitest"
import type { Person } from "../src/person/person.ts"
import { loadDocuments, PersonWorld, type TestRelay } from "./person-world.ts"

const NAME = "card/name/full"

beforeAll(loadDocuments)

async function edit(world: PersonWorld, person: Person, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at++) {
    await person.set(NAME, `Ada ${at}`)
    await world.clock.advance(100)
  }
}

/** Spans that a relay holds, of what was brought to it since it started. */
function held(relay: TestRelay): number {
  return relay.counted("items_appended_total") - relay.counted("items_replaced_total")
}

describe("a record's log", () => {
  test("[P37] is merged on its relay once another device has compared", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const phone = await world.create(world.machine("phone"), [relay.address])
    const machine = world.machine("laptop")
    await world.end(await world.pair(phone, machine, { relay: relay.address }))
    world.network.cut("phone", "laptop")
    await phone.start({ listen: [] })
    await edit(world, phone, 0, 100)
    await world.during(phone.settle(5000))
    await world.clock.advance(5000)
    expect(relay.counted("items_replaced_total")).toBe(0)
    expect(held(relay)).toBeGreaterThan(100)

    const laptop = await world.reopen(machine)
    await laptop.start({ listen: [] })
    await world.during(laptop.settle(5000))
    await world.until("what was merged", () => held(relay) < 30)
    expect(await laptop.get(NAME)).toBe("Ada 99")

    // And goes on: what is new is merged too.
    await edit(world, phone, 100, 140)
    await world.until("what is new", () => held(relay) < 35)
    await world.until("the edit", async () => (await laptop.get(NAME)) === "Ada 139")
    expect((await phone.history(NAME)).length).toBe(140)
    expect((await laptop.history(NAME)).length).toBe(140)
  })

  test("[P37] of one device is merged on its relay after a day", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const machine = world.machine("phone")
    const phone = await world.create(machine, [relay.address])
    await phone.start({ listen: [] })
    await edit(world, phone, 0, 20)
    await world.during(phone.settle(5000))
    await world.clock.advance(60_000)
    expect(relay.counted("items_replaced_total")).toBe(0)
    await world.end(phone)
    await world.clock.advance((RELAY_LIMITS.mergeAloneSeconds - 1800) * 1000)
    const again = await world.reopen(machine)
    await again.start({ listen: [] })
    await world.during(again.settle(5000))
    expect(relay.counted("items_replaced_total")).toBe(0)
    await world.clock.advance(2 * 3600 * 1000)
    await world.until("what was merged", () => relay.counted("items_replaced_total") >= 16)
  })

  test("[P37] is brought merged to a relay that lost its disk, and to one that is new", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const other = await world.relay("other")
    const phone = await world.create(world.machine("phone"), [relay.address])
    await phone.start({ listen: [] })
    await edit(world, phone, 0, 64)
    await world.during(phone.settle(5000))
    await relay.stop()
    await relay.start(new MemoryDisk())
    await phone.addRelay(other.address)
    await world.during(phone.settle(5000))
    await world.until("both", () => held(relay) > 0 && held(other) > 0)
    await world.clock.advance(10_000)
    expect(held(relay)).toBeLessThan(20)
    expect(held(other)).toBeLessThan(20)
    expect(relay.counted("items_repeated_total")).toBe(0)

    const laptop = await world.pair(phone, world.machine("laptop"), { relay: relay.address })
    expect(await laptop.get(NAME)).toBe("Ada 63")
    expect((await laptop.history(NAME)).length).toBe(64)
  })

  test("[P37] is in step with a relay that has no room for what was merged", async () => {
    await using world = new PersonWorld()
    const limits = { ...RELAY_LIMITS }
    const relay = await world.relay("relay", limits)
    const phone = await world.create(world.machine("phone"), [relay.address])
    await phone.start({ listen: [] })
    for (let at = 0; at < 7; at++) await phone.set(NAME, `Ada ${at}`)
    expect(await world.during(phone.settle(5000))).toEqual([])
    const before = relay.counted("bytes_appended_total")
    // Room for one more edit, and not for what eight become.
    limits.mailboxBytesMax = before + 700
    await phone.set(NAME, "Ada 7")
    await world.clock.advance(10_000)
    expect(await phone.relays()).toMatchObject([{ state: "reachable", pending: 0 }])
    const appended = relay.counted("items_appended_total")
    limits.mailboxBytesMax = RELAY_LIMITS.mailboxBytesMax
    await world.until("the merged span", () => relay.counted("items_appended_total") > appended)
  })

  test("[P37] is merged over the starts of a device that writes once at each", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const machine = world.machine("phone")
    const phone = await world.create(machine, [relay.address])
    const other = world.machine("laptop")
    await world.end(await world.pair(phone, other, { relay: relay.address }))
    await world.end(phone)
    for (let at = 0; at < 82; at++) {
      const again = await world.reopen(machine)
      await again.set(NAME, `Ada ${at}`)
      // Every third one reaches the relay, as a command that is alone does.
      if (at % 3 === 0) await world.during(again.settle(5000))
      await world.end(again)
    }
    const appended = relay.counted("items_appended_total")
    expect(appended).toBeGreaterThan(40)

    const laptop = await world.reopen(other)
    await laptop.start({ listen: [] })
    await world.during(laptop.settle(5000))
    await world.until("what was merged", () => held(relay) < 35)
    expect(await laptop.get(NAME)).toBe("Ada 81")
    expect((await laptop.history(NAME)).length).toBe(82)
  })

  test("[P37] is replaced on a relay also where it was merged before all of it was there", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const phone = await world.create(world.machine("phone"), [relay.address])
    const machine = world.machine("laptop")
    await world.end(await world.pair(phone, machine, { relay: relay.address }))
    await phone.start({ listen: [] })
    await edit(world, phone, 0, 5)
    await world.during(phone.settle(5000))
    await relay.stop()
    await edit(world, phone, 5, 30)
    await world.clock.advance(2000)
    await relay.start()
    await world.until("all of it", async () => (await phone.relays())[0]?.pending === 0)
    const laptop = await world.reopen(machine)
    await laptop.start({ listen: [] })
    await world.until("what was merged", () => relay.counted("items_replaced_total") > 5)
    expect(await laptop.get(NAME)).toBe("Ada 29")
  })
})
