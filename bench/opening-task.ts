/**
 * What the processes of the opening bench and the one that starts them say to each other: JSON
 * objects, one as argument and one line of output.
 *
 * @module
 */
import { fieldsOf, number, text } from "./json-fields.ts"

export interface OpeningTask {
  readonly folder: string
  /** In hex. */
  readonly vaultKey: string
  readonly documents: number
  /** It makes the record; absent: it opens it. */
  readonly makes: boolean
}

/** Times since the opening began; resident memory since before it. */
export interface OpeningResult {
  readonly openMs: number
  /** Until one document was read. */
  readonly readMs: number
  /** Until every one was read, one after the other. */
  readonly allMs: number
  readonly openBytes: number
  readonly allBytes: number
  /** Documents that were loaded. */
  readonly loadedToOpen: number
  readonly loadedToRead: number
}

export function writeOpeningTask(task: OpeningTask): string {
  return JSON.stringify({ ...task, makes: task.makes ? 1 : 0 })
}

/** @throws {TypeError} */
export function readOpeningTask(argument: string | undefined): OpeningTask {
  const task = fieldsOf(argument)
  return {
    folder: text(task, "folder"),
    vaultKey: text(task, "vaultKey"),
    documents: number(task, "documents"),
    makes: number(task, "makes") === 1,
  }
}

/** @throws {TypeError} */
export function readOpeningResult(line: string | undefined): OpeningResult {
  const result = fieldsOf(line)
  const names = ["openMs", "readMs", "allMs", "openBytes", "allBytes"] as const
  const [openMs = 0, readMs = 0, allMs = 0, openBytes = 0, allBytes = 0] = names.map((name) =>
    number(result, name),
  )
  return {
    ...{ openMs, readMs, allMs, openBytes, allBytes },
    loadedToOpen: number(result, "loadedToOpen"),
    loadedToRead: number(result, "loadedToRead"),
  }
}
