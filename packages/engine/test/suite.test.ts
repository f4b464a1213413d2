import { beforeAll, expect, test } from "vitest"
import { changeMembership } from "../src/relationships/membership-writes.ts"
import { ADDRESS, loadDocuments, PersonWorld } from "./person-world.ts"
import { openDesk, ScriptedVendor } from "./scripted-vendor.ts"

beforeAll(loadDocuments)

test("[P102] once a device asks for newer cryptography, older programs read on and write nothing", async () => {
  await using world = new PersonWorld("suite")
  const relay = await world.relay()
  const machine = world.machine("phone")
  const phone = await world.during(world.create(machine, [relay.address]))
  await world.during(phone.set(ADDRESS, "Old Street 1"))
  await world.during(phone.settle(5000))
  await world.end(phone)
  const vendor = new ScriptedVendor(world.random.fork("desk"), [relay.address])
  {
    await using desk = await openDesk(world, machine, vendor)
    const { ledger } = desk
    await changeMembership({ ledger, random: world.random }, () => [
      { kind: "suite", value: { least: 2 } },
    ])
  }
  const outdated = await world.reopen(machine)
  await expect(world.during(outdated.set(ADDRESS, "New Street 2"))).rejects.toMatchObject({
    code: "RECORD_SUITE",
  })
  await world.during(outdated.start({ listen: ["/ip4/127.0.0.1/tcp/0"] }))
  await world.during(outdated.settle(5000))
  expect(JSON.stringify(await outdated.get())).toContain("Old Street 1")
  expect(JSON.stringify(await outdated.get())).not.toContain("New Street 2")
  expect((await outdated.doctor()).find(({ check }) => check === "membership")?.ok).toBe(true)
})
