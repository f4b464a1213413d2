/**
 * Somebody who answers from a list, and remembers what was shown.
 *
 * @module
 */
import type { Io, Outcome, Question } from "../src/command.ts"
import { ProgramError } from "../src/program-error.ts"

export class MemoryIo implements Io {
  readonly interactive: boolean
  readonly notes: string[] = []
  readonly shown: Outcome[] = []
  readonly emitted: Outcome[] = []
  readonly asked: Question[] = []
  readonly #answers: string[]

  constructor(answers: readonly string[] = [], options: { readonly interactive?: boolean } = {}) {
    this.#answers = [...answers]
    this.interactive = options.interactive ?? false
  }

  progress(): void {}

  note(text: string): void {
    this.notes.push(text)
  }

  async show(shown: Outcome): Promise<void> {
    this.shown.push(shown)
  }

  emit(outcome: Outcome): void {
    this.emitted.push(outcome)
  }

  async tell(outcome: Outcome): Promise<void> {
    this.emitted.push(outcome)
  }

  /** What is in each file that a parameter names, and where what was saved is. */
  readonly files: Map<string, Uint8Array> = new Map()

  async *content(parameter: string): AsyncGenerator<Uint8Array, void, undefined> {
    const bytes = this.files.get(parameter)
    if (bytes !== undefined) yield bytes
  }

  async save(
    _parameter: string,
    name: string,
    content: AsyncIterable<Uint8Array>,
  ): Promise<string> {
    const parts: Uint8Array[] = []
    for await (const part of content) parts.push(part)
    this.files.set(name, new Uint8Array(Buffer.concat(parts)))
    return name
  }

  async ask(question: Question): Promise<string> {
    this.asked.push(question)
    const answer = this.#answers.shift()
    if (answer === undefined) throw new ProgramError("ANSWER_ABSENT", "no answer", "answer")
    return answer
  }
}
