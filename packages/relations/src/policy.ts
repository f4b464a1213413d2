/**
 * Policy: what a vendor answers by itself, to a proffered agreement and to each change.
 *
 * @module
 */
import { base64urlToBytes, equalBytes } from "@fulcrum/codec/bytes"
import type { Agreement } from "./agreement.ts"
import { agreementNamed } from "./agreements.ts"
import { addDays } from "./day.ts"
import { isWithin } from "./field-path.ts"
import type { PersonItem, RejectionCode } from "./lane.ts"
import type { SignedRequest } from "./request.ts"

export type RefusalCode =
  | "terms_not_accepted"
  | "request_unknown"
  | "vendor_mismatch"
  | "field_not_requested"
  | "field_terms_differ"
  | "required_field_missing"
  | "terms_expired"
  | "terms_not_begun"

export type Decision =
  | { readonly outcome: "agreed" }
  | { readonly outcome: "refused"; readonly code: RefusalCode; readonly reason: string }

/**
 * Decides about a proffered agreement whose person's signature was checked. A counter-offer is
 * not made yet: what is not accepted is refused.
 *
 * @param input.accepted - Ids or IRIs of the agreements that the vendor accepts now.
 * @param input.today - Day at the vendor.
 */
export function decide(input: {
  readonly request: SignedRequest
  readonly agreement: Agreement
  readonly accepted: readonly string[]
  readonly today: string
}): Decision {
  const { agreement, request, today } = input
  const terms = agreementNamed(agreement.agreement)
  const accepted = input.accepted.map((one) => agreementNamed(one)?.iri)
  if (terms === undefined || !accepted.includes(terms.iri)) {
    return refused("terms_not_accepted", "We do not accept these terms.")
  }
  if (!equalBytes(base64urlToBytes(agreement.request), request.hash)) {
    return refused("request_unknown", "This answers another request.")
  }
  if (agreement.vendor !== request.request.key) {
    return refused("vendor_mismatch", "This agreement names another vendor.")
  }
  if (agreement.until < today) return refused("terms_expired", "This agreement has ended.")
  if (agreement.from > nextDays(today)) {
    return refused("terms_not_begun", "This agreement begins later.")
  }
  return decideFields(agreement, request)
}

/** Clocks differ, and so do days around the world. */
function nextDays(today: string): string {
  return addDays(today, 2)
}

function decideFields(agreement: Agreement, { request }: SignedRequest): Decision {
  for (const { path, purpose, retention } of agreement.fields) {
    const asked = request.fields.filter((one) => isWithin(path, one.path))
    if (asked.length === 0) {
      return refused("field_not_requested", `We did not ask for ${path}.`)
    }
    if (!asked.some((one) => one.purpose === purpose && one.retention === retention)) {
      return refused("field_terms_differ", `We asked for ${path} for another purpose or time.`)
    }
  }
  const missing = request.fields.find(
    (asked) => asked.required && !agreement.fields.some(({ path }) => isWithin(path, asked.path)),
  )
  if (missing !== undefined) {
    return refused("required_field_missing", `We cannot do without ${missing.path}.`)
  }
  return { outcome: "agreed" }
}

function refused(code: RefusalCode, reason: string): Decision {
  return { outcome: "refused", code, reason }
}

export type Judgement =
  | { readonly outcome: "accepted" }
  | {
      readonly outcome: "rejected"
      readonly code: RejectionCode
      readonly retry: "no" | "later" | "changed"
    }

/**
 * Decides about one entry of the person's lane, as a whole: every register must be at or below
 * what was agreed on, and the agreement must not have ended.
 */
export function judgeEntry(input: {
  readonly agreement: Agreement
  readonly items: readonly PersonItem[]
  readonly today: string
}): Judgement {
  const { agreement, items, today } = input
  if (agreement.until < today) return { outcome: "rejected", code: "terms_expired", retry: "no" }
  for (const item of items) {
    const paths =
      item.kind === "put" ? [item.value.path] : item.value.before.map(({ path }) => path)
    for (const path of paths) {
      const fields = agreement.fields.filter((one) => isWithin(path, one.path))
      if (fields.length === 0) {
        return { outcome: "rejected", code: "field_not_agreed", retry: "no" }
      }
      if (fields.every(({ until }) => until < today)) {
        return { outcome: "rejected", code: "terms_expired", retry: "no" }
      }
    }
  }
  return { outcome: "accepted" }
}
