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
