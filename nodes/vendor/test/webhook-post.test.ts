/**
 * Posting webhooks over real sockets on loopback.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Webhook } from "standardwebhooks"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { type Resolve, webhookPoster } from "../src/webhook-post.ts"

const SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
const BODY = JSON.stringify({ type: "share.changed", data: { name: "Zoë" } })

let server: Server
let port: number
let seen: { readonly headers: IncomingMessage["headers"]; readonly body: string }[]
let respond: (response: ServerResponse) => void

beforeEach(async () => {
  seen = []
  respond = (response) => response.writeHead(204).end()
  server = createServer((request, response) => {
    const parts: Uint8Array[] = []
    request.on("data", (part: Uint8Array) => parts.push(part))
    request.on("end", () => {
      seen.push({ headers: request.headers, body: Buffer.concat(parts).toString() })
      respond(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  port = typeof address === "object" && address !== null ? address.port : 0
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function post(url: string, options: { resolve?: Resolve; signal?: AbortSignal } = {}) {
  const { resolve, signal = AbortSignal.timeout(5000) } = options
  return webhookPoster(resolve === undefined ? {} : { resolve }).post({
    url,
    id: "event-1",
    timestamp: Math.floor(Date.now() / 1000),
    body: BODY,
    secret: SECRET,
    signal,
  })
}

describe("[R29] a webhook", () => {
  test("verifies with the library of Standard Webhooks, and with no other body", async () => {
    expect(await post(`http://127.0.0.1:${port}/in?x=1`)).toEqual({ status: 204 })
    const [got] = seen
    const headers = Object.fromEntries(
      Object.entries(got?.headers ?? {}).map(([name, value]) => [name, String(value)]),
    )
    expect(got?.body).toBe(BODY)
    expect(new Webhook(SECRET).verify(BODY, headers)).toEqual(JSON.parse(BODY))
    expect(() => new Webhook(SECRET).verify(`${BODY} `, headers)).toThrow()
    expect(headers).toMatchObject({ "webhook-id": "event-1", connection: "close" })
  })

  test("goes to this machine by its name", async () => {
    const resolve: Resolve = async () => [{ address: "127.0.0.1", family: 4 }]
    expect(await post(`http://localhost:${port}/`, { resolve })).toEqual({ status: 204 })
  })

  test("follows no redirect", async () => {
    respond = (response) => response.writeHead(302, { Location: "/elsewhere" }).end()
    expect(await post(`http://127.0.0.1:${port}/`)).toEqual({ status: 302 })
    expect(seen).toHaveLength(1)
  })

  test("does not read an answer without end", async () => {
    respond = (response) => {
      response.writeHead(200)
      const part = "x".repeat(16_384)
      const more = (): void => {
        while (!response.destroyed && response.write(part));
      }
      response.on("drain", more)
      more()
    }
    expect(await post(`http://127.0.0.1:${port}/`)).toEqual({ status: 200 })
  })

  test("ends when it is told to", async () => {
    respond = () => {}
    await expect(
      post(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(50) }),
    ).rejects.toThrow()
  })

  test.for([
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://[fd00::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://167772161/",
    "https://0x0a000001/",
    "http://192.168.0.1/",
    "http://crm.example/",
  ])("never connects to %s", async (url) => {
    const resolve: Resolve = async () => [{ address: "10.0.0.1", family: 4 }]
    await expect(post(url, { resolve })).rejects.toMatchObject({ code: "WEBHOOK_ADDRESS" })
  })

  test.for([
    { name: "a private address", answers: ["192.168.1.1"] },
    { name: "this machine", answers: ["127.0.0.1"] },
    { name: "a public address and a private one", answers: ["8.8.8.8", "10.0.0.1"] },
    { name: "nothing", answers: [] },
  ])("[E14] a name that leads to $name is not dialed", async ({ answers }) => {
    let asked = 0
    const resolve: Resolve = async () => {
      asked++
      return answers.map((address) => ({ address, family: 4 }))
    }
    await expect(post(`https://crm.example:${port}/`, { resolve })).rejects.toMatchObject({
      code: "WEBHOOK_ADDRESS",
    })
    // What was checked is what would have been dialed: it is not resolved a second time.
    expect(asked).toBe(1)
    expect(seen).toEqual([])
  })
})
