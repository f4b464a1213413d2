/**
 * The 13 agreements of the W3C Data Privacy Vocabulary's extension for IEEE 7012, with the terms
 * that each stands for. The identifiers and terms are the extension's (version 2.3); conformance
 * to IEEE 7012 is not claimed.
 *
 * Copyright © 2026 World Wide Web Consortium, https://www.w3.org/copyright/software-license-2023/
 * (this file includes material derived from https://w3id.org/dpv/standards/ieee/7012).
 *
 * @module
 */
import { RelationsError } from "./relations-error.ts"

export const AGREEMENT_IRI = "https://w3id.org/dpv/standards/ieee/7012#"
/** Under which the extension published them before. */
export const AGREEMENT_OLD_IRI = "https://w3id.org/dpv/standards/p7012#"

/** What the vendor must, may or must not do; `yes`: allowed. */
export type Term = "must" | "may" | "yes" | "no"

export interface AgreementTerms {
  readonly serviceDelivery: Term
  /** By the vendor itself, the second party. */
  readonly analytics2P: Term
  readonly tracking2P: Term
  readonly profiling2P: Term
  /** Sharing anonymised data with third parties. */
  readonly shareAnonymised3P: Term
  readonly dataPortability: Term
  readonly thirdPartyAnalyticsTrackingProfiling: Term
}

export interface StandardAgreement {
  readonly id: string
  readonly iri: string
  readonly terms: AgreementTerms
  /** Earlier ids. */
  readonly aliases: readonly string[]
  /** One line for people. */
  readonly summary: string
}

/** In the order of the extension's table. */
export const AGREEMENTS: readonly StandardAgreement[] = [
  ...["", "-A", "-AT", "-ATP", "-ATP-S3P"].flatMap((uses) => [
    serviceDelivery(uses, "may"),
    serviceDelivery(uses, "must"),
  ]),
  personalDataContribution("PDC-INTENT", "Use of a published intent to answer it, no more"),
  personalDataContribution("PDC-AI", "Contribution of data to train AI, no more"),
  personalDataContribution("PDC-GOOD", "Contribution of data to a common good, no more"),
]

/**
 * Finds an agreement by id, earlier id, or IRI, new or old.
 *
 * @throws {RelationsError} `AGREEMENT_UNKNOWN`.
 */
export function findAgreement(idOrIri: string): StandardAgreement {
  const found = agreementNamed(idOrIri)
  if (found !== undefined) return found
  throw new RelationsError("AGREEMENT_UNKNOWN", "no such agreement")
}

/** The same, `undefined` if there is none. */
export function agreementNamed(idOrIri: string): StandardAgreement | undefined {
  const id = idOrIri.startsWith(AGREEMENT_IRI)
    ? idOrIri.slice(AGREEMENT_IRI.length)
    : idOrIri.startsWith(AGREEMENT_OLD_IRI)
      ? idOrIri.slice(AGREEMENT_OLD_IRI.length)
      : idOrIri
  return AGREEMENTS.find((one) => one.id === id || one.aliases.includes(id))
}

function serviceDelivery(uses: string, dataPortability: "may" | "must"): StandardAgreement {
  const may = (letter: string): Term => (uses.includes(letter) ? "yes" : "no")
  const suffix = dataPortability === "must" ? "-DP" : ""
  const id = `SD-BASE${uses}${suffix}`
  const allowed = [
    ...(uses.startsWith("-A") ? ["analytics"] : []),
    ...(uses.startsWith("-AT") ? ["tracking"] : []),
    ...(uses.startsWith("-ATP") ? ["profiling"] : []),
    ...(uses.endsWith("-S3P") ? ["sharing anonymised data"] : []),
  ]
  const also = allowed.length === 0 ? "nothing else" : `also ${allowed.join(", ")}`
  const portable = dataPortability === "must" ? "; data must be portable" : ""
  return {
    id,
    iri: `${AGREEMENT_IRI}${id}`,
    terms: {
      serviceDelivery: "must",
      analytics2P: may("-A"),
      tracking2P: may("-AT"),
      profiling2P: may("-ATP"),
      shareAnonymised3P: may("-S3P"),
      dataPortability,
      thirdPartyAnalyticsTrackingProfiling: "no",
    },
    aliases: [`SD-BY${uses}${suffix}`],
    summary: `Use for the service alone, ${also}${portable}`,
  }
}

function personalDataContribution(id: string, summary: string): StandardAgreement {
  return {
    id,
    iri: `${AGREEMENT_IRI}${id}`,
    terms: {
      serviceDelivery: "must",
      analytics2P: "no",
      tracking2P: "no",
      profiling2P: "no",
      shareAnonymised3P: "no",
      dataPortability: "must",
      thirdPartyAnalyticsTrackingProfiling: "no",
    },
    aliases: [],
    summary,
  }
}
