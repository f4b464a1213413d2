/**
 * Files that belong to a record, through the programs: attached on one device, fetched by another one
 * that is killed on the way, and nothing of them to be read in either folder.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Device } from "../harness/device.ts"
import { addDevice } from "../harness/pairing.ts"
import { codeIn } from "../harness/programs.ts"
import { folderBytes, searchFolder } from "../harness/search.ts"
import { until } from "../harness/until.ts"
import { World } from "./world.ts"

const PASSAGE = "Tenancy agreement, Harbour Street 7, between A. Quillfeather and the landlord. "
const CONTRACT = PASSAGE.repeat(40)
const VIDEO_BYTES = 96 * 1024 * 1024

let world: World
let laptop: Device
let phone: Device
let video: Uint8Array

const local = (name: string): string => join(world.stage.folder, name)

beforeAll(async () => {
  world = await World.create()
  video = randomBytes(VIDEO_BYTES)
  await writeFile(local("holiday video.mp4"), video)
  await writeFile(local("tenancy.txt"), CONTRACT)
  laptop = world.device("laptop")
  await laptop.init()
  phone = (await addDevice(world.stage, laptop, "phone")).device
  for (const device of [laptop, phone]) await device.daemon.up()
}, 120_000)
afterAll(() => world[Symbol.asyncDispose]())

describe("files that belong to the record", () => {
  test("one is attached, listed on the other device, and fetched there byte for byte", async () => {
    await laptop.json("attach", local("tenancy.txt"), "things/flat/papers/contract")
    await until(async () => (await listed(phone)).includes("tenancy.txt none"), {
      what: "the phone lists it",
    })
    const args = ["attachments", "get", "things/flat/papers/contract", local("copy.txt")]
    expect(await phone.json(...args)).toMatchObject({ file: local("copy.txt") })
    expect(await readFile(local("copy.txt"), "utf8")).toBe(CONTRACT)
    const again = await phone.run(args)
    expect({ status: again.status, code: codeIn(again.stderr) }).toEqual({
      status: 1,
      code: "FILE_EXISTS",
    })
  })

  test("a device that is killed while it fetches a large one goes on where it stopped", async () => {
    await laptop.json("attach", local("holiday video.mp4"))
    await until(async () => (await listed(phone)).includes("holiday video.mp4 none"), {
      what: "the phone lists it",
    })
    const getting = await phone.start("attachments", "get", "holiday video.mp4", local("copy.mp4"))
    await until(async () => (await partBytes(phone)) > VIDEO_BYTES / 8, {
      what: "some of it has come",
      everyMs: 5,
    })
    await phone.daemon.kill()
    expect((await getting.finished).status).toBe(1)
    const before = await partBytes(phone)
    expect(before).toBeGreaterThan(0)
    await expect(stat(local("copy.mp4"))).rejects.toThrow("ENOENT")
    await phone.daemon.up()
    await phone.json("attachments", "get", "holiday video.mp4", local("copy.mp4"), "--wait", "30")
    expect((await readFile(local("copy.mp4"))).equals(video)).toBe(true)
    expect(await names(phone)).toEqual(await names(laptop))
  })

  test("without its daemon a device takes one away, and the other one deletes it", async () => {
    await laptop.daemon.down()
    await phone.daemon.down()
    await laptop.json("attachments", "remove", "holiday video.mp4", "--yes")
    await phone.json("sync")
    expect(await listed(phone)).toEqual(["tenancy.txt whole"])
    for (const device of [laptop, phone]) expect(await names(device)).toHaveLength(1)
  })

  test("[R19] neither folder has anything of them that can be read", async () => {
    const secrets = [PASSAGE, "tenancy.txt", "holiday video.mp4"]
    for (const { folder } of [laptop, phone]) {
      expect(await searchFolder(folder, secrets)).toEqual([])
      expect(await folderBytes(folder)).toBeGreaterThan(CONTRACT.length)
    }
  })
})

async function listed(device: Device): Promise<readonly string[]> {
  const { attachments } = await device.json<{
    readonly attachments: readonly { readonly name: string; readonly here: string }[]
  }>("attachments")
  return attachments.map(({ name, here }) => `${name} ${here}`)
}

function names({ folder }: Device): Promise<readonly string[]> {
  return readdir(join(folder, "attachments"))
}

async function partBytes(device: Device): Promise<number> {
  const part = (await names(device)).find((name) => name.startsWith("part-"))
  if (part === undefined) return 0
  return (await stat(join(device.folder, "attachments", part))).size
}
