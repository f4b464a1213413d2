/**
 * Posts webhooks as Standard Webhooks signs them: `webhook-id`, `webhook-timestamp` and
 * `webhook-signature` over the very bytes of the body.
 *
 * Only https, or http to this machine; no redirects, no proxies, no cookies, no connection kept.
 * The address is checked as it is dialed. Of an answer only its status is used; what comes with it
 * is dropped unread past a bound.
 *
 * Source: SECURITY R29.
 *
 * @module
 */
import { type LookupAddress, lookup } from "node:dns"
import { request as httpRequest, type RequestOptions } from "node:http"
import { request as httpsRequest } from "node:https"
import { isIP, type LookupFunction } from "node:net"
import type { WebhookPost } from "@fulcrum/engine/vendor-hooks"
import { Webhook } from "standardwebhooks"
import { isLoopbackHost, mayPost } from "./address-check.ts"
import { ProgramError } from "./program-error.ts"

/** Bytes of an answer's body that are read before the connection is dropped. */
const ANSWER_BYTES_MAX = 64 * 1024
const HEADER_BYTES_MAX = 16 * 1024

/** All addresses of a name, in the resolver's order. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>

export interface WebhookPosterOptions {
  /** Absent: the system's resolver. */
  readonly resolve?: Resolve
  /** PEM of further certificate authorities, for tests. */
  readonly ca?: string
}

export function webhookPoster(options: WebhookPosterOptions = {}): WebhookPost {
  const { resolve = systemResolve, ca } = options
  return {
    async post({ url, id, timestamp, body, secret, signal }) {
      const target = new URL(url)
      const signature = new Webhook(secret).sign(id, new Date(timestamp * 1000), body)
      const bytes = Buffer.from(body)
      const settings: RequestOptions = {
        method: "POST",
        agent: false,
        maxHeaderSize: HEADER_BYTES_MAX,
        signal,
        lookup: checkedLookup(resolve),
        headers: {
          "Content-Type": "application/json; charset=utf-8",
          "Content-Length": bytes.length,
          "User-Agent": "fulcrum-vendor",
          "webhook-id": id,
          "webhook-timestamp": String(timestamp),
          "webhook-signature": signature,
        },
      }
      checkTarget(target)
      return send(target, settings, bytes, ca)
    },
  }
}

/** Names are checked when they are resolved; a literal address is dialed without that. */
function checkTarget({ protocol, hostname }: URL): void {
  const isSafe = protocol === "https:" || (protocol === "http:" && isLoopbackHost(hostname))
  if (!isSafe) throw blocked()
  const host = hostname.replace(/^\[|\]$/g, "")
  if (isIP(host) !== 0 && !mayPost(hostname, host)) throw blocked()
}

/** Answers with the first address that may be dialed, or fails: what is dialed was checked. */
function checkedLookup(resolve: Resolve): LookupFunction {
  return (hostname, { all = false }, done) => {
    resolve(hostname).then(
      (addresses) => {
        const allowed = addresses.filter(({ address }) => mayPost(hostname, address))
        const [first] = allowed
        // A name that also points inside is not trusted with the rest either.
        if (first === undefined || allowed.length < addresses.length) done(blocked(), "", 0)
        else if (all) done(null, [...allowed])
        else done(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => done(error, "", 0),
    )
  }
}

function send(
  target: URL,
  settings: RequestOptions,
  body: Uint8Array,
  ca: string | undefined,
): Promise<{ readonly status: number }> {
  return new Promise((resolve, reject) => {
    const request =
      target.protocol === "https:"
        ? httpsRequest(target, { ...settings, ...(ca !== undefined && { ca }) })
        : httpRequest(target, settings)
    request.on("error", reject)
    request.on("response", (response) => {
      const status = response.statusCode ?? 0
      let read = 0
      response.on("data", (part: Uint8Array) => {
        read += part.length
        if (read > ANSWER_BYTES_MAX) response.destroy()
      })
      response.on("error", () => resolve({ status }))
      response.on("close", () => resolve({ status }))
    })
    request.end(body)
  })
}

function systemResolve(hostname: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses)
      else reject(error)
    })
  })
}

function blocked(): ProgramError {
  return new ProgramError(
    "WEBHOOK_ADDRESS",
    "a hook's address leads into a private network",
    "use a public https address, or one of this machine",
  )
}
