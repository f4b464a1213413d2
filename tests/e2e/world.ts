/**
 * Everybody in the main job: a relay, a person's devices and three companies, each given less than
 * the one before.
 *
 * @module
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Company, type RequestedField } from "../harness/company.ts"
import { Device } from "../harness/device.ts"
import { Stage } from "../harness/programs.ts"
import { Service } from "../harness/service.ts"

export type CompanyName = "shop" | "newsletter" | "forum"

const shared = process.env.FULCRUM_SHARED ?? join(import.meta.dirname, "../../../shared")

/** Contact cards as phones and mail programs export them; `undefined` where the corpora are not. */
export function realCard(
  name: "John_Doe_IPHONE" | "John_Doe_GMAIL" | "John_Doe_MS_OUTLOOK",
): string | undefined {
  const file = join(shared, "corpora/ez-vcard/files/io/text", `${name}.vcf`)
  return existsSync(file) ? file : undefined
}

/** The demo's own card. */
export const OWN_CARD: string = join(import.meta.dirname, "../demo/mara-whitlock.vcf")

export class World implements AsyncDisposable {
  readonly stage: Stage
  readonly relay: Service
  readonly #companies = new AsyncDisposableStack()

  constructor(stage: Stage) {
    this.stage = stage
    const args = ["up", "--listen", "/ip4/127.0.0.1/tcp/0"]
    this.relay = new Service(stage, { program: "fulcrum-relay", home: "relay", args })
  }

  static async create(): Promise<World> {
    const world = new World(await Stage.create())
    await world.relay.up()
    return world
  }

  device(name: string): Device {
    return new Device(this.stage, { name, relay: this.relay.address })
  }

  /** A company that is set up and not yet up. */
  async company(name: CompanyName): Promise<Company> {
    const relay = this.relay.address
    const domain = `${name}.example`
    const options = { home: name, name: NAMES[name], domain, relay, fields: FIELDS[name] }
    const company = this.#companies.use(await Company.create(this.stage, options))
    await company.setUp()
    return company
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]()
    await this.#companies.disposeAsync()
  }
}

export const NAMES: Readonly<Record<CompanyName, string>> = {
  shop: "Oakhurst Provisions",
  newsletter: "Quarterly Lantern",
  forum: "Pebble Forum",
}

const FIELDS: Readonly<Record<CompanyName, readonly RequestedField[]>> = {
  shop: [
    field("card/name", "dpv:ServiceProvision", true),
    field("card/addresses/home", "dpv:ServiceProvision", true),
    field("card/phones", "dpv:Marketing", false),
  ],
  newsletter: [field("card/emails", "dpv:ServiceProvision", true)],
  forum: [field("card/name", "dpv:Personalisation", false)],
}

function field(path: string, purpose: string, required: boolean): RequestedField {
  return { path, purpose, required, retention: "P2Y", why: "for the service that you ask for" }
}
