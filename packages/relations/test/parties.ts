/**
 * A vendor and a person for tests, all from one seed.
 *
 * @module
 */
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import { type Random, seededRandom } from "@fulcrum/crypto/random"
import { generateWrapKey, type WrapKey } from "@fulcrum/crypto/wrap"
import { draftRequest, type SignedRequest, signRequest } from "../src/request.ts"
import type { RequestDraft } from "../src/request-form.ts"

export const random: Random = seededRandom("relations tests")
export const vendor: SigningKey = generateSigningKey(random)
export const vendorWrap: WrapKey = generateWrapKey(random)
export const person: SigningKey = generateSigningKey(random)
export const stranger: SigningKey = generateSigningKey(random)

export const draft: RequestDraft = {
  name: "Bücher Müller",
  domain: "buecher.example",
  agreements: ["SD-BASE", "SD-BASE-A"],
  fields: [
    {
      path: "card/emails/home",
      purpose: "dpv:ServiceProvision",
      retention: "P2Y",
      required: true,
      why: "to send your receipt",
    },
    {
      path: "card/addresses/home",
      purpose: "dpv:DeliveryOfGoods",
      retention: "P1Y",
      required: false,
      why: "to send your books",
    },
  ],
}

export function makeRequest(changes: Partial<RequestDraft> = {}): SignedRequest {
  const own = { vendor: vendor.publicKey, wrap: vendorWrap.publicKey, made: "2026-06-01" }
  return signRequest(vendor, draftRequest({ ...draft, ...changes }, own))
}
