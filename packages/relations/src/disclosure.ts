/**
 * Disclosures as a person writes them: `PATH` follows later changes, `PATH:once` does not.
 *
 * Parts and coarsenings (`PATH:prefix2`, `PATH:over18`, `PATH:alias`) are understood and not there
 * yet: they raise `NOT_YET` rather than give away the whole field.
 *
 * @module
 */
import { isFieldPath } from "./field-path.ts"
import { RelationsError } from "./relations-error.ts"

export interface DisclosureChoice {
  readonly path: string
  /** Whether the vendor also gets later changes. */
  readonly follows: boolean
}

const PART = /:(?:prefix\d{1,2}|suffix\d{1,2}|over\d{1,3}|alias|year|country)$/

/** @throws {RelationsError} `DISCLOSURE_INVALID`, `NOT_YET`. */
export function parseDisclosure(typed: string): DisclosureChoice {
  const text = typed.trim()
  if (PART.test(text)) {
    throw new RelationsError("NOT_YET", "a part of a field cannot be disclosed yet; nothing was")
  }
  const once = text.endsWith(":once")
  const path = once ? text.slice(0, -":once".length) : text
  if (!isFieldPath(path)) {
    throw new RelationsError("DISCLOSURE_INVALID", "not a field that can be disclosed")
  }
  return { path, follows: !once }
}

/**
 * Several at once, as on a command line; none twice.
 *
 * @throws {RelationsError} `DISCLOSURE_INVALID`, `NOT_YET`.
 */
export function parseDisclosures(typed: readonly string[]): readonly DisclosureChoice[] {
  const choices = typed.map(parseDisclosure)
  if (new Set(choices.map((one) => one.path)).size !== choices.length) {
    throw new RelationsError("DISCLOSURE_INVALID", "a field named twice")
  }
  return choices
}

export function formatDisclosure({ path, follows }: DisclosureChoice): string {
  return follows ? path : `${path}:once`
}
