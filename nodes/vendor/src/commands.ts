/**
 * The commands over open books: what each takes, does and answers. A command never prints: the
 * same function runs in the command line's own process and behind the daemon's API.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { Vendor } from "@fulcrum/engine/vendor"
import { AGREEMENTS } from "@fulcrum/relations/agreements"
import { usage } from "./program-error.ts"

/** What `JSON.stringify` writes; what is `undefined` inside is left out. */
export type Document = object

/** A command's arguments, from a command line or as JSON. */
export type Arguments = Readonly<Record<string, JsonValue>>

export interface Answer {
  readonly document: Document
  /** It was answered, and the answer is bad news: exit status 1. */
  readonly failed?: boolean
}

export type Command = (vendor: Vendor, given: Arguments) => Promise<Answer>

export const COMMANDS: Readonly<Record<string, Command>> = {
  "request-edit": async (vendor, given) => {
    const request = await vendor.editRequest(given.request)
    return { document: { ...request, findings: vendor.lintRequest() } }
  },
  "request-show": async (vendor) => {
    const request = vendor.request()
    if (request === undefined) vendor.lintRequest()
    return { document: { ...request } }
  },
  "request-lint": async (vendor, given) => {
    const findings = vendor.lintRequest(given.request)
    return { document: { findings }, failed: findings.some((one) => one.severity === "error") }
  },
  "terms-accept": async (vendor, given) => {
    await vendor.acceptTerms(texts(given, "ids"))
    return termsOf(vendor)
  },
  "terms-drop": async (vendor, given) => {
    await vendor.dropTerms(texts(given, "ids"))
    return termsOf(vendor)
  },
  "terms-list": async (vendor) => termsOf(vendor),
  invite: async (vendor, given) => {
    const note = given.note === undefined ? undefined : text(given, "note")
    const waitMs = typeof given.wait === "number" ? Math.min(given.wait, 600) * 1000 : 0
    const invited = await vendor.invite({ isPublic: given.public === true, note, waitMs })
    const { invitation, isPublic, pending } = invited
    return { document: { invitation, public: isPublic, note, pending } }
  },
  "hook-add": async (vendor, given) => {
    const { hook, secret } = await vendor.addHook(text(given, "url"))
    return { document: { id: hook.id, url: hook.url, secret } }
  },
  "hook-list": async (vendor) => ({
    document: {
      hooks: vendor.hooks().map(({ id, url, isDisabled }) => ({ id, url, disabled: isDisabled })),
    },
  }),
  "hook-replay": async (vendor, given) => {
    const replayed = await vendor.replay(given.all === true ? undefined : text(given, "id"))
    return { document: { replayed } }
  },
  customers: async (vendor) => ({ document: { customers: vendor.customers() } }),
  disclosures: async (vendor, given) => {
    const customer = given.customer === undefined ? undefined : text(given, "customer")
    return { document: { disclosures: vendor.disclosures(customer) } }
  },
  agreements: async (vendor) => ({ document: { agreements: vendor.agreements() } }),
  queue: async (vendor) => ({
    document: { waiting: vendor.queue(), dead: vendor.deadLetters() },
  }),
  export: async (vendor) => ({ document: { ...Object(vendor.exportBooks()) } }),
  status: async (vendor) => ({ document: vendor.status() }),
}

function termsOf(vendor: Vendor): Answer {
  const accepted = vendor.terms()
  return {
    document: {
      terms: AGREEMENTS.map(({ id, iri, summary }) => ({
        id,
        iri,
        accepted: accepted.includes(iri),
        summary,
      })),
    },
  }
}

function text(given: Arguments, name: string): string {
  const value = given[name]
  if (typeof value !== "string" || value === "" || value.length > 4096) {
    throw usage(`'${name}' is missing or too long`)
  }
  return value
}

function texts(given: Arguments, name: string): readonly string[] {
  const value = given[name]
  if (!Array.isArray(value)) throw usage(`'${name}' is missing`)
  const items: readonly unknown[] = value
  if (items.length === 0 || items.length > 64) throw usage(`'${name}' takes 1 to 64 items`)
  return items.map((one) => {
    if (typeof one !== "string") throw usage(`'${name}' takes texts`)
    return one
  })
}
