/**
 * The product's own relay on a machine.
 *
 * @module
 */
import { type SigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { publicKeyToPeerId } from "@fulcrum/net/peer-id"
import { RELAY_LIMITS } from "@fulcrum/relay/limits"
import { type Mailboxes, openMailboxes } from "@fulcrum/relay/mailboxes"
import { createMetrics } from "@fulcrum/relay/metrics"
import { RELAY_PROTOCOL } from "@fulcrum/relay/protocol"
import { createRelayServer } from "@fulcrum/relay/server"
import { openVault } from "@fulcrum/store/vault"
import type { Findings } from "./findings.ts"
import type { Machine } from "./machine.ts"

export class RelayProgram {
  readonly machine: Machine
  readonly address: string
  /** What stands between its mailboxes and those who ask. */
  serve: (mailboxes: Mailboxes) => Mailboxes = (mailboxes) => mailboxes
  readonly #key: SigningKey
  readonly #findings: Findings

  constructor(machine: Machine, seed: Uint8Array, findings: Findings) {
    this.machine = machine
    this.#key = signingKeyFromSeed(seed)
    this.#findings = findings
    this.address = `/memory/${machine.name}/p2p/${publicKeyToPeerId(this.#key.publicKey)}`
  }

  /** Starts the program on what the disk holds; the machine may die, or its disk refuse. */
  async boot(): Promise<void> {
    await Promise.race([this.#boot(), this.machine.died()])
  }

  async #boot(): Promise<void> {
    const { machine } = this
    const { random, clock, network, ...life } = this.#parts()
    const threw = (error: unknown) => this.#findings.threw(machine.name, error)
    try {
      const store = await life.openStore()
      const vault = await openVault({ store, key: this.#key.seed, random })
      const [metrics, limits, key] = [createMetrics(), RELAY_LIMITS, this.#key]
      const own = await openMailboxes({ vault, clock, random, key, limits, metrics })
      const mailboxes = this.serve(own)
      const options = { mailboxes, clock, random, limits, metrics, onFault: threw }
      const server = createRelayServer(options)
      const host = await network.host({ key: key.seed })
      host.handle(RELAY_PROTOCOL, (channel) => server.serve(channel))
      await host.listen([`/memory/${machine.name}`])
    } catch (error) {
      threw(error)
      machine.crash()
    }
  }

  #parts() {
    const life = this.machine.start()
    const { random, clock, network } = life
    return { random, clock, network, openStore: () => this.machine.openStore(life) }
  }
}
