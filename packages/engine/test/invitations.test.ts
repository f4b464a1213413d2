import { describe, expect, test } from "vitest"
import { Folder, reaches, Stage } from "./stage.ts"

const ADDRESS = "card/addresses/home"

const REQUEST = {
  name: "Bookshop",
  agreements: ["SD-BASE"],
  fields: [
    {
      path: ADDRESS,
      purpose: "dpv:ServiceProvision",
      retention: "P2Y",
      required: false,
      why: "to send you books",
    },
  ],
}

describe("an invitation for one person that somebody else followed", () => {
  test("[P29] is told as used, on every device, and nothing of it waits any more", async () => {
    await using stage = new Stage()
    const relay = await stage.relay(new Folder())
    const vendor = await stage.vendor(new Folder(), "Bookshop", relay)
    await vendor.editRequest(REQUEST)
    await vendor.start()
    const { invitation } = await vendor.invite({ waitMs: 5000 })
    const other = await stage.person(new Folder(), "other")
    await other.connect({ invitation, disclose: [] })
    expect(await other.waitForAgreement("Bookshop", 10_000)).toMatchObject({ state: "agreed" })

    const [first, second] = [new Folder(), new Folder()]
    const phone = await stage.person(first, "phone", [relay])
    await phone.set(ADDRESS, "Seestrasse 2")
    const laptop = await stage.pair(phone, second, "laptop", { relay })
    const used = { code: "CONNECT_INVITATION_USED" }
    const { id } = await phone.connect({ invitation, disclose: [ADDRESS] })
    await expect(phone.waitForAgreement(id, 10_000)).rejects.toMatchObject(used)
    expect(await phone.settle(5000)).toEqual([])
    expect((await phone.status()).held).toEqual([])

    await laptop.settle(5000)
    await reaches(async () => (await laptop.relationships())[0]?.refusedBy === "relay")
    for (const device of [phone, laptop]) {
      expect(await device.settle(5000)).toEqual([])
      expect(await device.show("Bookshop")).toMatchObject({
        ...{ id, state: "refused", refusedBy: "relay", held: [] },
        refusal: "RELAY_TOKEN_SPENT: the invitation was used already",
      })
      const again = { invitation, disclose: [ADDRESS] }
      await expect(device.previewConnect(again)).rejects.toMatchObject(used)
      await expect(device.connect(again)).rejects.toMatchObject(used)
    }

    const anew = await vendor.invite({ waitMs: 5000 })
    const living = await phone.connect({ invitation: anew.invitation, disclose: [ADDRESS] })
    await phone.waitForAgreement(living.id, 10_000)
    expect(await phone.show("Bookshop")).toMatchObject({ id: living.id, state: "agreed" })
    expect(await phone.show(id)).toMatchObject({ id, state: "refused" })

    await phone.close()
    const reopened = await stage.reopen(first)
    expect(await reopened.settle(5000)).toEqual([])
    expect((await reopened.relationships()).map(({ state }) => state).toSorted()).toEqual([
      "agreed",
      "refused",
    ])
  }, 60_000)
})

describe("a company that refused", () => {
  test("is not waited for by a device that was off", async () => {
    await using stage = new Stage()
    const relay = await stage.relay(new Folder())
    const vendor = await stage.vendor(new Folder(), "Bookshop", relay)
    await vendor.editRequest({ ...REQUEST, agreements: ["SD-BASE", "SD-BASE-A"] })
    await vendor.start()
    const { invitation } = await vendor.invite({ waitMs: 5000 })
    const second = new Folder()
    const first = new Folder()
    const host = await stage.person(first, "phone", [relay])
    const laptop = await stage.pair(host, second, "laptop", { relay })
    await laptop.close()
    await host.close()
    const phone = await stage.reopen(first)
    const { id } = await phone.connect({ invitation, disclose: [], terms: "SD-BASE-A" })
    // The invitation names the request as it was; by the time of the answer terms were dropped.
    await vendor.dropTerms(["SD-BASE-A"])
    expect(await phone.waitForAgreement(id, 10_000)).toMatchObject({ refusedBy: "company" })
    await phone.settle(5000)

    const reopened = await stage.reopen(second)
    await reaches(
      async () => (await reopened.settle(5000)) && (await reopened.relationships()).length > 0,
    )
    await reaches(async () => (await reopened.show(id)).state === "refused")
    expect((await reopened.status()).held).toEqual([])
  }, 60_000)
})

describe("an invitation that was followed before", () => {
  test("shows as whom the company knows her, and what it has", async () => {
    await using stage = new Stage()
    const relay = await stage.relay(new Folder())
    const vendor = await stage.vendor(new Folder(), "Bookshop", relay)
    await vendor.editRequest(REQUEST)
    await vendor.start()
    const { invitation } = await vendor.invite({ waitMs: 5000 })
    const phone = await stage.person(new Folder(), "phone")
    await phone.set(ADDRESS, "Seestrasse 2")
    const first = await phone.previewConnect({ invitation, disclose: [ADDRESS] })
    expect(first).toMatchObject({ resumes: undefined, state: undefined, ownDid: undefined })

    const { id } = await phone.connect({ invitation, disclose: [ADDRESS] })
    const { did } = await phone.show(id)
    const proffered = await phone.previewConnect({ invitation, disclose: [] })
    expect(proffered).toMatchObject({ resumes: id, state: "proffered", ownDid: did })
    expect(proffered.disclosed).toEqual([
      { path: ADDRESS, follows: true, value: { full: "Seestrasse 2" }, given: false },
    ])

    await phone.waitForAgreement(id, 10_000)
    await reaches(async () => (await phone.whoHas(ADDRESS))[0]?.evidence === "applied")
    const agreed = await phone.previewConnect({ invitation, disclose: [] })
    expect(agreed).toMatchObject({ resumes: id, state: "agreed", ownDid: did, missing: [] })
    expect(agreed.disclosed).toEqual([
      { path: ADDRESS, follows: true, value: { full: "Seestrasse 2" }, given: true },
    ])
  }, 30_000)
})
