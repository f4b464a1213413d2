/**
 * Who is in the demo: Mara's card, and three companies with what each asks for.
 *
 * @module
 */
import { join } from "node:path"
import type { CompanyOptions } from "../harness/company.ts"

/** As her phone exports it. She is made up, and so are the numbers. */
export const CARD: string = join(import.meta.dirname, "mara-whitlock.vcf")

export const NEW_ADDRESS = "Seeweg 3, 6005 Luzern"
export const NEW_EMAIL = "mara@seeweg.example"

export type CastCompany = Omit<CompanyOptions, "relay"> & {
  /** What Mara gives it. */
  readonly disclose: readonly string[]
  /** The same, in words. */
  readonly gets: string
}

export const SHOP: CastCompany = {
  home: "shop",
  name: "Alpine Outfitters",
  domain: "alpine-outfitters.example",
  disclose: ["card/name", "card/addresses/home"],
  gets: "name and address",
  fields: [
    field("card/name", "dpv:ServiceProvision", "P2Y", "so that the parcel finds you"),
    field("card/addresses/home", "dpv:ServiceProvision", "P2Y", "to deliver what you order"),
  ],
}

export const NEWSLETTER: CastCompany = {
  home: "newsletter",
  name: "Harbour Letters",
  domain: "harbour-letters.example",
  disclose: ["card/emails/home/address"],
  gets: "e-mail alone",
  fields: [
    field("card/emails/home/address", "dpv:ServiceProvision", "P1Y", "to send you the letter"),
  ],
}

export const FORUM: CastCompany = {
  home: "forum",
  name: "Tidewater Forum",
  domain: "tidewater.example",
  disclose: [],
  gets: "nothing but a pseudonym",
  fields: [
    { ...field("card/name", "dpv:Personalisation", "P1Y", "to greet you"), required: false },
    { ...field("card/addresses/home", "dpv:Marketing", "P1Y", "to meet nearby"), required: false },
  ],
}

function field(path: string, purpose: string, retention: string, why: string) {
  return { path, purpose, retention, why, required: true }
}
