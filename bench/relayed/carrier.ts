/**
 * What writes entries at one end of a relay, or reads them at the other, and the process around it.
 *
 * A process prints what it is ready with. Then it takes lines: `write COUNT` is answered with a
 * {@link Written}, `until COUNT` with the time at which so many in all were here and could be read. Once
 * its input ends it checks all that it has against what was written, and ends.
 *
 * @module
 */
import { createInterface } from "node:readline"
import { fieldsOf, number, text } from "../json-fields.ts"

export interface Carrier extends AsyncDisposable {
  /**
   * Makes ready for so many more.
   *
   * @returns How many a second there would be without log, relay and disk; 0: nothing to say.
   */
  prepare(count: number): Promise<number>
  /** Writes so many more entries, each durable here when it resolves. */
  write(count: number): Promise<void>
  /** Resolves once so many in all are durable here and can be read. */
  until(total: number): Promise<void>
  /** @throws {Error} What is here is not what was written. */
  check(total: number): Promise<void>
}

/** Times are milliseconds by the machine's clock, which is the same for all processes. */
export interface Written {
  readonly beganMs: number
  readonly writtenMs: number
  readonly alonePerSecond: number
}

/** What a process is started with. */
export interface CarrierTask {
  readonly folder: string
  /** The relay's address. */
  readonly relay: string
  readonly isWriter: boolean
  /** Of all rounds together. */
  readonly entries: number
  /** What the writer was ready with, for the reader. */
  readonly told: string
}

/** Serves lines until there are no more. */
export async function serveCarrier(carrier: Carrier): Promise<void> {
  await using served = carrier
  let total = 0
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, argument] = line.split(" ")
    const count = Number(argument)
    if (command === "until") {
      total = count
      await served.until(total)
      say({ atMs: nowMs() })
    } else if (command === "write") {
      total += count
      const alonePerSecond = await served.prepare(count)
      const beganMs = nowMs()
      await served.write(count)
      say({ beganMs, writtenMs: nowMs(), alonePerSecond })
    } else {
      throw new TypeError(`'${line}' is not known`)
    }
  }
  await served.check(total)
}

export function writeTask({ isWriter, ...task }: CarrierTask): string {
  return JSON.stringify({ ...task, isWriter: isWriter ? 1 : 0 })
}

/** @throws {TypeError} */
export function readTask(argument: string | undefined): CarrierTask {
  const task = fieldsOf(argument)
  return {
    folder: text(task, "folder"),
    relay: text(task, "relay"),
    isWriter: number(task, "isWriter") === 1,
    entries: number(task, "entries"),
    told: text(task, "told"),
  }
}

/** @throws {TypeError} */
export function readWritten(line: string): Written {
  const told = fieldsOf(line)
  return {
    beganMs: number(told, "beganMs"),
    writtenMs: number(told, "writtenMs"),
    alonePerSecond: number(told, "alonePerSecond"),
  }
}

export function say(what: object): void {
  console.log(JSON.stringify(what))
}

function nowMs(): number {
  return performance.timeOrigin + performance.now()
}
