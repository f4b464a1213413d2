/**
 * What a device tells and waits for while another one is away, or a relay is gone.
 */
import { expect, test } from "vitest"
import type { Person } from "../src/person/person.ts"
import { Folder, reaches, Stage } from "./stage.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"

/** The device that was away, which has the edit after it settled once. */
async function findsEdit(stage: Stage, folder: Folder): Promise<Person> {
  const device = await stage.reopen(folder)
  await device.settle(5000)
  expect(await device.get("card/name/full")).toBe("Ada Example")
  return device
}

/** The folders of two devices that know of no relay; both are off. */
async function pairedAndOff(stage: Stage): Promise<readonly [Folder, Folder]> {
  const [one, two] = [new Folder(), new Folder()]
  const first = await stage.person(one, "phone")
  const [at = ""] = await first.start({ listen: [LOOPBACK] })
  await (await stage.pair(first, two, "laptop", { at })).close()
  await first.close()
  return [one, two]
}

test("to settle with one device is quick while another one is off", async () => {
  await using stage = new Stage()
  const [one, two] = [new Folder(), new Folder()]
  const phone = await stage.person(one, "phone")
  const [at = ""] = await phone.start({ listen: [LOOPBACK] })
  const tablet = await stage.pair(phone, two, "tablet", { at })
  await tablet.start({ listen: [LOOPBACK] })
  await tablet.settle(5000)
  await phone.settle(5000)
  const laptop = await stage.pair(phone, new Folder(), "laptop", { at })
  await laptop.settle(5000)
  await tablet.close()
  for (const device of [laptop, phone]) {
    await device.set("card/name/full", `by ${device.device.name}`)
    const begun = performance.now()
    expect(await device.settle(10_000)).toEqual([])
    expect(performance.now() - begun).toBeLessThan(3000)
  }
})

test("to settle is quick while a device is off that was never reachable", async () => {
  await using stage = new Stage()
  const phone = await stage.person(new Folder(), "phone")
  const [at = ""] = await phone.start({ listen: [LOOPBACK] })
  const tablet = await stage.pair(phone, new Folder(), "tablet", { at })
  await tablet.close()
  const laptop = await stage.pair(phone, new Folder(), "laptop", { at })
  const begun = performance.now()
  expect(await laptop.settle(10_000)).toEqual([])
  expect(performance.now() - begun).toBeLessThan(3000)
})

test("[P12] a relay that was removed does not come back on a device that joined through it", async () => {
  await using stage = new Stage()
  const relay = await stage.relay(new Folder())
  const phone = await stage.person(new Folder(), "phone", [relay])
  await phone.start({ listen: [LOOPBACK] })
  const laptop = await stage.pair(phone, new Folder(), "laptop", { relay })
  await phone.removeRelay(relay)
  for (const device of [phone, laptop]) await device.settle(5000)
  await reaches(async () => (await laptop.relays()).length === 0)
})

test("[P44] a device that knows one relay only hears that the record has left it for another", async () => {
  await using stage = new Stage()
  const [old, fresh] = [await stage.relay(new Folder()), await stage.relay(new Folder())]
  const [one, two] = [new Folder(), new Folder()]
  const phone = await stage.person(one, "phone", [old])
  await (await stage.pair(phone, two, "laptop", { relay: old })).close()
  await phone.addRelay(fresh)
  await phone.removeRelay(old)
  await phone.set("card/name/full", "Ada Example")
  expect(await phone.settle(5000)).toEqual([])
  await phone.close()
  await findsEdit(stage, two)
})

test("[P44] a device whose only relay was left finds one that was added later", async () => {
  await using stage = new Stage()
  const [old, fresh] = [await stage.relay(new Folder()), await stage.relay(new Folder())]
  const [one, two] = [new Folder(), new Folder()]
  const first = await stage.person(one, "phone", [old])
  await (await stage.pair(first, two, "laptop", { relay: old })).close()
  await first.removeRelay(old)
  await first.settle(5000)
  await first.close()
  const gone = await stage.reopen(two)
  await gone.settle(5000)
  expect(await gone.relays()).toEqual([])
  await gone.close()
  // Each a program of its own, as commands are.
  const again = await stage.reopen(one)
  await again.addRelay(fresh)
  await again.set("card/name/full", "Ada Example")
  await again.settle(5000)
  await again.close()
  const laptop = await findsEdit(stage, two)
  expect((await laptop.relays()).map(({ address }) => address)).toEqual([fresh])
})

test("[P45] devices that know of no relay and add the same one meet there", async () => {
  await using stage = new Stage()
  const relay = await stage.relay(new Folder())
  const [one, two] = await pairedAndOff(stage)
  const phone = await stage.reopen(one)
  await phone.addRelay(relay)
  await phone.set("card/name/full", "Ada Example")
  await phone.settle(5000)
  const laptop = await stage.reopen(two)
  await laptop.addRelay(relay)
  await laptop.settle(5000)
  expect(await laptop.get("card/name/full")).toBe("Ada Example")
})

test("[P45] devices that add one relay by different addresses of it meet there", async () => {
  await using stage = new Stage()
  const [home = "", away = ""] = await stage.relayAt(new Folder(), [LOOPBACK, LOOPBACK])
  expect(home).not.toBe(away)
  const [one, two] = await pairedAndOff(stage)
  const phone = await stage.reopen(one)
  await phone.addRelay(home)
  await phone.set("card/name/full", "Ada Example")
  await phone.settle(5000)
  await phone.close()
  const laptop = await stage.reopen(two)
  await laptop.addRelay(away)
  await laptop.settle(5000)
  expect(await laptop.get("card/name/full")).toBe("Ada Example")
})

test("[P45] a relay that is known by two addresses keeps the record once", async () => {
  await using stage = new Stage()
  const [home = "", away = ""] = await stage.relayAt(new Folder(), [LOOPBACK, LOOPBACK])
  const phone = await stage.person(new Folder(), "phone", [home])
  await phone.addRelay(away)
  await phone.settle(5000)
  const appended = () => stage.metrics.get(home)?.value("items_appended_total") ?? 0
  const before = appended()
  await phone.set("card/name/full", "Ada Example")
  expect(await phone.settle(5000)).toEqual([])
  expect(appended() - before).toBe(1)
  // One address given up and taken again: the record moves as a whole, and stays in one place.
  await phone.removeRelay(home)
  await phone.addRelay(home)
  expect(await phone.settle(5000)).toEqual([])
  const moved = appended()
  await phone.set("card/name/full", "Ada Other")
  expect(await phone.settle(5000)).toEqual([])
  expect(appended() - moved).toBe(1)
})

test("[P44] a device that knows the relay only hears where the record went when another was removed", async () => {
  await using stage = new Stage()
  const relay = await stage.relay(new Folder())
  const two = new Folder()
  const phone = await stage.person(new Folder(), "phone", [relay])
  await (await stage.pair(phone, two, "laptop", { relay })).close()
  await (await stage.pair(phone, new Folder(), "tablet", { relay })).close()
  await phone.revokeDevice("tablet")
  await phone.set("card/name/full", "Ada Example")
  expect(await phone.settle(5000)).toEqual([])
  await phone.close()
  await findsEdit(stage, two)
})

test("[P45] devices that follow up on a removal at once move the record to one mailbox", async () => {
  await using stage = new Stage()
  const relay = await stage.relay(new Folder())
  const phone = await stage.person(new Folder(), "phone", [relay])
  const [at = ""] = await phone.start({ listen: [LOOPBACK] })
  const laptop = await stage.pair(phone, new Folder(), "laptop", { at })
  await laptop.start({ listen: [LOOPBACK] })
  const tablet = await stage.pair(phone, new Folder(), "tablet", { at })
  await tablet.close()
  await Promise.all([phone.revokeDevice("tablet"), laptop.revokeDevice("tablet")])
  for (const device of [phone, laptop, phone]) await device.settle(5000)
  await reaches(async () => (await phone.status()).vector === (await laptop.status()).vector)
  for (const device of [phone, laptop]) await device.settle(5000)
  const appended = () => stage.metrics.get(relay)?.value("items_appended_total") ?? 0
  const before = appended()
  await phone.set("card/name/full", "Ada Example")
  for (const device of [phone, laptop]) await device.settle(5000)
  expect(appended() - before).toBe(1)
})

test("[P45] a relay that two devices added at once is one relay", async () => {
  await using stage = new Stage()
  const relay = await stage.relay(new Folder())
  const phone = await stage.person(new Folder(), "phone")
  const [at = ""] = await phone.start({ listen: [LOOPBACK] })
  const laptop = await stage.pair(phone, new Folder(), "laptop", { at })
  await Promise.all([phone.addRelay(relay), laptop.addRelay(relay)])
  await Promise.all([phone.settle(5000), laptop.settle(5000)])
  await phone.settle(5000)
  for (const device of [phone, laptop]) {
    expect((await device.relays()).map(({ address }) => address)).toEqual([relay])
  }
})
