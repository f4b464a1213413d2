/**
 * A vendor's connections to its relays: the front door and the customers' mailboxes of one relay
 * share a connection, up to {@link LINKS_PER_LINE_MAX}, since they are all known to be the
 * vendor's. Each mailbox is served by itself; one that fails is tried again while the others go
 * on, and whoever sends a lot gets one turn at a time like everybody.
 *
 * @module
 */

import { bytesToHex, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { sha256 } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import type { Network } from "@fulcrum/net/contract"
import type { SharePlaceNote } from "@fulcrum/relations/share-key"
import type { RelayClient } from "@fulcrum/relay/client"
import { RelayError } from "@fulcrum/relay/relay-error"
import type { Vault } from "@fulcrum/store/vault"
import { errorCode } from "../failures/error-code.ts"
import { MailboxLink } from "../mailboxes/mailbox-link.ts"
import { relayId } from "../mailboxes/relay-address.ts"
import { visitRelay } from "../mailboxes/relay-visit.ts"
import { keepTrying } from "../waiting/keep-trying.ts"
import { Signal } from "../waiting/signal.ts"
import { Turns } from "../waiting/turns.ts"
import type { VendorCustomer } from "./vendor-customer.ts"
import { VendorDoor, type VendorDoorOptions } from "./vendor-door.ts"

/** Mailboxes of one connection: two handles each, and a relay gives 16,384. */
export const LINKS_PER_LINE_MAX = 4096
/** Customers whose entries are taken in at a time: enough to keep the disk busy. */
const TURNS = 4
/** Each mailbox is read so often, and more rarely if there are many: at most 50 a second. */
const POLL_MS_MIN = 2000
const POLL_MS_PER_LINK = 20

export interface VendorLinksOptions {
  readonly vault: Vault
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly door: Omit<VendorDoorOptions, "relay" | "vault" | "clock" | "random" | "changed">
  readonly changed: () => void
  /** Told after a customer's entries were taken in and answered. */
  readonly taken: (customer: VendorCustomer) => void
  /** Told of faults that are this program's own. */
  readonly onFault: (error: unknown) => void
}

/** How a relay stands with us. */
export interface RelayStanding {
  readonly address: string
  readonly state: "untried" | "connected" | "unreachable"
  /** Whether invitations work there: it has the request and all tokens. */
  readonly isReady: boolean
  /** Why it does not work, by the error's code. */
  readonly code?: string | undefined
}

interface CustomerLink {
  readonly customer: VendorCustomer
  /** In hex. */
  readonly mailbox: string
  readonly link: MailboxLink
  readonly line: Line
  readonly wake: Signal
  readonly stop: AbortController
}

interface ServedCustomer {
  readonly customer: VendorCustomer
  readonly address: string
  /** The newest place first. */
  readonly served: readonly CustomerLink[]
}

export class VendorLinks {
  readonly #options: VendorLinksOptions
  readonly #lines: Line[] = []
  readonly #links = new Map<string, ServedCustomer>()
  /** Mailboxes that are served, in hex. */
  readonly #owners = new Set<string>()
  readonly #turns = new Turns(TURNS)

  constructor(options: VendorLinksOptions) {
    this.#options = options
  }

  /** Begins to serve the front door on a relay. */
  openDoor(address: string): void {
    if (this.#lines.some((line) => line.door && relayId(line.address) === relayId(address))) return
    const { door, vault, clock, random, changed } = this.#options
    const relay = sha256(utf8ToBytes(relayId(address)))
    const opened = new VendorDoor({ ...door, relay, vault, clock, random, changed })
    this.#lines.push(new Line(this.#options, address, opened))
  }

  /**
   * Serves the mailboxes that a customer's share lies in, at this address of their relay: begins with
   * those that it did not, and ends with those in which it lies no more.
   */
  serve(customer: VendorCustomer, address: string): void {
    const { id, places } = customer
    const known = this.#links.get(id)?.served ?? []
    const served = places.flatMap((place) => {
      const mailbox = bytesToHex(place.mailbox)
      const there = known.find((one) => one.mailbox === mailbox)
      if (there !== undefined) return [there]
      // Two that share a mailbox would each take the other's cursor for their own.
      if (this.#owners.has(mailbox)) return []
      this.#owners.add(mailbox)
      return [this.#serveOne(customer, address, place)]
    })
    this.#links.set(id, { customer, address, served })
    for (const one of known) {
      if (served.includes(one)) continue
      this.#owners.delete(one.mailbox)
      one.line.end(one)
    }
  }

  #serveOne(customer: VendorCustomer, address: string, place: SharePlaceNote): CustomerLink {
    const line = this.#roomAt(address)
    const { vault, clock, random } = this.#options
    const { mailbox } = place
    const pollMs = Math.max(POLL_MS_MIN, this.#links.size * POLL_MS_PER_LINK)
    const isFirst = equalBytes(mailbox, customer.record.mailbox)
    const link: MailboxLink = new MailboxLink({
      address,
      access: {
        mailbox,
        holder: signingKeyFromSeed(customer.record.accessSeed),
        capability: (right) => {
          // It may be told of longer ones.
          const there = customer.places.find((one) => equalBytes(one.mailbox, mailbox)) ?? place
          return right === "append" ? there.appendCapability : there.readCapability
        },
      },
      space: {
        get replica() {
          return customer.replica
        },
        admit: (spans) => this.#admit(customer, spans),
        mayAcknowledge: async (next) => next - 1,
        mayBring: () => this.#mayBring(customer, link),
        ...(!isFirst && { known: () => customer.personRows }),
      },
      vault,
      clock,
      random,
      pollMs,
    })
    const [wake, stop] = [new Signal(), new AbortController()]
    const served = { customer, link, line, mailbox: bytesToHex(mailbox), wake, stop }
    line.serve(served)
    return served
  }

  /**
   * Everything goes where the share lies. Where it lay before a removed device may still look: there it
   * is said which keys speak for the person, and then nothing more; unless two claim to, or the new
   * place was never seen.
   */
  async #mayBring(customer: VendorCustomer, link: MailboxLink): Promise<boolean> {
    const served = this.#links.get(customer.id)?.served ?? []
    if (served[0]?.link === link || customer.isFrozen) return true
    const used: MailboxLink[] = []
    for (const one of served) if (await one.link.wasUsed()) used.push(one.link)
    // Where it lies as far as was ever seen, and where it did right before that.
    const [now, before] = used
    if (now === undefined || now === link) return true
    const { toldKeysAt: told, replica } = customer
    if (told === undefined || before !== link) return false
    return !replica.tree.covers(await link.held(), told.incarnation, told.sequence)
  }

  /** Something is to be sent to this customer. */
  poke(customer: string): void {
    for (const { link, wake } of this.#links.get(customer)?.served ?? []) {
      link.poke()
      wake.notify()
    }
  }

  /** The request or the tokens have changed. */
  pokeDoors(): void {
    for (const line of this.#lines) if (line.door !== undefined) line.poke()
  }

  get standings(): readonly RelayStanding[] {
    return this.#lines.flatMap((line) => (line.door === undefined ? [] : [line.standing]))
  }

  /** How a customer's mailbox is doing; `undefined`: it is not served. */
  standingOf(
    customer: string,
  ): { readonly state: string; readonly code?: string | undefined } | undefined {
    const [newest] = this.#links.get(customer)?.served ?? []
    return newest && { state: newest.link.state, code: newest.link.code }
  }

  /** Runs a customer's work when it is its turn. */
  turn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.run(work)
  }

  async close(): Promise<void> {
    await Promise.all(this.#lines.map((line) => line.close()))
    this.#lines.length = 0
    this.#links.clear()
    this.#owners.clear()
  }

  async #admit(customer: VendorCustomer, spans: readonly Uint8Array[]): Promise<void> {
    await this.#turns.run(async () => {
      await customer.admit(spans)
      await customer.settle()
    })
    const known = this.#links.get(customer.id)
    if (known !== undefined) this.serve(customer, known.address)
    this.#options.taken(customer)
  }

  #roomAt(address: string): Line {
    const id = relayId(address)
    const there = this.#lines.find((line) => relayId(line.address) === id && line.hasRoom)
    if (there !== undefined) return there
    const line = new Line(this.#options, address, undefined)
    this.#lines.push(line)
    return line
  }
}

/** One connection to a relay, kept up. */
class Line {
  readonly address: string
  readonly door: VendorDoor | undefined
  readonly #options: VendorLinksOptions
  readonly #served: CustomerLink[] = []
  readonly #stop = new AbortController()
  readonly #wake = new Signal()
  readonly #ended: Promise<void>
  #state: RelayStanding["state"] = "untried"
  #code: string | undefined
  /** Begins a task on the connection that is there. */
  #begin: ((task: Task) => void) | undefined

  constructor(options: VendorLinksOptions, address: string, door: VendorDoor | undefined) {
    this.#options = options
    this.address = address
    this.door = door
    this.#ended = this.#run()
  }

  get hasRoom(): boolean {
    return this.#served.length < LINKS_PER_LINE_MAX
  }

  get standing(): RelayStanding {
    const isReady = this.#state === "connected" && (this.door?.isUpToDate ?? false)
    return { address: this.address, state: this.#state, isReady, code: this.#code }
  }

  serve(served: CustomerLink): void {
    this.#served.push(served)
    this.#begin?.(taskOf(served))
    this.#wake.notify()
  }

  end(served: CustomerLink): void {
    const at = this.#served.indexOf(served)
    if (at >= 0) this.#served.splice(at, 1)
    served.stop.abort(new Error("the share lies elsewhere"))
  }

  poke(): void {
    this.door?.poke()
    this.#wake.notify()
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("closing"))
    await this.#ended
  }

  async #run(): Promise<void> {
    const { network, clock, random, onFault } = this.#options
    const { address } = this
    try {
      await keepTrying({
        clock,
        random,
        signal: this.#stop.signal,
        wake: this.#wake,
        attempt: (signal) =>
          visitRelay({ network, clock, address, signal }, (client, one) => this.#work(client, one)),
        failed: (error) => this.#failed(error),
      })
    } catch (error) {
      this.#state = "unreachable"
      this.#code = "FAULT"
      onFault(error)
    }
  }

  /** Serves all that lies on this relay until the connection ends. */
  async #work(client: RelayClient, signal: AbortSignal): Promise<never> {
    const over = new AbortController()
    const running = new Set<Promise<void>>()
    const either = AbortSignal.any([signal, over.signal])
    this.#begin = (task) => {
      const until = task.signal ? AbortSignal.any([either, task.signal]) : either
      const ran = this.#keep(task, client, until).finally(() => running.delete(ran))
      running.add(ran)
    }
    this.#state = "connected"
    this.#code = undefined
    this.#options.changed()
    const { door } = this
    if (door !== undefined) {
      const failed = (code: string) => {
        this.#code = code
        door.lost()
      }
      this.#begin({ wake: this.#wake, serve: (on, one) => door.serve(on, one), failed })
    }
    for (const served of this.#served) this.#begin(taskOf(served))
    await client.closed
    this.#begin = undefined
    over.abort(new Error("the connection ended"))
    await Promise.all(running)
    door?.lost()
    throw new RelayError("RELAY_CLOSED", "the connection to the relay ended")
  }

  /** Keeps one mailbox served on one connection. Never rejects. */
  async #keep(task: Task, client: RelayClient, signal: AbortSignal): Promise<void> {
    const { clock, random, onFault, changed } = this.#options
    try {
      await keepTrying({
        clock,
        random,
        signal,
        wake: task.wake,
        attempt: (one) => task.serve(client, one),
        failed: (error) => {
          const code = errorCode(error)
          if (code === undefined) throw error
          task.failed(code, error)
          changed()
        },
      })
    } catch (error) {
      onFault(error)
    }
  }

  #failed(error: unknown): void {
    const code = errorCode(error)
    if (code === undefined) throw error
    this.#state = "unreachable"
    this.#code ??= code
    if (code !== "RELAY_CLOSED") this.#code = code
    this.#options.changed()
  }
}

/** What is kept going on a connection. */
interface Task {
  readonly wake: Signal
  /** Ends it before the connection does. */
  readonly signal?: AbortSignal
  serve(client: RelayClient, signal: AbortSignal): Promise<never>
  failed(code: string, error: unknown): void
}

function taskOf({ link, wake, stop }: CustomerLink): Task {
  return {
    wake,
    signal: stop.signal,
    serve: (client, signal) => link.serve(client, signal),
    failed: (_, error) => link.failed(error),
  }
}
