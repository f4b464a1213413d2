/** A record's attachments: kept sealed beside the logs, and fetched from own devices when wanted. */

import { attachmentShape, CHUNK_BYTES, chunkPlace } from "@fulcrum/attachments/format"
import { ATTACHMENTS_PROTOCOL, encodeRequest } from "@fulcrum/attachments/messages"
import { bytesToHex, concatBytes, equalBytes, hexToBytes } from "@fulcrum/codec/bytes"
import { systemRandom } from "@fulcrum/crypto/random"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { StoreError } from "@fulcrum/store"
import { expect, test } from "vitest"
import type { AttachmentRow, FetchOptions, NewAttachment, Person } from "../src/person/person.ts"
import { Folder, reaches, Stage } from "./stage.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"
const random = systemRandom()

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content
}

function photo(content: Uint8Array, more: Partial<NewAttachment> = {}): NewAttachment {
  const { signal } = new AbortController()
  return {
    ...{ name: "photo.jpg", mediaType: "image/jpeg", bytes: content.length, signal },
    content: once(content),
    ...more,
  }
}

function within(reachMs: number, more: Partial<FetchOptions> = {}): FetchOptions {
  return { reachMs, signal: new AbortController().signal, ...more }
}

async function read(person: Person, wanted: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of person.attachments.read(wanted)) parts.push(part)
  return concatBytes(parts)
}

/** Two devices that listen and are connected. */
async function pairOf(stage: Stage) {
  const [one, two] = [new Folder(), new Folder()]
  const phone = await stage.person(one, "phone")
  const [at = ""] = await phone.start({ listen: [LOOPBACK] })
  const laptop = await stage.pair(phone, two, "laptop", { at })
  await laptop.start({ listen: [LOOPBACK] })
  return { one, two, phone, laptop, at }
}

async function seen(person: Person, { id }: AttachmentRow): Promise<AttachmentRow> {
  const find = async () => (await person.attachments.list()).find((row) => row.id === id)
  await reaches(async () => (await find()) !== undefined)
  return person.attachments.find(id)
}

test("[P60] what one device attaches another one lists at once, and has when it fetches it", async () => {
  await using stage = new Stage()
  const { one, two, phone, laptop } = await pairOf(stage)
  const content = random.bytes(3 * CHUNK_BYTES + 100)
  const added = await phone.attachments.add(photo(content, { path: "card/media/photo" }))
  expect(added).toMatchObject({ name: "photo.jpg", bytes: content.length, here: "whole" })
  expect(await seen(laptop, added)).toMatchObject({ here: "none", device: "phone" })
  await reaches(async () => (await laptop.get("card/media/photo")) !== undefined)
  expect(await laptop.get("card/media/photo")).toEqual({
    uri: `attachment:${added.id}`,
    mediaType: "image/jpeg",
    kind: "photo",
    label: "photo.jpg",
  })
  expect(await two.blobs.names()).toEqual([])
  for (const device of [phone, laptop]) {
    expect((await device.status()).singleCopies).toEqual([{ device: "phone", attachments: 1 }])
  }
  expect(await phone.planRevoke("laptop")).toMatchObject({ attachments: 0 })
  expect(await laptop.planRevoke("phone")).toMatchObject({ attachments: 1 })
  const steps: number[] = []
  const progress = (bytes: number) => steps.push(bytes)
  const fetched = await laptop.attachments.fetch("card/media/photo", within(5000, { progress }))
  expect(fetched.here).toBe("whole")
  expect(steps.at(-1)).toBe(content.length)
  expect(equalBytes(await read(laptop, "photo.jpg"), content)).toBe(true)
  for (const folder of [one, two]) expect(await folder.blobs.names()).toEqual([added.id])
  const both = ["phone", "laptop"].sort()
  for (const device of [phone, laptop]) {
    const row = async () => device.attachments.find(added.id)
    await reaches(async () => (await row()).on.length === 2)
    expect({ ...(await row()), on: [...(await row()).on].sort() }).toMatchObject({
      ...{ on: both, paths: ["card/media/photo"] },
    })
    expect((await device.status()).singleCopies).toEqual([])
  }
  expect(await phone.planRevoke("laptop")).toMatchObject({ attachments: 1 })
  await laptop.attachments.remove(added.id)
  expect((await laptop.status()).singleCopies).toEqual([])
})

test("[P60] only what is a picture or a sound can be a photo, and what refers to it goes with it", async () => {
  await using stage = new Stage()
  const phone = await stage.person(new Folder(), "phone")
  const content = random.bytes(300)
  const pdf = { mediaType: "application/pdf", path: "card/media/photo" }
  await expect(phone.attachments.add(photo(content, pdf))).rejects.toMatchObject({
    code: "ATTACHMENT_PLACE",
  })
  const path = "things/bike/papers/invoice"
  const added = await phone.attachments.add(photo(content, { ...pdf, path }))
  await phone.set("card/links/1/uri", `attachment:${added.id}`)
  expect((await phone.attachments.find(added.id)).paths).toEqual(["card/links/1", path])
  await phone.attachments.remove(path)
  expect(await phone.get("things")).toBeUndefined()
  expect(await phone.get("card/links")).toBeUndefined()
  // It is gone for good: what would be undone is the edit before, and that was changed since.
  await expect(phone.undo()).rejects.toMatchObject({ code: "UNDO_CHANGED" })
  expect(await phone.get("things")).toBeUndefined()
})

test("[P62] doctor reads what is here, and names what is damaged", async () => {
  await using stage = new Stage()
  const folder = new Folder()
  const phone = await stage.person(folder, "phone")
  const added = await phone.attachments.add(photo(random.bytes(300)))
  const check = async () =>
    (await phone.doctor()).filter(({ check: name }) => name === "attachments")
  expect(await check()).toMatchObject([{ ok: true }])
  await (await folder.blobs.make(added.id)).write(50, new Uint8Array([1, 2, 3]))
  expect(await check()).toMatchObject([{ ok: false, detail: expect.stringContaining("photo.jpg") }])
})

test("[P60] whichever of the two dialed the other", async () => {
  await using stage = new Stage()
  const two = new Folder()
  const phone = await stage.person(new Folder(), "phone")
  const [at = ""] = await phone.start({ listen: [LOOPBACK] })
  // It does not listen: as behind a NAT, it can only dial.
  const laptop = await stage.pair(phone, two, "laptop", { at })
  const content = random.bytes(1000)
  for (const [from, to] of [
    [laptop, phone],
    [phone, laptop],
  ] as const) {
    const added = await from.attachments.add(photo(content))
    await seen(to, added)
    await to.attachments.fetch(added.id, within(5000))
    expect(equalBytes(await read(to, added.id.slice(0, 12)), content)).toBe(true)
  }
})

test("[P61] a transfer that was cut goes on where it stopped", async () => {
  await using stage = new Stage()
  const { two, phone, laptop } = await pairOf(stage)
  const content = random.bytes(20 * CHUNK_BYTES)
  const added = await phone.attachments.add(photo(content))
  await seen(laptop, added)
  const cut = new AbortController()
  const first: number[] = []
  const progress = (bytes: number): void => {
    first.push(bytes)
    if (bytes >= content.length / 4) cut.abort(new Error("cut"))
  }
  const options = { reachMs: 5000, signal: cut.signal, progress }
  await expect(laptop.attachments.fetch(added.id, options)).rejects.toThrow("cut")
  expect(await two.blobs.names()).toEqual([`part-${added.id}`])
  expect((await laptop.attachments.find(added.id)).here).toBe("part")
  const second: number[] = []
  await laptop.attachments.fetch(
    added.id,
    within(5000, { progress: (bytes) => second.push(bytes) }),
  )
  expect(second[0]).toBeGreaterThan(content.length / 5)
  expect(second.length).toBeLessThan(20)
  expect(equalBytes(await read(laptop, added.id), content)).toBe(true)
})

test("[P61] of what a crash left only what is right is kept", async () => {
  await using stage = new Stage()
  const { two, phone, laptop } = await pairOf(stage)
  const content = random.bytes(5 * CHUNK_BYTES)
  const added = await phone.attachments.add(photo(content))
  await seen(laptop, added)
  await laptop.attachments.fetch(added.id, within(5000))
  await two.blobs.rename(added.id, `part-${added.id}`)
  const part = await two.blobs.make(`part-${added.id}`)
  const { offset } = chunkPlace(attachmentShape(content.length), 3)
  await part.write(offset, new Uint8Array(CHUNK_BYTES))
  let come = 0
  await laptop.attachments.fetch(added.id, within(5000, { progress: () => come++ }))
  expect(come).toBe(1)
  expect(equalBytes(await read(laptop, added.id), content)).toBe(true)
})

test("[P62] damage is found when it is read, and mended from another device", async () => {
  await using stage = new Stage()
  const { two, phone, laptop } = await pairOf(stage)
  const content = random.bytes(3 * CHUNK_BYTES)
  const added = await phone.attachments.add(photo(content))
  await seen(laptop, added)
  await laptop.attachments.fetch(added.id, within(5000))
  const file = await two.blobs.make(added.id)
  const { offset } = chunkPlace(attachmentShape(content.length), 1)
  const [before = 0] = await file.read(offset + 9, 1)
  await file.write(offset + 9, new Uint8Array([before ^ 4]))
  await expect(read(laptop, added.id)).rejects.toMatchObject({ code: "ATTACHMENT_DAMAGED" })
  await laptop.attachments.fetch(added.id, within(5000, { isDoubted: true }))
  expect(equalBytes(await read(laptop, added.id), content)).toBe(true)
})

test("[P62] what another device sends is not kept unless it is right", async () => {
  await using stage = new Stage()
  const { one, two, phone, laptop } = await pairOf(stage)
  const content = random.bytes(4 * CHUNK_BYTES)
  const added = await phone.attachments.add(photo(content))
  await seen(laptop, added)
  const file = await one.blobs.make(added.id)
  const { offset } = chunkPlace(attachmentShape(content.length), 2)
  await file.write(offset, new Uint8Array(20))
  await expect(laptop.attachments.fetch(added.id, within(2000))).rejects.toMatchObject({
    code: "ATTACHMENT_AWAY",
  })
  const part = await two.blobs.make(`part-${added.id}`)
  expect(await part.size()).toBeLessThanOrEqual(offset)
})

test("[P63] where nobody has it, or can be reached, it says so and what came stays", async () => {
  await using stage = new Stage()
  const { phone, laptop } = await pairOf(stage)
  const added = await phone.attachments.add(photo(random.bytes(500)))
  await seen(laptop, added)
  await phone.close()
  const begun = performance.now()
  await expect(laptop.attachments.fetch(added.id, within(300))).rejects.toMatchObject({
    code: "ATTACHMENT_AWAY",
  })
  expect(performance.now() - begun).toBeLessThan(3000)
  await expect(read(laptop, added.id)).rejects.toMatchObject({ code: "ATTACHMENT_AWAY" })
  await expect(laptop.attachments.fetch("nothing", within(0))).rejects.toMatchObject({
    code: "ATTACHMENT_UNKNOWN",
  })
})

test("[P61] one whose last step was cut off is whole without anybody", async () => {
  await using stage = new Stage()
  const folder = new Folder()
  const phone = await stage.person(folder, "phone")
  const content = random.bytes(2 * CHUNK_BYTES)
  const added = await phone.attachments.add(photo(content))
  await folder.blobs.rename(added.id, `part-${added.id}`)
  await phone.attachments.fetch(added.id, within(0))
  expect(equalBytes(await read(phone, added.id), content)).toBe(true)
})

test("[P61] a device that went away in the middle is asked again when it is back", async () => {
  await using stage = new Stage()
  const one = new Folder()
  const phone = await stage.person(one, "phone")
  const [at = ""] = await phone.start({ listen: [LOOPBACK] })
  const laptop = await stage.pair(phone, new Folder(), "laptop", { at })
  await laptop.start({ listen: [] })
  const content = random.bytes(16 * CHUNK_BYTES)
  const added = await phone.attachments.add(photo(content))
  await seen(laptop, added)
  let back: Promise<unknown> | undefined
  const progress = (bytes: number): void => {
    if (back !== undefined || bytes < content.length / 4) return
    const listen = [at.replace(/\/p2p\/.*$/, "")]
    back = phone.close().then(async () => (await stage.reopen(one)).start({ listen }))
  }
  await laptop.attachments.fetch(added.id, within(10_000, { progress }))
  expect(back).toBeDefined()
  await back
  expect(equalBytes(await read(laptop, added.id), content)).toBe(true)
})

test("[P63] a file that cannot be read ends that transfer, and the device that has it goes on", async () => {
  await using stage = new Stage()
  const { one, phone, laptop } = await pairOf(stage)
  const added = await phone.attachments.add(photo(random.bytes(500)))
  await seen(laptop, added)
  const open = one.blobs.open.bind(one.blobs)
  one.blobs.open = async () => {
    throw new StoreError("STORE_IO", "the disk failed")
  }
  await expect(laptop.attachments.fetch(added.id, within(1000))).rejects.toMatchObject({
    code: "ATTACHMENT_AWAY",
  })
  one.blobs.open = open
  await laptop.attachments.fetch(added.id, within(5000))
})

test("[P60] a name is kept as a record can keep it", async () => {
  await using stage = new Stage()
  const phone = await stage.person(new Folder(), "phone")
  const name = `${"ü".repeat(130)}\ud83d.jpg`
  const added = await phone.attachments.add(photo(random.bytes(5), { name }))
  expect(added.name.endsWith("\ufffd.jpg")).toBe(true)
  expect(new TextEncoder().encode(added.name).length).toBeLessThanOrEqual(255)
})

test("[P63] a device that has none of it is not waited for", async () => {
  await using stage = new Stage()
  const { one, phone, laptop } = await pairOf(stage)
  const added = await phone.attachments.add(photo(random.bytes(500)))
  await seen(laptop, added)
  await one.blobs.remove(added.id)
  const begun = performance.now()
  await expect(laptop.attachments.fetch(added.id, within(10_000))).rejects.toMatchObject({
    code: "ATTACHMENT_AWAY",
  })
  expect(performance.now() - begun).toBeLessThan(3000)
})

test("[P64] what is taken away is deleted on every device, also on one that was away", async () => {
  await using stage = new Stage()
  const { one, two, phone, laptop } = await pairOf(stage)
  const [first, second] = [
    await phone.attachments.add(photo(random.bytes(500))),
    await phone.attachments.add(photo(random.bytes(500), { name: "other.jpg" })),
  ]
  for (const row of [first, second]) {
    await seen(laptop, row)
    await laptop.attachments.fetch(row.id, within(5000))
  }
  await laptop.attachments.remove(first.id)
  await reaches(async () => (await one.blobs.names()).length === 1)
  expect(await two.blobs.names()).toEqual([second.id])
  await laptop.close()
  await phone.attachments.remove("other.jpg")
  expect(await one.blobs.names()).toEqual([])
  const again = await stage.reopen(two)
  await again.start({ listen: [] })
  await reaches(async () => (await two.blobs.names()).length === 0)
  expect(await again.attachments.list()).toEqual([])
})

test("[P65] what a crash left of attaching is put right at the next start", async () => {
  await using stage = new Stage()
  const folder = new Folder()
  const phone = await stage.person(folder, "phone")
  const added = await phone.attachments.add(photo(random.bytes(500)))
  await phone.close()
  await folder.blobs.rename(added.id, `due-${added.id}`)
  for (const name of ["new-0123", `due-${"0".repeat(64)}`]) await folder.blobs.make(name)
  const again = await stage.reopen(folder)
  expect(await folder.blobs.names()).toEqual([added.id])
  expect((await read(again, added.id)).length).toBe(500)
})

test("[P65] what the record names already is not deleted when its last step fails", async () => {
  await using stage = new Stage()
  const folder = new Folder()
  const phone = await stage.person(folder, "phone")
  const content = random.bytes(500)
  const rename = folder.blobs.rename.bind(folder.blobs)
  folder.blobs.rename = async (from, to) => {
    if (from.startsWith("due-")) throw new StoreError("STORE_IO", "the disk failed")
    return rename(from, to)
  }
  await expect(phone.attachments.add(photo(content))).rejects.toMatchObject({ code: "STORE_IO" })
  folder.blobs.rename = rename
  await phone.close()
  const again = await stage.reopen(folder)
  expect((await again.attachments.list()).map(({ here }) => here)).toEqual(["whole"])
  expect(equalBytes(await read(again, "photo.jpg"), content)).toBe(true)
})

test("[P65] where the disk fails as the record is written, the next start finds out what it says", async () => {
  for (const type of ["fail-after", "fail-before"] as const) {
    await using stage = new Stage()
    const folder = new Folder()
    const phone = await stage.person(folder, "phone")
    folder.disk.fault = () => ({ type })
    await expect(phone.attachments.add(photo(random.bytes(500)))).rejects.toMatchObject({
      code: "STORE_IO",
    })
    folder.disk.fault = undefined
    await phone.close()
    const again = await stage.reopen(folder)
    const listed = (await again.attachments.list()).map(({ here }) => here)
    expect(listed).toEqual(type === "fail-after" ? ["whole"] : [])
    expect(await folder.blobs.names()).toHaveLength(listed.length)
  }
})

test("[P65] nothing is left of what could not be attached", async () => {
  await using stage = new Stage()
  const folder = new Folder()
  const phone = await stage.person(folder, "phone")
  const content = random.bytes(500)
  for (const [more, code] of [
    [{ bytes: 499 }, "ATTACHMENT_CHANGED"],
    [{ path: "card/emails/home" }, "ATTACHMENT_PLACE"],
    [{ path: "card/nonsense/home" }, "PATH_UNKNOWN"],
  ] as const) {
    await expect(phone.attachments.add(photo(content, more))).rejects.toMatchObject({ code })
  }
  folder.blobs.capacityBytes = 400
  await expect(phone.attachments.add(photo(content))).rejects.toMatchObject({ code: "STORE_FULL" })
  expect(await folder.blobs.names()).toEqual([])
  expect(await phone.attachments.list()).toEqual([])
})

test("[P66] who has not met this device as its own gets nothing, whatever it asks for", async () => {
  await using stage = new Stage()
  const { phone, at } = await pairOf(stage)
  const added = await phone.attachments.add(photo(random.bytes(500)))
  await using stranger = await libp2pNetwork().host()
  const signal = AbortSignal.timeout(5000)
  const channel = await stranger.dial(at, ATTACHMENTS_PROTOCOL, { signal })
  const id = hexToBytes(added.id)
  await channel.send(encodeRequest({ kind: "list", value: { id } }))
  const got: Uint8Array[] = []
  const reading = async (): Promise<void> => {
    for await (const message of channel.messages()) got.push(message)
  }
  await expect(reading()).rejects.toMatchObject({ code: "NET_CLOSED" })
  expect(got.map(bytesToHex)).toEqual([])
})

test("[P66] a device that was removed gets nothing more", async () => {
  await using stage = new Stage()
  const { phone, laptop } = await pairOf(stage)
  const added = await phone.attachments.add(photo(random.bytes(5 * CHUNK_BYTES)))
  await seen(laptop, added)
  await phone.revokeDevice("laptop")
  await expect(laptop.attachments.fetch(added.id, within(500))).rejects.toMatchObject({
    code: "ATTACHMENT_AWAY",
  })
})
