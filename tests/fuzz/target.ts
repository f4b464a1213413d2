/**
 * What is fuzzed: something of the product that takes bytes from outside, and inputs to begin with.
 *
 * @module
 */

/** What the mutators know of an input's form. */
export type InputForm =
  | "bytes"
  /** Canonical CBOR, in which byte strings may be CBOR again. */
  | "cbor"
  | "json"
  /** Text in lines, such as a vCard. */
  | "lines"

export interface FuzzTarget {
  readonly name: string
  readonly form: InputForm
  /** Whether an input is several messages, one after another: see `messages.ts`. */
  readonly isSequence?: boolean
  /** Longest input that is made. */
  readonly bytesMax?: number
  /** Words of the format that chance alone would not find. */
  readonly tokens?: readonly (string | Uint8Array)[]
  /** Fewer than usual where one input is slow, so that what was new is found sooner. */
  readonly batch?: number
  /** Makes what is needed, once for each worker. */
  open(): OpenTarget | Promise<OpenTarget>
}

export interface OpenTarget {
  /** Made by the product's own encoders. */
  readonly seeds: readonly Uint8Array[]
  /** Classes of errors that the package raises for bad input; each has a `code`. */
  readonly errors: readonly ErrorClass[]
  /**
   * Gives one input to the product. It must do the same each time for the same bytes.
   *
   * @returns A short word for what came of it, without anything that grows with the input: a word
   * never seen before makes an input worth keeping. Whatever is thrown that is none of `errors` is
   * a find.
   */
  run(input: Uint8Array): string | undefined | Promise<string | undefined>
  close?(): Promise<void>
}

export type ErrorClass = abstract new (...given: never[]) => Error & { readonly code: string }

/** What a target itself found to be wrong, such as a value that does not encode to its bytes. */
export class BrokenProperty extends Error {
  override readonly name = "BrokenProperty"
}

export function holds(isTrue: boolean, property: string): void {
  if (!isTrue) throw new BrokenProperty(property)
}
