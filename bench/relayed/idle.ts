/**
 * What does a device take at a relay that has nothing to do? A relay's memory, before and after so many
 * have connected and watch their mailboxes; each half of them beside the other, for the noise.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, startChild } from "../child.ts"
import { fieldsOf, number, text } from "../json-fields.ts"
import { formatNumber, formatTable } from "../table.ts"
import { RELAY_FLAGS } from "./relayed.ts"

const KIB = 1024
/** Before the first is counted, everything was met once. */
const WARM_UP = 20

export interface IdleReport {
  readonly devices: number
  /** With none. */
  readonly bareBytes: number
  /** Of the first half of the devices and of the second, each. */
  readonly residentBytesEach: readonly [number, number]
  readonly heapBytesEach: readonly [number, number]
}

/** @param devices - Half of them at a time: two or more. */
export async function runIdle(
  devices: number,
  progress: (what: string) => void,
): Promise<IdleReport> {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-idle-"))
  try {
    await using relaying = startChild({
      script: "relayed/relay-process.ts",
      argument: join(folder, "relay"),
      flags: RELAY_FLAGS,
    })
    const relay = text(fieldsOf(await relaying.line()), "address")
    await using clients = startChild({
      script: "relayed/idle-process.ts",
      argument: JSON.stringify({ relay }),
    })
    await clients.line()
    const connect = async (count: number) => {
      clients.send(`connect ${count}`)
      await clients.line()
    }
    await connect(WARM_UP)
    const before = await memoryOf(relaying)
    const half = Math.ceil(devices / 2)
    progress(`${half} devices connect`)
    await connect(half)
    const between = await memoryOf(relaying)
    progress(`${half} more`)
    await connect(half)
    const after = await memoryOf(relaying)
    const each = (of: (memory: Memory) => number): readonly [number, number] => [
      (of(between) - of(before)) / half,
      (of(after) - of(between)) / half,
    ]
    return {
      devices: 2 * half,
      bareBytes: before.residentBytes,
      residentBytesEach: each((memory) => memory.residentBytes),
      heapBytesEach: each((memory) => memory.heapBytes),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Memory {
  readonly residentBytes: number
  readonly heapBytes: number
}

async function memoryOf(relay: Child): Promise<Memory> {
  relay.send("memory")
  const told = fieldsOf(await relay.line())
  return { residentBytes: number(told, "residentBytes"), heapBytes: number(told, "heapBytes") }
}

export function formatIdle(report: IdleReport): string {
  const { devices, bareBytes, residentBytesEach, heapBytesEach } = report
  const row = (name: string, [first, second]: readonly [number, number]) => [
    name,
    formatNumber(first / KIB),
    formatNumber(second / KIB),
    formatNumber((first + second) / 2 / KIB),
  ]
  return [
    formatTable([
      ["KiB a device", "first half", "second half", "all"],
      row("resident", residentBytesEach),
      row("JavaScript's heap", heapBytesEach),
    ]),
    `${devices.toLocaleString("en")} devices; the relay by itself ${formatNumber(bareBytes / KIB / KIB)} MiB`,
  ].join("\n")
}
