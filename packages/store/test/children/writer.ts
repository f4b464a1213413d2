/**
 * Writes numbered batches, four at a time, and prints each number once it is acknowledged.
 *
 * `node writer.ts FOLDER FIRST` prints `open` first; it ends when it is killed.
 */
import { writeSync } from "node:fs"
import { openLevelStore } from "../../src/level.ts"
import { numberedBatch } from "./numbered-batch.ts"

const [folder = "", first = "0"] = process.argv.slice(2)
const store = await openLevelStore({ folder })
print("open")
let next = Number(first)
await Promise.all(
  Array.from({ length: 4 }, async () => {
    for (;;) {
      const batch = next++
      await store.write(numberedBatch(batch))
      print(String(batch))
    }
  }),
)

/** Past any buffer of ours: what was printed was printed when the kill comes. */
function print(line: string): void {
  writeSync(1, `${line}\n`)
}
