/**
 * What the record's documents may hold: names, kinds and the few rules that keep a typing
 * mistake from being stored.
 *
 * `card` is a JSContact card (RFC 9553, with the phonetics and languages of RFC 9982 where they
 * are part of these objects); its extension properties, with a colon in the name, and what a
 * vCard had besides (`vCardProps`, RFC 9555) may hold anything. The other documents are ours:
 *
 * | document        | entry fields                                                          |
 * | --------------- | --------------------------------------------------------------------- |
 * | `identities/*`  | `kind` (`own`, `customer`), `label`, `number`, `name`, `vendor`, `domain`, `relationship`, `did`, `issuer`, `validFrom`, `validUntil`, `note` |
 * | `payments/*`    | `kind` (`card`, `account`, `token`), `label`, `holder`, `lastFour`, `expires`, `iban`, `bic`, `provider`, `token`, `billing`, `note` |
 * | `things/*`      | `name`, `maker`, `model`, `serialNumber`, `relationship`, `bought`, `price`, `currency`, `warrantyUntil`, `warranty`, `papers/*` (`name`, `uri`, `mediaType`), `note` |
 * | `preferences/*` | anything                                                              |
 *
 * `terms`, `intents`, `moves`, `devices` and `relationships/<id>` belong to the layers above and
 * hold anything.
 *
 * @module
 */
import { DOCUMENT_FAMILIES, DOCUMENT_NAMES } from "./documents.ts"

export type PathNode =
  | { readonly kind: "text"; readonly pattern?: RegExp; readonly example?: string }
  | { readonly kind: "number"; readonly min: number; readonly max: number }
  | { readonly kind: "flag" }
  /** An array of such items; one register. */
  | { readonly kind: "list"; readonly of: PathNode }
  /** Any id, each with such a value. */
  | { readonly kind: "map"; readonly of: PathNode }
  | ObjectNode
  | { readonly kind: "any" }

export interface ObjectNode {
  readonly kind: "object"
  readonly fields: ReadonlyMap<string, PathNode>
  /** What a plain text sets, and which fields it makes untrue. */
  readonly main?: { readonly field: string; readonly clears: readonly string[] }
}

const text: PathNode = { kind: "text" }
const flag: PathNode = { kind: "flag" }
const any: PathNode = { kind: "any" }
const flags = mapOf(flag)
const texts = mapOf(text)
const pref: PathNode = { kind: "number", min: 1, max: 100 }
const count: PathNode = { kind: "number", min: 0, max: Number.MAX_SAFE_INTEGER }
const uri: PathNode = {
  kind: "text",
  pattern: /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/,
  example: "https://example.org",
}
const language: PathNode = { kind: "text", pattern: /^[A-Za-z0-9-]{1,64}$/, example: "en" }
const date: PathNode = { kind: "text", pattern: /^\d{4}-\d\d(?:-\d\d)?$/, example: "2027-12-31" }
const timestampText: PathNode = {
  kind: "text",
  pattern: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d*[1-9])?Z$/,
  example: "2027-12-31T12:00:00Z",
}

const phonetic = { phoneticScript: text, phoneticSystem: text }
const component = object({ kind: text, value: text, phonetic: text, language })
const resource = {
  kind: text,
  uri,
  mediaType: text,
  contexts: flags,
  pref,
  label: text,
}
const author = object({ name: text, uri })

const card: ObjectNode = object({
  version: text,
  uid: text,
  created: timestampText,
  updated: timestampText,
  kind: text,
  language,
  members: flags,
  prodId: text,
  relatedTo: mapOf(object({ relation: flags })),
  name: object(
    {
      full: text,
      components: { kind: "list", of: component },
      isOrdered: flag,
      defaultSeparator: text,
      sortAs: texts,
      ...phonetic,
    },
    {
      field: "full",
      clears: [
        "components",
        "isOrdered",
        "defaultSeparator",
        "sortAs",
        "phoneticScript",
        "phoneticSystem",
      ],
    },
  ),
  nicknames: mapOf(object({ name: text, contexts: flags, pref }, main("name"))),
  organizations: mapOf(
    object(
      {
        name: text,
        sortAs: text,
        units: { kind: "list", of: object({ name: text, sortAs: text }) },
        contexts: flags,
      },
      main("name"),
    ),
  ),
  speakToAs: object({
    grammaticalGender: text,
    pronouns: mapOf(object({ pronouns: text, contexts: flags, pref }, main("pronouns"))),
  }),
  titles: mapOf(object({ name: text, kind: text, organizationId: text }, main("name"))),
  emails: mapOf(
    object(
      {
        address: { kind: "text", pattern: /^[^\s@]+@[^\s@]+$/, example: "anna@example.org" },
        contexts: flags,
        pref,
        label: text,
      },
      main("address"),
    ),
  ),
  onlineServices: mapOf(
    object({ service: text, uri, user: text, contexts: flags, pref, label: text }, main("user")),
  ),
  phones: mapOf(
    object({ number: text, features: flags, contexts: flags, pref, label: text }, main("number")),
  ),
  preferredLanguages: mapOf(object({ language, contexts: flags, pref }, main("language"))),
  calendars: mapOf(object(resource, main("uri"))),
  schedulingAddresses: mapOf(object({ uri, contexts: flags, pref, label: text }, main("uri"))),
  addresses: mapOf(
    object(
      {
        full: text,
        components: { kind: "list", of: component },
        isOrdered: flag,
        defaultSeparator: text,
        countryCode: { kind: "text", pattern: /^[A-Za-z]{2}$/, example: "DE" },
        coordinates: uri,
        timeZone: text,
        contexts: flags,
        pref,
        label: text,
        ...phonetic,
      },
      {
        field: "full",
        // What says where the old place is would be untrue of the new one.
        clears: [
          "components",
          "isOrdered",
          "defaultSeparator",
          "countryCode",
          "coordinates",
          "timeZone",
          "phoneticScript",
          "phoneticSystem",
        ],
      },
    ),
  ),
  cryptoKeys: mapOf(object(resource, main("uri"))),
  directories: mapOf(object({ ...resource, listAs: count }, main("uri"))),
  links: mapOf(object(resource, main("uri"))),
  media: mapOf(object(resource, main("uri"))),
  localizations: any,
  anniversaries: mapOf(
    object({
      kind: text,
      date: object({
        year: count,
        month: { kind: "number", min: 1, max: 12 },
        day: { kind: "number", min: 1, max: 31 },
        calendarScale: text,
        utc: timestampText,
      }),
      place: any,
      contexts: flags,
    }),
  ),
  keywords: flags,
  notes: mapOf(
    object({ note: text, created: timestampText, author, contexts: flags }, main("note")),
  ),
  personalInfo: mapOf(
    object({ kind: text, value: text, level: text, listAs: count, label: text }, main("value")),
  ),
})

const identities = mapOf(
  object(
    {
      kind: text,
      label: text,
      number: text,
      name: text,
      vendor: text,
      domain: text,
      relationship: text,
      did: text,
      issuer: text,
      validFrom: date,
      validUntil: date,
      note: text,
    },
    main("number"),
  ),
)

const payments = mapOf(
  object({
    kind: text,
    label: text,
    holder: text,
    lastFour: { kind: "text", pattern: /^\d{4}$/, example: "1234" },
    expires: date,
    iban: {
      kind: "text",
      pattern: /^[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}$/,
      example: "DE02 1203 0000 0000 2020 51",
    },
    bic: text,
    provider: text,
    token: text,
    billing: text,
    note: text,
  }),
)

const things = mapOf(
  object(
    {
      name: text,
      maker: text,
      model: text,
      serialNumber: text,
      relationship: text,
      bought: date,
      price: text,
      currency: text,
      warrantyUntil: date,
      warranty: text,
      papers: mapOf(object({ name: text, uri, mediaType: text }, main("name"))),
      note: text,
    },
    main("name"),
  ),
)

/** By document, or family of documents. */
export type KnownPaths = ReadonlyMap<string, PathNode>

export const KNOWN_PATHS: KnownPaths = new Map<string, PathNode>([
  ...[...DOCUMENT_NAMES, ...DOCUMENT_FAMILIES].map((name): [string, PathNode] => [name, any]),
  ["card", card],
  ["identities", identities],
  ["payments", payments],
  ["things", things],
  ["preferences", mapOf(any)],
])

/** What people call a thing, beside its own name: for suggestions only. */
export const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ["mail", "emails"],
  ["tel", "phones"],
  ["telephone", "phones"],
  ["mobile", "phones"],
  ["cell", "phones"],
  ["org", "organizations"],
  ["company", "organizations"],
  ["birthday", "anniversaries"],
  ["bday", "anniversaries"],
  ["url", "links"],
  ["website", "links"],
  ["photo", "media"],
  ["contact", "card"],
  ["profile", "card"],
])

function object(
  fields: { readonly [name: string]: PathNode },
  mainField?: NonNullable<ObjectNode["main"]>,
): ObjectNode {
  const node: ObjectNode = { kind: "object", fields: new Map(Object.entries(fields)) }
  return mainField === undefined ? node : { ...node, main: mainField }
}

function mapOf(of: PathNode): PathNode {
  return { kind: "map", of }
}

function main(field: string): NonNullable<ObjectNode["main"]> {
  return { field, clears: [] }
}
