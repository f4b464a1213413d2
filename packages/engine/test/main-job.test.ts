import { describe, expect, test } from "vitest"
import { Folder, reaches, Stage } from "./stage.ts"

const REQUEST = {
  name: "Bookshop",
  agreements: ["SD-BASE"],
  fields: [
    {
      path: "card/addresses/home",
      purpose: "dpv:ServiceProvision",
      retention: "P2Y",
      required: false,
      why: "to send you books",
    },
    {
      path: "card/emails/home",
      purpose: "dpv:ServiceProvision",
      retention: "P2Y",
      required: false,
      why: "to tell you when they leave",
    },
  ],
}

describe("one company", () => {
  test("agrees, gets what was disclosed, and a move until it is applied", async () => {
    await using stage = new Stage()
    const relay = await stage.relay(new Folder())
    const shop = new Folder()
    const vendor = await stage.vendor(shop, "Bookshop", relay)
    await vendor.editRequest(REQUEST)
    await vendor.addHook("https://crm.example/hook")
    await vendor.start()
    const { invitation } = await vendor.invite({ waitMs: 5000 })

    const phone = await stage.person(new Folder(), "phone", [relay])
    await phone.set("card/addresses/home", "Old Street 1, 10115 Berlin")
    await phone.set("card/emails/home/address", "ada@example.org")
    const preview = await phone.previewConnect({ invitation, disclose: ["card/addresses/home"] })
    expect(preview.vendor.name).toBe("Bookshop")
    await phone.connect({ invitation, disclose: ["card/addresses/home"] })
    const row = await phone.waitForAgreement("Bookshop", 10_000)
    expect(row.state).toBe("agreed")

    await phone.settle(5000)
    await reaches(
      async () => (await phone.whoHas("card/addresses/home"))[0]?.evidence === "applied",
    )

    const plan = await phone.planMove({
      assignments: [{ path: "card/addresses/home", value: "New Street 2, 10117 Berlin" }],
    })
    expect(plan.gets.map(({ vendor: name }) => name)).toEqual(["Bookshop"])
    const board = await phone.move({
      assignments: [{ path: "card/addresses/home", value: "New Street 2, 10117 Berlin" }],
    })
    expect(board.lines.map(({ state }) => state)).toEqual(["sealed"])
    await reaches(async () => (await phone.board())?.done === true)
    const [line] = (await phone.board())?.lines ?? []
    expect(line?.steps.map(({ state }) => state)).toEqual([
      "planned",
      "sealed",
      "relayed",
      "delivered",
      "accepted",
      "applied",
    ])
    expect(shop.posted.at(-1)?.body).toContain("New Street 2")
    expect(shop.posted.map(({ body }) => body).join()).not.toContain("ada@example.org")
  }, 30_000)

  test("[P27] is said to have what it signed for while something newer is on its way", async () => {
    await using stage = new Stage()
    const relay = await stage.relay(new Folder())
    const vendor = await stage.vendor(new Folder(), "Bookshop", relay)
    await vendor.editRequest(REQUEST)
    await vendor.start()
    const { invitation } = await vendor.invite({ waitMs: 5000 })
    const path = "card/addresses/home"
    const phone = await stage.person(new Folder(), "phone")
    await phone.set(path, "Seestrasse 2")
    await phone.connect({ invitation, disclose: [path] })
    await phone.waitForAgreement("Bookshop", 10_000)
    const row = async () => (await phone.whoHas(path))[0]
    await reaches(async () => (await row())?.evidence === "applied")
    expect(await row()).toMatchObject({ state: "applied", holds: undefined })
    await vendor.close()

    const holds = { value: { full: "Seestrasse 2" }, evidence: "applied" }
    await phone.move({ assignments: [{ path, value: "Kirchgasse 1" }] })
    expect(await row()).toMatchObject({ value: { full: "Kirchgasse 1" }, holds })
    await phone.settle(5000)
    expect(await row()).toMatchObject({ evidence: "relayed", state: "relayed", holds })
    await phone.unset(path)
    expect(await row()).toMatchObject({ value: undefined, state: "sealed", holds })
  }, 30_000)

  test("an edit of what was not disclosed reaches nobody", async () => {
    await using stage = new Stage()
    const relay = await stage.relay(new Folder())
    const shop = new Folder()
    const vendor = await stage.vendor(shop, "Bookshop", relay)
    await vendor.editRequest(REQUEST)
    await vendor.start()
    const { invitation } = await vendor.invite({ waitMs: 5000 })
    const phone = await stage.person(new Folder(), "phone", [relay])
    await phone.set("card/emails/home/address", "ada@example.org")
    await phone.connect({ invitation, disclose: ["card/emails/home"] })
    await phone.waitForAgreement("Bookshop", 10_000)
    expect((await phone.set("card/addresses/home", "Elsewhere 3")).reaches).toEqual([])
    expect((await phone.set("card/emails/home/address", "ada@example.net")).reaches).toMatchObject([
      { vendor: "Bookshop", path: "card/emails/home" },
    ])
  }, 30_000)
})

describe("two devices and a company", () => {
  test("the second device shows the same board, also of what happened while it was off", async () => {
    await using stage = new Stage()
    const relay = await stage.relay(new Folder())
    const vendor = await stage.vendor(new Folder(), "Bookshop", relay)
    await vendor.editRequest(REQUEST)
    await vendor.start()
    const { invitation } = await vendor.invite({ waitMs: 5000 })
    const two = new Folder()
    const phone = await stage.person(new Folder(), "phone", [relay])
    await phone.set("card/addresses/home", "Old Street 1, 10115 Berlin")
    const laptop = await stage.pair(phone, two, "laptop", { relay })
    await laptop.close()
    await phone.connect({ invitation, disclose: ["card/addresses/home"] })
    await phone.waitForAgreement("Bookshop", 10_000)
    await phone.settle(5000)
    await phone.move({
      assignments: [{ path: "card/addresses/home", value: "New Street 2, 10117 Berlin" }],
    })
    await reaches(async () => (await phone.board())?.done === true)
    await phone.settle(5000)
    const laptopAgain = await stage.reopen(two)
    await laptopAgain.settle(5000)
    await reaches(async () => (await laptopAgain.board())?.done === true)
    expect(await laptopAgain.board()).toEqual(await phone.board())
    expect(await laptopAgain.get()).toEqual(await phone.get())
  }, 40_000)
})
