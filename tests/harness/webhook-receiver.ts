/**
 * A company's CRM as a webhook sees it: a plain HTTP server that keeps what it was sent and checks
 * every signature with the stock `standardwebhooks` library.
 *
 * @module
 */
import { createServer, type Server } from "node:http"
import { Webhook } from "standardwebhooks"

export interface ReceivedEvent {
  readonly id: string
  readonly type: string
  readonly data: unknown
  /** The request's body as it came. */
  readonly body: string
}

export class WebhookReceiver implements AsyncDisposable {
  readonly url: string
  /** Events whose signature verified, in the order of their coming; a repeated id is kept too. */
  readonly events: ReceivedEvent[] = []
  /** Requests whose signature did not. */
  readonly refused: string[] = []
  /** Every byte of every body, for searching. */
  readonly bodies: string[] = []
  /** Answer with this status instead of 204, to play a CRM that is out of order. */
  status = 204
  #secret: string | undefined
  readonly #server: Server

  private constructor(server: Server, port: number) {
    this.#server = server
    this.url = `http://127.0.0.1:${port}/hook`
  }

  static async start(): Promise<WebhookReceiver> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    const receiver = new WebhookReceiver(server, address.port)
    server.on("request", (request, response) => {
      const parts: Buffer[] = []
      request.on("data", (part: Buffer) => parts.push(part))
      request.on("end", () => {
        receiver.#take(Buffer.concat(parts).toString("utf8"), request.headers)
        response.writeHead(receiver.status).end()
      })
    })
    return receiver
  }

  /** The secret that `fulcrum-vendor hook add` printed. */
  expectSecret(secret: string): void {
    this.#secret = secret
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #take(body: string, headers: NodeJS.Dict<string | string[]>): void {
    this.bodies.push(body)
    try {
      const flat = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, String(value)]),
      )
      new Webhook(this.#secret ?? "").verify(body, flat)
      const { type, data } = JSON.parse(body)
      if (this.status < 300) {
        this.events.push({ id: String(headers["webhook-id"]), type, data, body })
      }
    } catch (error) {
      this.refused.push(String(error))
    }
  }
}
