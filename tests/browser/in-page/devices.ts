/**
 * In a page: two devices of one person, each on a database of the browser's, paired and in step over
 * a network in memory.
 *
 * @module
 */
import { systemClock } from "@fulcrum/crypto/clock"
import { seededRandom, systemRandom } from "@fulcrum/crypto/random"
import { joinPerson } from "@fulcrum/engine/join-person"
import { createPerson, openPerson, type PersonOptions } from "@fulcrum/engine/open-person"
import type { Person } from "@fulcrum/engine/person"
import { systemDeflate } from "@fulcrum/log/deflate"
import { MemoryNetwork } from "@fulcrum/net/memory"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { openBrowserStore } from "@fulcrum/store/browser"

const CARD = [
  "BEGIN:VCARD",
  "VERSION:4.0",
  "FN:Ada Example",
  "EMAIL;TYPE=home:ada@example.org",
  "END:VCARD",
  "",
].join("\r\n")

const clock = systemClock()
const network = new MemoryNetwork({ clock, random: seededRandom("a page") })
const keys = new Map<string, Uint8Array>()

async function optionsOf(name: string): Promise<PersonOptions> {
  const vaultKey = keys.get(name) ?? systemRandom().bytes(32)
  keys.set(name, vaultKey)
  return {
    store: await openBrowserStore({ name }),
    vaultKey,
    network: network.machine(name),
    openDocuments: (reload) => openInLineDocuments({ reload }),
    random: systemRandom(),
    clock,
    deflate: systemDeflate(),
    zone: "Europe/Berlin",
  }
}

/** @returns What each device has in the end, once they were closed and opened again. */
export async function twoDevices(): Promise<readonly string[]> {
  const { person: phone } = await createPerson({
    ...(await optionsOf("phone")),
    name: "phone",
    relays: [],
  })
  await phone.importFile(new TextEncoder().encode(CARD))
  const [at = ""] = await phone.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
  const { signal } = new AbortController()
  const shown = Promise.withResolvers<string>()
  const approve = async () => true
  const added = phone.pair({ code: ({ code }) => shown.resolve(code), approve }, signal)
  added.catch(shown.reject)
  const laptop = await joinPerson({
    ...(await optionsOf("laptop")),
    ...{ name: "laptop", at, signal },
    code: await shown.promise,
    confirm: approve,
  })
  await laptop.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
  await laptop.settle(10_000)
  await added
  await Promise.all([
    phone.set("card/addresses/home", "New Street 2"),
    laptop.set("card/nicknames/1/name", "Countess"),
  ])
  await Promise.all([phone.settle(10_000), laptop.settle(10_000)])
  for (const one of [phone, laptop]) await one.close()
  return Promise.all(["phone", "laptop"].map(heldBy))
}

async function heldBy(name: string): Promise<string> {
  await using person: Person = await openPerson(await optionsOf(name))
  return person.exportRecord({ format: "json", all: true })
}
