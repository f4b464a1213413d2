/**
 * What a command is: one function over an open record and whoever asked. It never prints; the
 * same function runs in the command line's own process and in the daemon.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { Person } from "@fulcrum/engine/person"
import type { Args } from "./args.ts"

/** How long a command without a daemon keeps the network open, unless told. */
export const WAIT_SECONDS_DEFAULT = 10

/** How often somebody at a terminal may type one thing, who may mistype it. */
export const ATTEMPTS = 3

/** Whatever `JSON.stringify` writes; what is `undefined` inside is left out. */
export type Document = object | string | number | boolean | null

/** What a command answers, for programs and for people. */
export interface Outcome {
  /** What `--json` prints. */
  readonly document: Document
  /** What people read, with the marks of `paint`; empty: nothing is printed. */
  readonly text: string
  /** The text is a file's content, to be written byte for byte. */
  readonly exact?: boolean
  /** It was answered, and the answer is bad news: exit status 1. */
  readonly failed?: boolean
  /** Above the text, on a screen that has room for both. */
  readonly drawing?: Drawing
}

export interface Drawing {
  /** What it shows, as `a QR code`. */
  readonly of: string
  /** Of one width; ink is dark, on a light ground. */
  readonly lines: readonly string[]
  /** What to do with it: below it, and nowhere if it is left out. */
  readonly caption: string
}

export interface Question {
  readonly text: string
  readonly kind: "yes-no" | "text"
  /** What Enter, and `--yes`, answer. */
  readonly default: string
  /** The same question for programs. */
  readonly document?: Document
  /** Told what was typed so far: what its end may go on as. Of a command that runs where it was asked. */
  readonly complete?: (typed: string) => { readonly words: readonly string[]; readonly end: string }
}

/** Whoever asked, at a terminal or behind the daemon's API. */
export interface Io {
  /** Somebody is there to be asked what need not be asked. */
  readonly interactive: boolean
  /** Passing news of long work, such as `3 of 12 files`. */
  progress(text: string): void
  /** One line that must be read whatever becomes of the output. */
  note(text: string): void
  /**
   * What has to be seen before the next question. Resolves once it was said.
   *
   * @throws Whoever asked is gone, or what is written to takes no more.
   */
  show(shown: Outcome): Promise<void>
  /** One of several answers of a command that goes on. */
  emit(outcome: Outcome): void
  /**
   * One that is not to be said again. Resolves once it was said.
   *
   * @throws As {@link Io.show}.
   */
  tell(outcome: Outcome): Promise<void>
  /** @throws {ProgramError} `ANSWER_ABSENT`: nobody is there. */
  ask(question: Question): Promise<string>
  /** What is in the file that was given as a parameter. */
  content(parameter: string): AsyncIterable<Uint8Array>
  /**
   * Writes the file that a parameter names, or one of this name where whoever asked is.
   *
   * @returns Where it is, once it is whole and on the disk. @throws {ProgramError} `FILE_EXISTS`.
   */
  save(parameter: string, name: string, content: AsyncIterable<Uint8Array>): Promise<string>
}

export interface CommandContext {
  readonly person: Person
  readonly args: Args
  readonly io: Io
  readonly clock: Clock
  readonly signal: AbortSignal
  /**
   * Brings what is to be sent to whoever can be reached, for as long as was asked.
   *
   * @returns What is still held here; `undefined` where the daemon goes on sending by itself.
   */
  settle(): Promise<readonly string[] | undefined>
  /**
   * Opens connections unless they are open, and listens for own devices if asked to.
   *
   * @param options.at - Multiaddrs; none: where this device always listens.
   * @throws {ProgramError} `USAGE`: the daemon, which runs this, listens where it does.
   */
  goOnline(options: { readonly listen: boolean; readonly at?: readonly string[] }): Promise<void>
}

/** `undefined`: all that it had to say was emitted. */
export type Command = (context: CommandContext) => Promise<Outcome | undefined>

/** @returns Whether the answer was yes; the default is yes. */
export function confirm(io: Io, text: string, document?: Document): Promise<boolean> {
  return asked(io, text, "yes", document)
}

/**
 * Asks about what cannot be undone: somebody at a terminal has to say yes. With `--yes`, or in a
 * script, the default is yes, as everywhere.
 */
export function confirmForGood(io: Io, text: string, document?: Document): Promise<boolean> {
  return asked(io, text, io.interactive ? "no" : "yes", document)
}

async function asked(
  io: Io,
  text: string,
  fallback: "yes" | "no",
  document: Document | undefined,
): Promise<boolean> {
  const answer = await io.ask({
    text,
    kind: "yes-no",
    default: fallback,
    ...(document !== undefined && { document }),
  })
  return answer === "yes"
}
