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

  show(shown: Outcome): void {
    this.shown.push(shown)
  }

  emit(outcome: Outcome): void {
    this.emitted.push(outcome)
  }

  async tell(outcome: Outcome): Promise<void> {
    this.emitted.push(outcome)
  }

  async ask(question: Question): Promise<string> {
    this.asked.push(question)
    const answer = this.#answers.shift()
    if (answer === undefined) throw new ProgramError("ANSWER_ABSENT", "no answer", "answer")
    return answer
  }
}
