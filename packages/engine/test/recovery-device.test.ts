/**
 * The recovery words at a device that still runs.
 *
 * @module
 */
import { entropyFromRecoveryWords, recoveryKeysFromEntropy } from "@fulcrum/access/recovery-words"
import { concatBytes } from "@fulcrum/codec/bytes"
import { encodeAs } from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import { sign } from "@fulcrum/crypto/ed25519"
import { openMemoryStore } from "@fulcrum/store/memory"
import { beforeAll, describe, expect, test } from "vitest"
import { recoverPerson } from "../src/opening/recover-person.ts"
import type { Person } from "../src/person/person.ts"
import { askSchema, RECOVERY_PROTOCOL } from "../src/recovery/recovery-line.ts"
import { ADDRESS, ailments, loadDocuments, PersonWorld } from "./person-world.ts"

beforeAll(loadDocuments)

const LISTEN = { listen: ["/ip4/127.0.0.1/tcp/0"] }

/** A phone that runs and is reached by its address alone. */
async function running(world: PersonWorld): Promise<{
  readonly phone: Person
  readonly words: string
  readonly at: string
}> {
  const phone = await world.create(world.machine("phone"))
  const [at = ""] = await phone.start(LISTEN)
  await world.during(phone.set(ADDRESS, "Old Street 1"))
  return { phone, words: world.words.get("phone") ?? "", at }
}

async function recover(
  world: PersonWorld,
  name: string,
  { words, at }: { readonly words: string; readonly at: string },
): Promise<Person> {
  const { signal } = new AbortController()
  const options = { ...(await world.options(world.machine(name))), relays: [], words, at, signal }
  const recovering = recoverPerson({ ...options, name, openScratch: () => openMemoryStore() })
  const { person } = await world.clock.during(recovering)
  return world.keep(person)
}

const membersOf = async (person: Person) =>
  (await person.devices()).flatMap(({ name, state }) => (state === "member" ? [name] : []))

describe("[P107] the recovery words at a device that runs, without a relay", () => {
  test("bring the record to a new device, which both know from then on", async () => {
    await using world = new PersonWorld()
    const source = await running(world)
    const { phone } = source
    const tablet = await recover(world, "tablet", source)
    expect(await tablet.get()).toEqual(await phone.get())
    expect(await membersOf(phone)).toEqual(["phone", "tablet"])
    await tablet.start(LISTEN)
    await world.during(tablet.set(ADDRESS, "New Street 2"))
    await world.until("the edit", async () =>
      JSON.stringify(await phone.get(ADDRESS)).includes("New Street 2"),
    )
    await world.during(phone.set(ADDRESS, "Newer Street 3"))
    await world.until("the other", async () =>
      JSON.stringify(await tablet.get(ADDRESS)).includes("Newer Street 3"),
    )
    for (const one of [phone, tablet]) expect(await ailments(one)).toEqual([])
  })

  test("bring nothing if they are another record's, or were replaced", async () => {
    await using world = new PersonWorld()
    const source = await running(world)
    const { phone, words } = source
    const other = await world.create(world.machine("other"))
    await world.end(other)
    const none = { code: "RECOVERY_NOT_FOUND" }
    const wrong = { ...source, words: world.words.get("other") ?? "" }
    await expect(recover(world, "tablet", wrong)).rejects.toMatchObject(none)
    const { wordsSeen, words: renewed } = await world.during(phone.recovery.replaceWords())
    await wordsSeen()
    await expect(recover(world, "watch", { ...source, words })).rejects.toMatchObject(none)
    expect(await membersOf(phone)).toEqual(["phone"])
    await recover(world, "desk", { ...source, words: renewed.join(" ") })
    expect(await membersOf(phone)).toEqual(["phone", "desk"])
  })

  test("say when nobody answers there", async () => {
    await using world = new PersonWorld()
    const source = await running(world)
    world.network.cut("phone", "tablet")
    const silent = { code: "RECOVERY_UNREACHABLE" }
    await expect(recover(world, "tablet", source)).rejects.toMatchObject(silent)
  })

  test("go on where they were cut off, as the same device", async () => {
    await using world = new PersonWorld()
    const source = await running(world)
    const { phone, words, at } = source
    const machine = world.machine("tablet")
    const attempt = async (signal: AbortSignal) => {
      const options = { ...(await world.options(machine)), relays: [], words, at, signal }
      const openScratch = () => openMemoryStore()
      return world.clock.during(recoverPerson({ ...options, name: "tablet", openScratch }))
    }
    const stop = new AbortController()
    phone.onChange((event) => {
      // It has just been let in, and is told so.
      if (event === "devices") stop.abort(new Error("cut off"))
    })
    await expect(attempt(stop.signal)).rejects.toThrow()
    expect(await membersOf(phone)).toEqual(["phone", "tablet"])
    const { person } = await attempt(new AbortController().signal)
    world.keep(person)
    expect(await person.get()).toEqual(await phone.get())
    expect(await membersOf(phone)).toEqual(["phone", "tablet"])
  })

  test("prove nothing on another connection than the one that they were asked on", async () => {
    await using world = new PersonWorld()
    const { words, at } = await running(world)
    const { writer } = recoveryKeysFromEntropy(entropyFromRecoveryWords(words))
    const { signal } = new AbortController()
    const asked = async (boundTo: "this" | "another") => {
      const host = await world.network.machine("thief").host()
      const channel = await host.dial(at, RECOVERY_PROTOCOL, { signal })
      const own = boundTo === "this" ? host.publicKey : new Uint8Array(32)
      const binding = concatBytes([own, channel.remotePublicKey])
      const signature = sign(contexts.recoveryAsk, writer, binding)
      await channel.send(encodeAs(askSchema, { version: 1, writer: writer.publicKey, signature }))
      let count = 0
      for await (const message of channel.messages()) {
        count++
        if (message[0] === 1) break
      }
      await host.close()
      return count
    }
    expect(await world.clock.during(asked("this"))).toBeGreaterThan(1)
    expect(await world.clock.during(asked("another"))).toBe(0)
  })
})
