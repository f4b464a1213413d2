/**
 * What another process has in memory, as Linux shows it to whoever started it.
 *
 * @module
 */
import { type FileHandle, open, readFile } from "node:fs/promises"

/** Read at once; what is sought may lie across two such parts. */
const PART_BYTES = 16 << 20

/** @returns Which of the texts and bytes are anywhere in the memory that the process can write. */
export async function foundInMemory(
  pid: number,
  sought: ReadonlyMap<string, Uint8Array>,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  const overlap = Math.max(...[...sought.values()].map(({ length }) => length))
  const maps = await readFile(`/proc/${pid}/maps`, "utf8")
  const memory = await open(`/proc/${pid}/mem`, "r")
  try {
    for (const line of maps.split("\n")) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
      if (from === undefined || to === undefined) continue
      const end = BigInt(`0x${to}`)
      for (let at = BigInt(`0x${from}`); at < end; at += BigInt(PART_BYTES - overlap)) {
        const part = await readAt(memory, at, end)
        for (const [name, bytes] of sought) if (part.includes(Buffer.from(bytes))) found.add(name)
      }
    }
  } finally {
    await memory.close()
  }
  return found
}

/** Empty where the system keeps what lies there to itself, as of its own pages. */
async function readAt(memory: FileHandle, at: bigint, end: bigint): Promise<Buffer> {
  const length = Number(end - at < PART_BYTES ? end - at : BigInt(PART_BYTES))
  const buffer = Buffer.alloc(length)
  try {
    const { bytesRead } = await memory.read(buffer, 0, length, at)
    return buffer.subarray(0, bytesRead)
  } catch {
    return buffer.subarray(0, 0)
  }
}
