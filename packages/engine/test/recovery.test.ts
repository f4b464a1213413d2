/** The 24 words, when every device is gone. */
import { beforeAll, describe, expect, test } from "vitest"
import { loadDocuments, type Machine, PersonWorld } from "./person-world.ts"

const LISTEN = { listen: ["/ip4/127.0.0.1/tcp/0"] }
const NAME = "card/name/full"
const NICKNAME = "card/nicknames/1/name"

beforeAll(loadDocuments)

/** A record on a relay, whose only device is gone. */
async function lostRecord(world: PersonWorld) {
  const relay = await world.relay()
  const machine = world.machine("phone")
  const phone = await world.create(machine, [relay.address])
  await phone.set(NAME, "Ada Lovelace")
  await phone.set(NICKNAME, "Countess")
  await world.during(phone.settle(5000))
  const record = await phone.get()
  await world.end(phone)
  return { relay, machine, record, words: wordsOf(world, machine) }
}

function wordsOf(world: PersonWorld, { name }: Machine): string {
  return world.words.get(name) ?? ""
}

describe("[P70] the recovery words", () => {
  test("bring the record back from a relay, to a device that goes on by itself", async () => {
    await using world = new PersonWorld()
    const { relay, machine, record, words } = await lostRecord(world)
    const tablet = await world.recover(world.machine("tablet"), words, [relay.address])
    expect(await tablet.get()).toEqual(record)
    expect(await tablet.history(NAME)).toMatchObject([{ device: "phone" }])
    await tablet.set(NAME, "Ada King")
    const rows = await tablet.devices()
    expect(rows.map(({ name, state }) => [name, state])).toEqual([
      ["phone", "member"],
      ["tablet", "member"],
    ])
    // The lost one turns up: it is as any device that was away.
    await tablet.start(LISTEN)
    const phone = await world.reopen(machine)
    await world.during(phone.settle(5000))
    await world.until("the edit", async () => (await phone.get(NAME)) === "Ada King")
    await phone.set(NICKNAME, "Enchantress")
    await world.until("the other", async () => (await tablet.get(NICKNAME)) === "Enchantress")
  })
})
