/**
 * A vendor on a machine: the whole engine, its books, and what its hook was sent.
 *
 * @module
 */
import { createVendor, openVendor, type VendorOptions } from "@fulcrum/engine/open-vendor"
import type { Vendor } from "@fulcrum/engine/vendor"
import { systemDeflate } from "@fulcrum/log/deflate"
import type { Findings } from "./findings.ts"
import type { Machine } from "./machine.ts"

/** What a vendor asks for: one field that is disclosed in a run, and one that is not. */
export const DISCLOSED = "card/addresses/home"
export const WITHHELD = "card/emails/home"

const REQUEST = {
  agreements: ["SD-BASE"],
  fields: [DISCLOSED, WITHHELD].map((path) => ({
    path,
    purpose: "dpv:ServiceProvision",
    retention: "P2Y",
    required: false,
    why: "to serve you",
  })),
}

const READY_MS = 60_000

export interface Posted {
  readonly id: string
  readonly body: string
}

export class VendorProgram {
  readonly machine: Machine
  /** Everything that the hook was sent, in order. */
  readonly posted: Posted[] = []
  /** Whether the hook answers. */
  isHookUp = true
  readonly #vaultKey: Uint8Array
  readonly #findings: Findings
  #vendor: Vendor | undefined

  constructor(machine: Machine, vaultKey: Uint8Array, findings: Findings) {
    this.machine = machine
    this.#vaultKey = vaultKey
    this.#findings = findings
  }

  /** The open books; `undefined` while the machine is down or its program is starting. */
  get vendor(): Vendor | undefined {
    return this.machine.isRunning ? this.#vendor : undefined
  }

  /** @returns An invitation. */
  async create(relay: string): Promise<string> {
    const vendor = await createVendor({ ...(await this.#options()), name: "Bookshop" })
    await vendor.setRelays([relay])
    await vendor.editRequest(REQUEST)
    await vendor.addHook("https://crm.example/hook")
    await vendor.start()
    this.#vendor = vendor
    const { invitation } = await vendor.invite({ waitMs: READY_MS })
    return invitation
  }

  /** Starts the program on what the disk holds; the machine may die, or its disk refuse. */
  async boot(): Promise<void> {
    await Promise.race([this.#boot(), this.machine.died()])
  }

  /** What the only customer's field says. */
  held(path: string): unknown {
    return this.vendor?.disclosures().find((disclosure) => disclosure.path === path)?.value
  }

  async #boot(): Promise<void> {
    this.#vendor = undefined
    try {
      const vendor = await openVendor(await this.#options())
      await vendor.start()
      this.#vendor = vendor
    } catch (error) {
      this.#findings.threw(this.machine.name, error)
      this.machine.crash()
    }
  }

  async #options(): Promise<VendorOptions> {
    const life = this.machine.start()
    return {
      store: await this.machine.openStore(life),
      vaultKey: this.#vaultKey,
      network: life.network,
      clock: life.clock,
      random: life.random,
      deflate: systemDeflate(),
      onFault: (error) => this.#findings.threw(this.machine.name, error),
      post: {
        post: async ({ id, body }) => {
          if (life.isOver) return new Promise(() => undefined)
          await life.clock.sleep(5)
          if (!this.isHookUp) return { status: 503 }
          this.posted.push({ id, body })
          return { status: 204 }
        },
      },
    }
  }
}
