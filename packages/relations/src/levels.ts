/**
 * Levels: how far somebody has gone with a vendor, from what is disclosed.
 *
 * | level | name        | when                                                         |
 * | ----: | ----------- | ------------------------------------------------------------ |
 * |     0 | nameless    | no agreement                                                 |
 * |     1 | pseudonym   | agreed; nothing below is disclosed                           |
 * |     2 | contactable | an email address, a phone number or an online account        |
 * |     3 | deliverable | a postal address                                             |
 * |     4 | identified  | a name, a birthday, an identity or a means of payment        |
 * |     5 | continuous  | identified, and what identifies or reaches her is followed   |
 *
 * Source: DESIGN, "Record and shares" (levels).
 *
 * @module
 */
import type { DisclosureChoice } from "./disclosure.ts"
import { touches } from "./field-path.ts"

export type Level = 0 | 1 | 2 | 3 | 4 | 5

export const LEVEL_NAMES: readonly string[] = [
  "nameless",
  "pseudonym",
  "contactable",
  "deliverable",
  "identified",
  "continuous",
]

const CONTACT = ["card/emails", "card/phones", "card/onlineServices"]
const DELIVERY = ["card/addresses"]
const IDENTITY = ["card/name", "card/anniversaries", "identities", "payments"]

export function levelOf(input: {
  readonly agreed: boolean
  readonly disclosures: readonly DisclosureChoice[]
}): Level {
  if (!input.agreed) return 0
  const has = (places: readonly string[], choices: readonly DisclosureChoice[]): boolean =>
    choices.some(({ path }) => places.some((place) => touches(path, place)))
  const { disclosures } = input
  if (has(IDENTITY, disclosures)) {
    const followed = disclosures.filter((one) => one.follows)
    return has([...IDENTITY, ...DELIVERY, ...CONTACT], followed) ? 5 : 4
  }
  if (has(DELIVERY, disclosures)) return 3
  return has(CONTACT, disclosures) ? 2 : 1
}
