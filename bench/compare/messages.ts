/**
 * What the processes of the comparing bench and the one that starts them say to each other: JSON
 * objects, as argument and as lines.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import { type Fields, fields, fieldsOf, number, text } from "../json-fields.ts"
import type { RecordShape } from "../seeded-record.ts"

export interface ProcessTask {
  /** By its id. */
  readonly contestant: string
  readonly shape: RecordShape
  readonly folder: string
}

export interface ServerReady {
  readonly port: number
  readonly invitation: JsonValue
}

export interface CloneResult {
  /** From when it connects until all is here. */
  readonly wholeMs: number
  /** Until all can be read. */
  readonly readableMs: number
  /** Of all TCP connections that it opened meanwhile. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** The most that its process has had resident yet. */
  readonly peakBytes: number
}

export function writeTask(task: ProcessTask): string {
  return JSON.stringify(task)
}

/** @throws {TypeError} */
export function readTask(argument: string | undefined): ProcessTask {
  const task = fieldsOf(argument)
  return {
    contestant: text(task, "contestant"),
    shape: shapeOf(fields(task.get("shape"))),
    folder: text(task, "folder"),
  }
}

export function writeServerReady(ready: ServerReady): string {
  return JSON.stringify(ready)
}

/** @throws {TypeError} */
export function readServerReady(line: string): ServerReady {
  const ready = fieldsOf(line)
  return { port: number(ready, "port"), invitation: jsonOf(ready.get("invitation")) }
}

/** @throws {TypeError} */
export function readCloneResult(line: string): CloneResult {
  const result = fieldsOf(line)
  return {
    wholeMs: number(result, "wholeMs"),
    readableMs: number(result, "readableMs"),
    bytesIn: number(result, "bytesIn"),
    bytesOut: number(result, "bytesOut"),
    peakBytes: number(result, "peakBytes"),
  }
}

function shapeOf(shape: Fields): RecordShape {
  return { edits: number(shape, "edits"), documents: number(shape, "documents") }
}

/** What came out of `JSON.parse` is JSON. */
function jsonOf(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value ?? null))
}
