/**
 * What is shown of a vendor's customers: plain data from their books.
 *
 * @module
 */
import { type JsonValue, parseJson } from "@fulcrum/codec/json"
import { exportAgreement } from "@fulcrum/relations/agreement"
import { SIGNED_JSON_LIMITS } from "@fulcrum/relations/signed-json"
import type { AgreementView, CustomerView, DisclosureView } from "./vendor.ts"
import type { VendorCustomer } from "./vendor-customer.ts"

export function customerView(customer: VendorCustomer, nowMs: number): CustomerView {
  const { id, record, agreement, books } = customer
  const fields = [...books.fields(nowMs).values()]
  return {
    id,
    did: agreement.person,
    state: books.state === "agreed" ? (customer.isFrozen ? "frozen" : "agreed") : "refused",
    refusal: books.refused,
    since: record.since,
    note: record.note,
    agreement: agreement.agreement,
    until: agreement.until,
    held: fields.filter(({ held, value }) => held && value !== undefined).length,
    pending: customer.pending.length,
  }
}

/** One line for each field that was agreed on. */
export function disclosureViews(
  { id, agreement, books }: VendorCustomer,
  nowMs: number,
): readonly DisclosureView[] {
  if (books.state !== "agreed") return []
  const fields = books.fields(nowMs)
  return agreement.fields.map((field): DisclosureView => {
    const known = fields.get(field.path)
    const isHeld = known?.held === true
    const state = !isHeld ? "awaited" : known.value === undefined ? "cleared" : "held"
    const pending = (known?.pending ?? []).map(({ from, zone, value }) => ({
      from,
      zone,
      value,
    }))
    return { customer: id, ...field, state, value: known?.value, pending }
  })
}

export function agreementView({ id, record, agreement, books }: VendorCustomer): AgreementView {
  const { person: did, agreement: terms, from, until } = agreement
  const vendorSignature = books.agreed?.signature
  const shown = { customer: id, did, agreement: terms, from, until }
  if (vendorSignature === undefined) return { ...shown, state: "refused" }
  const { agreement: bytes, signature: personSignature } = record
  const signed = exportAgreement({ bytes, personSignature, vendorSignature })
  return { ...shown, state: "agreed", signed }
}

/** One customer in the document that `export` writes; absent is `null`. */
export function exportedCustomer(customer: VendorCustomer, nowMs: number): JsonValue {
  const { id, did, state, since, note, until } = customerView(customer, nowMs)
  const { signed } = agreementView(customer)
  return {
    id,
    did,
    state,
    since,
    until,
    note: note ?? null,
    agreement: signed === undefined ? null : parseJson(signed, SIGNED_JSON_LIMITS),
    disclosures: disclosureViews(customer, nowMs).map((one) => ({
      path: one.path,
      state: one.state,
      value: one.value ?? null,
      purpose: one.purpose,
      retention: one.retention,
      until: one.until,
      follow: one.follow,
      pending: one.pending.map(({ from, zone, value }) => ({
        from,
        zone: zone ?? null,
        value: value ?? null,
      })),
    })),
  }
}
