/**
 * What the two processes of the first sync and the one that starts them say to each other: JSON
 * objects, one as argument and one line of output.
 *
 * @module
 */
import { fields, fieldsOf, number, numbers, text } from "./json-fields.ts"
import type { RecordShape } from "./seeded-record.ts"

/** Asked for with a u32, big-endian; answered with so many bytes in messages. */
export const CHANNEL_PROTOCOL = "/fulcrum/bench/channel/1"

/** What is timed, in milliseconds. */
export const TIMED = [
  /** From the dial until all is durable and every document was read. */
  "first sync",
  /** The same once more: what differs is noise. */
  "first sync again",
  /** Of it: until the channel was open. */
  "dialed",
  /** Of it: from the open channel until the last entry was durable. */
  "durable",
  /** Of it: from then until every document was made of its entries and read. */
  "read",
  /** The same bytes, from the dial, over the product's channel alone. */
  "channel alone",
  /** The same bytes, from the dial, over a bare libp2p stream. */
  "bare stream",
  /** Automerge's own load of the same documents. */
  "automerge load",
] as const

export type Timed = (typeof TIMED)[number]

export interface SenderReady {
  readonly address: string
  readonly bareAddress: string
  readonly digest: string
}

export interface ReceiverTask extends SenderReady {
  readonly shape: RecordShape
  /** Empty, for the rounds' stores. */
  readonly folder: string
  readonly roundsMin: number
  readonly roundsMax: number
  /** No round begins after so long, once there are `roundsMin`. */
  readonly budgetMs: number
  readonly senderPid: number
}

export interface ReceiverResult {
  /** The very first sync in a fresh process: nothing compiled, no cache warm. */
  readonly coldMs: number
  readonly samples: Readonly<Record<Timed, readonly number[]>>
  /** On the socket, both ways: with the transport's handshake, encryption and frames. */
  readonly socketBytesIn: number
  readonly socketBytesOut: number
  readonly savedBytes: number
  /** Largest resident memory of the receiving process, over all rounds. */
  readonly peakBytes: number
  /** Cores that other programs used meanwhile; -1 where that cannot be told. */
  readonly foreignCores: number
}

/** @throws {TypeError} */
export function readShape(argument: string | undefined): {
  readonly shape: RecordShape
  readonly folder: string
} {
  const task = fieldsOf(argument)
  return {
    shape: { edits: number(task, "edits"), documents: number(task, "documents") },
    folder: text(task, "folder"),
  }
}

/** @throws {TypeError} */
export function readReady(line: string | undefined): SenderReady {
  const ready = fieldsOf(line)
  return {
    address: text(ready, "address"),
    bareAddress: text(ready, "bareAddress"),
    digest: text(ready, "digest"),
  }
}

export function writeTask({ shape, ...task }: ReceiverTask): string {
  return JSON.stringify({ ...task, ...shape })
}

/** @throws {TypeError} */
export function readTask(argument: string | undefined): ReceiverTask {
  const task = fieldsOf(argument)
  return {
    ...readReady(argument),
    ...readShape(argument),
    roundsMin: number(task, "roundsMin"),
    roundsMax: number(task, "roundsMax"),
    budgetMs: number(task, "budgetMs"),
    senderPid: number(task, "senderPid"),
  }
}

/** @throws {TypeError} */
export function readResult(line: string | undefined): ReceiverResult {
  const result = fieldsOf(line)
  const samples = fields(result.get("samples"))
  const of = (name: Timed): readonly number[] => numbers(samples, name)
  return {
    coldMs: number(result, "coldMs"),
    samples: {
      "first sync": of("first sync"),
      "first sync again": of("first sync again"),
      dialed: of("dialed"),
      durable: of("durable"),
      read: of("read"),
      "channel alone": of("channel alone"),
      "bare stream": of("bare stream"),
      "automerge load": of("automerge load"),
    },
    socketBytesIn: number(result, "socketBytesIn"),
    socketBytesOut: number(result, "socketBytesOut"),
    savedBytes: number(result, "savedBytes"),
    peakBytes: number(result, "peakBytes"),
    foreignCores: number(result, "foreignCores"),
  }
}
