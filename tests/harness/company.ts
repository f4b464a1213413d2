/**
 * A company: a vendor node by its command line, and the system that its webhook tells.
 *
 * @module
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Stage } from "./programs.ts"
import { Service } from "./service.ts"
import { WebhookReceiver } from "./webhook-receiver.ts"

export interface CompanyOptions {
  /** Its data folder. */
  readonly home: string
  readonly name: string
  readonly domain: string
  readonly relay: string
  readonly fields: readonly RequestedField[]
}

export interface RequestedField {
  readonly path: string
  readonly purpose: string
  readonly retention: string
  readonly required: boolean
  readonly why: string
}

export class Company implements AsyncDisposable {
  readonly name: string
  readonly receiver: WebhookReceiver
  /** `fulcrum-vendor up`. */
  readonly node: Service
  readonly #stage: Stage
  readonly #options: CompanyOptions

  private constructor(stage: Stage, options: CompanyOptions, receiver: WebhookReceiver) {
    this.name = options.name
    this.receiver = receiver
    this.#stage = stage
    this.#options = options
    this.node = new Service(stage, {
      program: "fulcrum-vendor",
      home: options.home,
      args: ["up", "--relay", options.relay, "--no-relay"],
    })
  }

  static async create(stage: Stage, options: CompanyOptions): Promise<Company> {
    return new Company(stage, options, await WebhookReceiver.start())
  }

  get folder(): string {
    return this.#stage.home(this.#options.home)
  }

  json<T = unknown>(...args: readonly string[]): Promise<T> {
    return this.#stage.json<T>("fulcrum-vendor", this.#options.home, args)
  }

  /** Makes the vendor, publishes what it asks for, and adds its webhook. */
  async setUp(): Promise<void> {
    const { name, domain, home, fields } = this.#options
    const file = join(this.#stage.folder, `${home}-request.json`)
    await writeFile(file, JSON.stringify({ name, domain, agreements: ["SD-BASE"], fields }))
    await this.json("init", "--name", name, "--domain", domain)
    await this.json("terms", "accept", "SD-BASE")
    await this.json("request", "edit", file)
    const hook = await this.json<{ readonly secret: string }>("hook", "add", this.receiver.url)
    this.receiver.expectSecret(hook.secret)
  }

  async invite(): Promise<string> {
    return (await this.json<{ readonly invitation: string }>("invite")).invitation
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.receiver[Symbol.asyncDispose]()
  }
}
