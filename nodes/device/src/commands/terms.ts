/**
 * `fulcrum terms list`.
 *
 * @module
 */
import type { CommandContext, Outcome } from "../command.ts"
import { table, tone } from "../text.ts"

export async function termsList({ person }: CommandContext): Promise<Outcome> {
  const terms = await person.terms()
  return {
    document: terms,
    text: table(terms.map(({ id, summary }) => [tone("strong", id), summary])),
  }
}
