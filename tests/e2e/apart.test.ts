/**
 * Own devices on hosts of their own, by real cables: two that reach only a relay, as behind two NATs (what
 * is sent to the other is never answered), then with a way between them; and two on one local network.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { Device } from "../harness/device.ts"
import { Hosts } from "../harness/hosts.ts"
import { addDevice } from "../harness/pairing.ts"
import { Stage } from "../harness/programs.ts"
import { Service } from "../harness/service.ts"
import { until } from "../harness/until.ts"

/** A dial that nobody answers takes 10 s: whatever waits for one takes longer than this. */
const SOON_MS = 8_000
const NAME = "card/name/full"

type DeviceRows = readonly { readonly name: string; readonly connected: boolean }[]

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

async function untilReads(device: Device, value: string): Promise<void> {
  const isThere = async () => (await device.get(NAME).catch(() => undefined)) === value
  await until(isThere, { what: `${device.name} reads ${value}` })
}

describe("[P52] two devices that reach only a relay", () => {
  let hosts: Hosts | undefined
  let stage: Stage
  let relay: Service
  let laptop: Device
  let phone: Device

  beforeAll(async () => {
    stage = await Stage.create()
    hosts = await Hosts.create(["laptop", "phone", "relay"])
    if (hosts === undefined) return
    hosts.connect({ host: "laptop", address: "10.91.1.2" }, { host: "relay", address: "10.91.1.1" })
    hosts.connect({ host: "phone", address: "10.91.2.2" }, { host: "relay", address: "10.91.2.1" })
    hosts.route("laptop", "10.91.1.1")
    hosts.route("phone", "10.91.2.1")
    for (const name of ["laptop", "phone", "relay"]) stage.place(name, hosts.on(name))
    const listen = ["10.91.1.1", "10.91.2.1"].flatMap((one) => ["--listen", `/ip4/${one}/tcp/4001`])
    relay = new Service(stage, { program: "fulcrum-relay", home: "relay", args: ["up", ...listen] })
    await relay.up()
    laptop = apart("laptop", "10.91.1.1")
    await laptop.init()
    await laptop.daemon.up()
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
    await hosts?.[Symbol.asyncDispose]()
  })
  beforeEach((ctx) => {
    if (hosts === undefined) ctx.skip("network namespaces are not to be had here")
  })

  /** One that listens as a person's does. */
  function apart(name: string, by: string): Device {
    const address = relay.ready.addresses.find((one) => one.includes(by)) ?? ""
    const device = new Device(stage, { name, relay: address })
    device.daemon.args = ["up", "--no-mdns"]
    return device
  }

  test("pair without waiting for each other in vain", async () => {
    const ms = await msOf(async () => {
      phone = (await addDevice(stage, laptop, "phone")).device
    })
    phone.daemon.args = ["up", "--no-mdns"]
    expect(ms).toBeLessThan(SOON_MS + 2_000)
  })

  test("have each other's edits at once, and say where they are", async () => {
    await phone.daemon.up()
    await laptop.json("set", NAME, "Ada from the laptop")
    expect(await msOf(() => untilReads(phone, "Ada from the laptop"))).toBeLessThan(SOON_MS)
    await phone.json("set", NAME, "Ada from the phone")
    expect(await msOf(() => untilReads(laptop, "Ada from the phone"))).toBeLessThan(SOON_MS)
    const devices = await phone.json<DeviceRows>("devices")
    expect(devices.find(({ name }) => name === "laptop")).toMatchObject({ connected: false })
  })

  test("do not wait for each other in a single command either", async () => {
    await phone.daemon.down()
    for (const command of [["set", NAME, "Ada alone"], ["sync"]]) {
      expect(await msOf(() => phone.json(...command))).toBeLessThan(SOON_MS)
    }
    await untilReads(laptop, "Ada alone")
  })

  test("go on directly once there is a way, without the relay", async () => {
    hosts?.connect(
      { host: "laptop", address: "10.91.3.1" },
      { host: "phone", address: "10.91.3.2" },
    )
    // Where it is now is in the record when it starts, and comes by the relay.
    await laptop.daemon.down()
    await laptop.daemon.up()
    await phone.daemon.up()
    const isConnected = async () => {
      const devices = await phone.json<DeviceRows>("devices")
      return devices.some(({ name, connected }) => name === "laptop" && connected)
    }
    await until(isConnected, { what: "the phone is connected to the laptop" })
    await relay.down()
    await laptop.json("set", NAME, "Ada directly", "--wait", "1")
    await untilReads(phone, "Ada directly")
  })
})

test("[N42] two devices on one local network pair by the code alone", async (ctx) => {
  const hosts = await Hosts.create(["desk", "sofa"])
  if (hosts === undefined) return ctx.skip("network namespaces are not to be had here")
  await using stage = await Stage.create()
  await using _ = hosts
  hosts.connect({ host: "desk", address: "10.91.1.1" }, { host: "sofa", address: "10.91.1.2" })
  hosts.route("desk", "10.91.1.2")
  hosts.route("sofa", "10.91.1.1")
  for (const name of ["desk", "sofa"]) stage.place(name, hosts.on(name))
  await stage.json("fulcrum", "desk", ["init", "--name", "desk", "--no-passphrase"])
  const pair = await stage.start("fulcrum", "desk", ["pair", "--yes", "--json"])
  const line = await pair.line((text) => text.includes('"code"'))
  const { code }: { readonly code: string } = JSON.parse(line)
  const joining = ["join", code, "--name", "sofa", "--no-passphrase", "--yes"]
  await stage.json("fulcrum", "sofa", joining)
  expect(await pair.finished).toMatchObject({ status: 0 })
  const devices = await stage.json<DeviceRows>("fulcrum", "desk", ["devices"])
  expect(devices.map(({ name }) => name)).toEqual(["desk", "sofa"])
})
