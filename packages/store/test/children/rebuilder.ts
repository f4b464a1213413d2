/**
 * Makes a store anew again and again, each time one more than it was. Prints the number once it is in
 * place.
 *
 * Argument: the folder.
 */
import { rm } from "node:fs/promises"
import { bytesToUtf8, utf8ToBytes } from "@fulcrum/codec/bytes"
import { rebuildStore } from "../../src/level-rebuilding.ts"

const KEY = utf8ToBytes("number")
const [folder = ""] = process.argv.slice(2)
for (;;) {
  const { result, kept } = await rebuildStore(folder, async (damaged, into) => {
    const held = await damaged.get(KEY)
    const next = held === undefined ? 0 : Number(bytesToUtf8(held)) + 1
    await into.write([{ type: "put", key: KEY, value: utf8ToBytes(`${next}`) }])
    return next
  })
  console.log(result)
  await rm(kept, { recursive: true })
}
