/**
 * A program with one replica of one space and nothing else: it appends what it is told to, and
 * keeps in step with its peers.
 *
 * @module
 */
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import { systemDeflate } from "@fulcrum/log/deflate"
import { type ChainKey, type EpochId, type EpochKey, idKey, type SpaceTag } from "@fulcrum/log/ids"
import { type AdmitResult, openReplica, type Replica } from "@fulcrum/log/replica"
import { type Channel, type Host, NetError } from "@fulcrum/net/contract"
import { StoreError } from "@fulcrum/store"
import { openVault, type Vault } from "@fulcrum/store/vault"
import type { BareChecks } from "./bare-checks.ts"
import { BareLink } from "./bare-link.ts"
import { Dice } from "./dice.ts"
import type { Life } from "./life.ts"
import type { Machine } from "./machine.ts"

export interface BareSpace {
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  readonly epoch: { readonly id: EpochId; readonly key: EpochKey }
}

const PROTOCOL = "/fulcrum/sim/bare/1"
const VAULT_KEY = new Uint8Array(32).fill(7)
const DIAL_MS = 5_000
const REDIAL_MS = [50, 2_000] as const

export class BareReplica {
  readonly name: string
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  readonly log: Replica
  readonly #life: Life
  readonly #vault: Vault
  readonly #checks: BareChecks
  readonly #dice: Dice
  readonly #links = new Set<BareLink>()
  #appends: Promise<void> = Promise.resolve()

  private constructor(parts: {
    readonly life: Life
    readonly space: BareSpace
    readonly vault: Vault
    readonly log: Replica
    readonly checks: BareChecks
  }) {
    this.name = parts.life.name
    this.tag = parts.space.tag
    this.chainKey = parts.space.chainKey
    this.log = parts.log
    this.#life = parts.life
    this.#vault = parts.vault
    this.#checks = parts.checks
    this.#dice = new Dice(parts.life.random.fork("program"))
  }

  /** Starts the program on a machine that does not run. */
  static async start(
    machine: Machine,
    space: BareSpace,
    writer: SigningKey,
    checks: BareChecks,
  ): Promise<BareReplica> {
    const life = machine.start()
    const random = life.random.fork("log")
    const store = await machine.openStore(life)
    const vault = await openVault({ store, key: VAULT_KEY, random })
    const { tag, chainKey, epoch } = space
    const log = await openReplica({
      vault,
      keyring: {
        tag,
        chainKey,
        current: epoch,
        epochKey: (id) => (idKey(id) === idKey(epoch.id) ? epoch.key : undefined),
      },
      writer: { begin: () => ({ key: writer, certificate: new Uint8Array() }) },
      random,
      deflate: systemDeflate(),
    })
    return new BareReplica({ life, space, vault, log, checks })
  }

  /**
   * Looks a disk through, record by record, as a person does who no longer trusts it.
   *
   * @throws {VaultError} It is damaged.
   */
  static async inspect(machine: Machine): Promise<void> {
    const life = machine.start()
    const store = await machine.openStore(life)
    await openVault({ store, key: VAULT_KEY, random: life.random, verify: "all" })
  }

  /** Listens, and keeps a connection to each peer. */
  async connect(peers: readonly string[]): Promise<void> {
    const host = await this.#life.network.host()
    host.handle(PROTOCOL, (channel) => this.#serve(channel))
    await host.listen([addressOf(this.name)])
    this.#checks.isAt(host.id, this)
    const threw = (error: unknown) => this.#checks.threw(this.name, error)
    for (const peer of peers) this.#keepDialing(host, addressOf(peer)).catch(threw)
  }

  /** @returns The spans; `undefined` if the disk refused: what became of them is not known. */
  append(bodies: readonly Uint8Array[]): Promise<readonly Uint8Array[] | undefined> {
    const appended = this.#appends.then(() => this.#append(bodies))
    this.#appends = appended.then(() => undefined)
    return appended
  }

  /** Merges what is due of this machine's logs, once. @returns What it made, if anything. */
  async merge(): Promise<readonly Uint8Array[]> {
    try {
      const merged = await this.log.merging.merge()
      if (merged === undefined) return []
      this.#checks.sealed([merged.bytes])
      return [merged.bytes]
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      return []
    }
  }

  /** Takes spans; durable when it resolves. */
  async admit(spans: readonly Uint8Array[]): Promise<readonly AdmitResult[]> {
    const results = await this.log.admit(spans)
    this.#checks.admitted(this, results)
    this.#tellPeers()
    return results
  }

  /** Takes spans that somebody changed on the way, which are to be refused. */
  async admitChanged(spans: readonly Uint8Array[]): Promise<void> {
    const results = await this.log.admit(spans)
    this.#checks.forged(this, results.slice(0, spans.length))
    // What had waited may have come in with them.
    this.#checks.admitted(this, results.slice(spans.length))
    this.#tellPeers()
  }

  /** A session ended because the peer broke the protocol: between honest ones, never. */
  broken(code: string): void {
    this.#checks.sessionFailed(this.name, code)
  }

  threw(error: unknown): void {
    this.#checks.threw(this.name, error)
  }

  async stop(): Promise<void> {
    await this.#appends
    await this.#vault.close()
  }

  async #append(bodies: readonly Uint8Array[]): Promise<readonly Uint8Array[] | undefined> {
    const staged = this.log.stage(bodies.map((body) => ({ kind: "payload", body })))
    try {
      await this.#vault.write(staged.ops)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.log.poison()
      return undefined
    }
    staged.commit()
    this.#checks.acknowledged(this, staged.entries)
    this.#checks.sealed(staged.spans)
    this.#tellPeers()
    return staged.spans
  }

  #tellPeers(): void {
    for (const link of this.#links) link.local()
  }

  async #keepDialing(host: Host, address: string): Promise<void> {
    const { clock } = this.#life
    for (;;) {
      const late = new AbortController()
      const stop = new AbortController()
      void clock.sleep(DIAL_MS, stop.signal).then(
        () => late.abort(),
        () => undefined,
      )
      try {
        await this.#serve(await host.dial(address, PROTOCOL, { signal: late.signal }))
      } catch (error) {
        if (!(error instanceof NetError)) throw error
      } finally {
        stop.abort()
      }
      await clock.sleep(this.#dice.between(...REDIAL_MS))
    }
  }

  async #serve(channel: Channel): Promise<void> {
    const link = new BareLink({
      replica: this,
      channel,
      clock: this.#life.clock,
      peerHas: (peerId, vector) => this.#checks.claimed(this, peerId, vector),
    })
    this.#links.add(link)
    try {
      await link.run()
    } finally {
      this.#links.delete(link)
    }
  }
}

function addressOf(name: string): string {
  return `/memory/${name}`
}
