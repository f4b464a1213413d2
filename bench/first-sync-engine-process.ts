/**
 * What the two whole engines of the first sync and the process that starts them say to each other:
 * JSON objects, one as argument and one line of output.
 *
 * @module
 */
import { readShape } from "./first-sync-process.ts"
import { fieldsOf, number, numbers, text } from "./json-fields.ts"
import type { RecordShape } from "./seeded-record.ts"

export interface EngineReady {
  readonly address: string
  readonly codeAddress: string
}

export interface EngineTask extends EngineReady {
  readonly shape: RecordShape
  /** For the new devices' folders. */
  readonly folder: string
  readonly rounds: number
}

export interface EngineResult {
  readonly pairedMs: readonly number[]
  readonly wholeMs: readonly number[]
}

/** @throws {TypeError} */
export function readEngineReady(line: string | undefined): EngineReady {
  const ready = fieldsOf(line)
  return { address: text(ready, "address"), codeAddress: text(ready, "codeAddress") }
}

export function writeEngineTask({ shape, ...task }: EngineTask): string {
  return JSON.stringify({ ...task, ...shape })
}

/** @throws {TypeError} */
export function readEngineTask(argument: string | undefined): EngineTask {
  return {
    ...readEngineReady(argument),
    ...readShape(argument),
    rounds: number(fieldsOf(argument), "rounds"),
  }
}

/** @throws {TypeError} */
export function readEngineResult(line: string | undefined): EngineResult {
  const result = fieldsOf(line)
  return { pairedMs: numbers(result, "pairedMs"), wholeMs: numbers(result, "wholeMs") }
}
