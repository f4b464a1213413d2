/**
 * Appends to a replica on a folder until it is killed, saying each entry once it is acknowledged:
 * `node appender.ts FOLDER NAME`. Meanwhile it merges what is due, as a device does.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises"
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { seededRandom } from "@fulcrum/crypto/random"
import { openLevelStore } from "@fulcrum/store/level"
import { append, openDevice } from "./device.ts"
import { spaceSecrets } from "./fixture.ts"

const [folder = "", name = ""] = process.argv.slice(2)
const device = await openDevice(spaceSecrets("kill"), `${name} ${process.pid}`, {
  store: await openLevelStore({ folder }),
  signer: generateSigningKey(seededRandom("the device's key")),
})
async function mergeAlways(): Promise<never> {
  for (;;) {
    await setImmediate()
    await device.replica.merging.merge()
  }
}
void mergeAlways()
for (let i = 0; ; i++) {
  await append(device, `${name} ${i}`)
  process.stdout.write(`${name} ${i}\n`)
}
