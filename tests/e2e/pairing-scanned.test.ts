/**
 * A device joins by what a QR code says, and nothing more: real folders, real processes, loopback.
 *
 * @module
 */
import { formatScannedCode, parseScannedCode } from "@fulcrum/access/scanned-code"
import { afterAll, beforeAll, expect, test } from "vitest"
import { Device } from "../harness/device.ts"
import { compareWords } from "../harness/pairing.ts"
import { type Running, Stage } from "../harness/programs.ts"
import { Service } from "../harness/service.ts"
import { until } from "../harness/until.ts"

const NAME = "card/name/full"

let stage: Stage
let relay: Service

beforeAll(async () => {
  stage = await Stage.create()
  const args = ["up", "--listen", "/ip4/127.0.0.1/tcp/0"]
  relay = new Service(stage, { program: "fulcrum-relay", home: "relay", args })
  await relay.up()
})
afterAll(() => stage[Symbol.asyncDispose]())

/** A device with a record that shows a code on the loopback address alone. */
async function shown(phone: Device): Promise<{ readonly pair: Running; readonly uri: string }> {
  await phone.json("set", NAME, "Ada")
  const pair = await phone.start("pair", "--listen", "/ip4/127.0.0.1/tcp/0")
  const line = await until(() => pair.lines.find((text) => text.includes('"uri"')), {
    what: "a code to scan",
    everyMs: 25,
  })
  const { uri }: { readonly uri: string } = JSON.parse(line)
  return { pair, uri }
}

/** @returns What the new device has as the record's name, once both commands have ended. */
async function joined(pair: Running, laptop: Device, uri: string): Promise<unknown> {
  const join = await laptop.start("join", uri, "--name", laptop.name, "--no-passphrase")
  expect(await compareWords(pair, join)).toBe(true)
  expect(await join.finished).toMatchObject({ status: 0 })
  expect(await pair.finished).toMatchObject({ status: 0 })
  return await laptop.get(NAME)
}

test("[P90] `join URI` finds the other device at its own address", async () => {
  const [phone, laptop] = ["phone", "laptop"].map((name) => new Device(stage, { name, relay: "" }))
  if (!phone || !laptop) throw new TypeError("two devices")
  await phone.json("init", "--name", "phone", "--no-passphrase")
  const { pair, uri } = await shown(phone)
  expect(parseScannedCode(uri)).toMatchObject({ relays: [], addresses: [expect.any(String)] })
  expect(await joined(pair, laptop, uri)).toBe("Ada")
})

test("[P90] `join URI` finds the other device through a relay alone", async () => {
  const where = { relay: relay.ready.addresses[0] ?? "" }
  const phone = new Device(stage, { name: "far phone", ...where })
  await phone.init()
  const { pair, uri } = await shown(phone)
  const code = parseScannedCode(uri)
  expect(code.relays).toEqual([where.relay])
  const noWay = formatScannedCode({ ...code, addresses: [] })
  expect(await joined(pair, new Device(stage, { name: "far laptop", ...where }), noWay)).toBe("Ada")
})
