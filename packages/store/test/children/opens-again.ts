/**
 * Opens a folder's store again and again, writes a record of its own each time, and closes it.
 *
 * Arguments: folder, name, how many times. Prints `code CODE` for each opening that is refused, and
 * `wrote N` once N of its records are flushed.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises"
import { StoreError } from "../../src/contract.ts"
import { openLevelStore } from "../../src/level.ts"

const [folder = "", name = "", times = "0"] = process.argv.slice(2)
const bytes = (text: string) => new TextEncoder().encode(text)
let written = 0
for (let at = 0; written < Number(times) && at < 400; at++) {
  try {
    const store = await openLevelStore({ folder })
    await store.write([{ type: "put", key: bytes(`${name} ${written}`), value: bytes(name) }])
    console.log(`wrote ${++written}`)
    await store.close()
  } catch (error) {
    console.log(`code ${error instanceof StoreError ? error.code : String(error)}`)
  }
  await sleep(1 + ((at * 7) % 11))
}
