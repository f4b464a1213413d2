/**
 * Appends to a replica on a folder until it is killed, saying each entry once it is acknowledged:
 * `node appender.ts FOLDER NAME`.
 *
 * @module
 */
import { openLevelStore } from "@fulcrum/store/level"
import { append, openDevice } from "./device.ts"
import { spaceSecrets } from "./fixture.ts"

const [folder = "", name = ""] = process.argv.slice(2)
const device = await openDevice(spaceSecrets("kill"), `${name} ${process.pid}`, {
  store: await openLevelStore({ folder }),
})
for (let i = 0; ; i++) {
  await append(device, `${name} ${i}`)
  process.stdout.write(`${name} ${i}\n`)
}
