/**
 * A command's arguments by name, whether they came from a command line or as JSON.
 *
 * @module
 */
import { base64urlToBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { GivenFile } from "./local-files.ts"
import { ProgramError } from "./program-error.ts"

/**
 * `files` are `{name, bytes}`, the bytes in base64url; of an `input` these are the file's name and its
 * size, and its content is asked for. What an `output` is stays with whoever asked.
 */
export type ParameterKind = "text" | "texts" | "flag" | "number" | "files" | "input" | "output"

export interface Parameter {
  readonly name: string
  readonly kind: ParameterKind
  readonly isRequired: boolean
}

export interface FileArgument {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Items of one argument: a person types a few, a script some more. */
export const ARGUMENT_ITEMS_MAX = 1_000

/** Asking for what the catalog does not declare is a mistake of the command. */
export class Args {
  readonly #values: ReadonlyMap<string, JsonValue>
  readonly #parameters: readonly Parameter[]

  private constructor(values: ReadonlyMap<string, JsonValue>, parameters: readonly Parameter[]) {
    this.#values = values
    this.#parameters = parameters
  }

  /** @throws {ProgramError} `USAGE`: one is missing, unknown or of another kind. */
  static read(given: JsonValue, parameters: readonly Parameter[]): Args {
    if (typeof given !== "object" || given === null || isArray(given)) {
      throw wrong("arguments come as one object")
    }
    const values = new Map<string, JsonValue>()
    for (const [name, value] of Object.entries(given)) {
      const parameter = parameters.find((known) => known.name === name)
      if (parameter === undefined) throw wrong(`there is no argument '${name.slice(0, 40)}'`)
      if (!isOfKind(value, parameter.kind)) throw wrong(`'${name}' is not of its kind`)
      values.set(name, value)
    }
    for (const { name, kind, isRequired } of parameters) {
      // What an output is stays with whoever asked, and was asked for there.
      if (isRequired && kind !== "output" && !values.has(name)) throw wrong(`'${name}' is missing`)
    }
    return new Args(values, parameters)
  }

  text(name: string): string {
    const value = this.optionalText(name)
    if (value === undefined) throw new TypeError(`argument ${name} is required`)
    return value
  }

  optionalText(name: string): string | undefined {
    const value = this.#get(name, "text")
    return typeof value === "string" ? value : undefined
  }

  texts(name: string): readonly string[] {
    const value = this.#get(name, "texts")
    return isArray(value) ? value.filter((item) => typeof item === "string") : []
  }

  flag(name: string): boolean {
    return this.#get(name, "flag") === true
  }

  number(name: string): number | undefined {
    const value = this.#get(name, "number")
    return typeof value === "number" ? value : undefined
  }

  files(name: string): readonly FileArgument[] {
    const value = this.#get(name, "files")
    if (!isArray(value)) return []
    return value.filter(isFile).map((file) => ({ name: file.name, bytes: readBytes(file.bytes) }))
  }

  input(name: string): GivenFile {
    const value = this.#get(name, "input")
    if (value === undefined || !isGiven(value)) throw new TypeError(`no file ${name}`)
    return { name: value.name, bytes: value.bytes }
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  #get(name: string, kind: ParameterKind): JsonValue | undefined {
    if (!this.#parameters.some((known) => known.name === name && known.kind === kind)) {
      throw new TypeError(`the command declares no ${kind} ${name}`)
    }
    return this.#values.get(name)
  }
}

function isOfKind(value: JsonValue, kind: ParameterKind): boolean {
  switch (kind) {
    case "text":
      return typeof value === "string"
    case "texts":
      return isArray(value) && isShort(value) && value.every((item) => typeof item === "string")
    case "flag":
      return typeof value === "boolean"
    case "number":
      return typeof value === "number" && value >= 0
    case "files":
      return isArray(value) && isShort(value) && value.every(isFile)
    case "input":
      return isGiven(value)
    case "output":
      return false
  }
}

function isFile(value: JsonValue): value is { readonly name: string; readonly bytes: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    !isArray(value) &&
    typeof value.name === "string" &&
    typeof value.bytes === "string"
  )
}

function isGiven(value: JsonValue): value is { readonly name: string; readonly bytes: number } {
  return (
    typeof value === "object" &&
    value !== null &&
    !isArray(value) &&
    typeof value.name === "string" &&
    typeof value.bytes === "number" &&
    Number.isSafeInteger(value.bytes) &&
    value.bytes >= 0
  )
}

function readBytes(text: string): Uint8Array {
  try {
    return base64urlToBytes(text)
  } catch (cause) {
    throw wrong("a file's bytes are not base64url", cause)
  }
}

function isShort(items: readonly JsonValue[]): boolean {
  return items.length <= ARGUMENT_ITEMS_MAX
}

function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

function wrong(message: string, cause?: unknown): ProgramError {
  return new ProgramError("USAGE", message, "see `fulcrum --help`", { cause })
}
