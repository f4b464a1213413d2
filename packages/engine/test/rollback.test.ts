/** Folders that were put back, whole, to what they were before: they add up, so only others can tell. */
import { cp, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { ailments, loadDocuments, PersonWorld } from "./person-world.ts"
import { Folder, reaches, Stage } from "./stage.ts"

const LISTEN = { listen: ["/ip4/127.0.0.1/tcp/0"] }
const NAME = "card/name/full"
const COPIED = [expect.stringMatching(/^copies: this device's folder was copied, or put back/)]

beforeAll(loadDocuments)

describe("[P6] [E3] a device's folder that was rolled back", () => {
  test.for([
    ["a relay", "before it writes", false],
    ["a relay", "after it wrote", true],
    ["another device", "before it writes", false],
    ["another device", "after it wrote", true],
  ] as const)(
    "is found by meeting %s, %s, and has everything again",
    async ([holder, , writes]) => {
      await using world = new PersonWorld()
      const relay = await world.relay()
      const machine = world.machine("phone")
      const phone = await world.create(machine, holder === "a relay" ? [relay.address] : [])
      const [at = ""] = await phone.start(LISTEN)
      const laptop = await world.pair(phone, world.machine("laptop"), { at })
      await laptop.start(LISTEN)
      await phone.set(NAME, "Ada Example")
      await world.during(phone.settle(5000))
      const earlier = machine.disk.copy()
      await phone.set(NAME, "Ada Lovelace")
      await world.during(phone.settle(5000))
      await world.until("the edit", async () => (await laptop.get(NAME)) === "Ada Lovelace")
      expect(await ailments(phone)).toEqual([])
      await world.end(phone)
      if (holder === "a relay") await world.end(laptop)

      const again = await world.reopen({ ...machine, disk: earlier })
      expect(await again.get(NAME)).toBe("Ada Example")
      expect(await ailments(again)).toEqual([])
      if (writes) await again.set("card/nicknames/1/name", "Countess")
      await again.start(LISTEN)
      await world.during(again.settle(5000))
      await world.until("what was lost", async () => (await again.get(NAME)) === "Ada Lovelace")
      expect(await ailments(again)).toEqual(COPIED)
      expect(await again.get("card/nicknames/1/name")).toBe(writes ? "Countess" : undefined)
      if (holder === "a relay") return
      const noted = {
        check: "copies before",
        ok: true,
        detail: expect.stringMatching(/ on phone: 1;/),
      }
      await world.until("the note", async () =>
        (await laptop.doctor()).some(({ check }) => check === noted.check),
      )
      expect(await laptop.doctor()).toContainEqual(noted)
      expect(await ailments(laptop)).toEqual([])
      expect(await laptop.get()).toEqual(await again.get())
    },
  )

  test("on a real disk is found likewise", async () => {
    const folder = await mkdtemp(join(tmpdir(), "fulcrum-rollback-"))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    await using stage = new Stage()
    const relay = await stage.relay(new Folder(join(folder, "relay")))
    const own = new Folder(join(folder, "phone"))
    const phone = await stage.person(own, "phone", [relay])
    await phone.set(NAME, "Ada Example")
    await phone.settle(5000)
    await phone.close()
    await cp(join(folder, "phone"), join(folder, "earlier"), { recursive: true })
    const later = await stage.reopen(own)
    await later.set(NAME, "Ada Lovelace")
    await later.settle(5000)
    await later.close()
    await rm(join(folder, "phone"), { recursive: true })
    await cp(join(folder, "earlier"), join(folder, "phone"), { recursive: true })
    const again = await stage.reopen(own)
    expect(await again.get(NAME)).toBe("Ada Example")
    // It writes before it has heard anything: then its log has two ends.
    await again.set("card/nicknames/1/name", "Countess")
    await again.settle(5000)
    await reaches(async () => (await again.get(NAME)) === "Ada Lovelace")
    expect(await again.get("card/nicknames/1/name")).toBe("Countess")
    expect(await ailments(again)).toEqual(COPIED)
  })
})
