import { createPerson } from "@fulcrum/engine/open-person"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { describe, expect, test } from "vitest"
import { adapters, Folder, reaches, Stage } from "./stage.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"

describe("a record on one device", () => {
  test("what was set is there after a restart, and can be undone", async () => {
    await using stage = new Stage()
    const folder = new Folder()
    const first = await stage.person(folder, "phone")
    await first.set("card/name/full", "Ada Example")
    await first.set("card/name/full", "Ada Lovelace")
    await first.close()
    const again = await stage.reopen(folder)
    expect(await again.get("card/name/full")).toBe("Ada Lovelace")
    await again.undo()
    expect(await again.get("card/name/full")).toBe("Ada Example")
    expect((await again.history("card/name/full")).map(({ device }) => device)).toContain("phone")
  })

  test("asks for no network while there is nobody to reach", async () => {
    let hosts = 0
    const network: ReturnType<typeof libp2pNetwork> = {
      host(options) {
        hosts++
        return libp2pNetwork().host(options)
      },
    }
    const folder = new Folder()
    const own = { store: await folder.openStore(), vaultKey: folder.vaultKey, blobs: folder.blobs }
    const made = await createPerson({ ...adapters(), ...own, network, name: "phone", relays: [] })
    await using person = made.person
    await person.set("card/name/full", "Ada Example")
    expect(await person.settle(5000)).toEqual([])
    expect(hosts).toBe(0)
    await person.start({ listen: [LOOPBACK] })
    expect(hosts).toBe(1)
  })

  test("a folder without a record says so", async () => {
    await using stage = new Stage()
    await expect(stage.reopen(new Folder())).rejects.toMatchObject({ code: "RECORD_ABSENT" })
  })
})

describe("two devices", () => {
  test("pair directly, have the same record, and see each other's edits", async () => {
    await using stage = new Stage()
    const phone = await stage.person(new Folder(), "phone")
    await phone.set("card/name/full", "Ada Example")
    const [at = ""] = await phone.start({ listen: [LOOPBACK] })
    const laptop = await stage.pair(phone, new Folder(), "laptop", { at })
    expect(await laptop.get("card/name/full")).toBe("Ada Example")
    await laptop.start({ listen: [LOOPBACK] })
    await laptop.set("card/emails/home/address", "ada@example.org")
    await reaches(async () => (await phone.get("card/emails/home/address")) === "ada@example.org")
    const isInStep = async () => (await phone.devices()).every((device) => device.hasEverything)
    await reaches(isInStep)
    const began = performance.now()
    expect(await phone.settle(10_000)).toEqual([])
    expect(performance.now() - began).toBeLessThan(5000)
    await phone.set("card/nicknames/1/name", "ada")
    await reaches(async () => (await laptop.get("card/nicknames/1/name")) === "ada")
  })

  test("edited while apart, converge through a relay and keep both edits", async () => {
    await using stage = new Stage()
    const relay = await stage.relay(new Folder())
    const [one, two] = [new Folder(), new Folder()]
    const phone = await stage.person(one, "phone", [relay])
    await phone.set("card/name/full", "Ada Example")
    const laptop = await stage.pair(phone, two, "laptop", { relay })
    expect(await laptop.get("card/name/full")).toBe("Ada Example")
    await laptop.close()
    await phone.set("card/emails/home/address", "ada@example.org")
    expect(await phone.settle(5000)).toEqual([])
    await phone.close()
    const laptopAgain = await stage.reopen(two)
    await laptopAgain.set("card/phones/mobile/number", "+49 30 5550100")
    expect(await laptopAgain.settle(5000)).toEqual([])
    expect(await laptopAgain.get("card/emails/home/address")).toBe("ada@example.org")
    const phoneAgain = await stage.reopen(one)
    await phoneAgain.settle(5000)
    expect(await phoneAgain.get("card/phones/mobile/number")).toBe("+49 30 5550100")
    expect(await phoneAgain.get()).toEqual(await laptopAgain.get())
  })

  test("one that was removed reads nothing new", async () => {
    await using stage = new Stage()
    const relay = await stage.relay(new Folder())
    const phone = await stage.person(new Folder(), "phone", [relay])
    const laptop = await stage.pair(phone, new Folder(), "laptop", { relay })
    await expect(phone.planRevoke("phone")).rejects.toMatchObject({ code: "DEVICE_IS_THIS" })
    await expect(phone.planRevoke("tablet")).rejects.toMatchObject({ code: "DEVICE_UNKNOWN" })
    const { name } = await phone.planRevoke("laptop")
    await phone.revokeDevice(name)
    expect(await phone.planRevoke("laptop")).toMatchObject({ name: "laptop", device: undefined })
    await phone.set("card/name/full", "After The Removal")
    await phone.settle(5000)
    await laptop.settle(3000)
    expect(await laptop.get("card/name/full")).toBeUndefined()
    expect((await phone.devices()).map(({ name, state }) => [name, state])).toEqual([
      ["phone", "member"],
      ["laptop", "removed"],
    ])
  })

  test("one that was removed is told so when it meets the other, and says so from then on", async () => {
    await using stage = new Stage()
    const phone = await stage.person(new Folder(), "phone")
    const [at = ""] = await phone.start({ listen: [LOOPBACK] })
    const folder = new Folder()
    const laptop = await stage.pair(phone, folder, "laptop", { at })
    await laptop.close()
    await phone.revokeDevice("laptop")
    const again = await stage.reopen(folder)
    await again.settle(3000)
    await expect(again.set("card/name/full", "x")).rejects.toMatchObject({ code: "DEVICE_REMOVED" })
    await again.close()
    const later = await stage.reopen(folder)
    const removed = { code: "DEVICE_REMOVED" }
    await expect(later.set("card/name/full", "x")).rejects.toMatchObject(removed)
    expect(later.isRemoved).toBe(true)
    expect(await later.status()).toMatchObject({ removed: true })
    const assignments = [{ path: "card/name/full", value: "x" }]
    await expect(later.planMove({ assignments })).rejects.toMatchObject(removed)
    const invitation = { invitation: "fulcrum:1.x", disclose: [] }
    await expect(later.previewConnect(invitation)).rejects.toMatchObject(removed)
  })
})
