/**
 * A person's links to relays: one for the record on each of its relays, one for each relationship.
 * Each runs by itself, on a connection of its own, from when it is due until the record closes.
 *
 * Source: DESIGN, "Meeting" (a share's mailbox has two readers) and "Keys".
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Network } from "@fulcrum/net/contract"
import { receiptFields } from "@fulcrum/relay/receipt"
import { RelayError } from "@fulcrum/relay/relay-error"
import type { Vault } from "@fulcrum/store/vault"
import { errorCode } from "../failures/error-code.ts"
import type { RecordRelayItem } from "../items/record-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import { LeftMailboxes } from "../mailboxes/left-mailboxes.ts"
import type { MailboxLink } from "../mailboxes/mailbox-link.ts"
import { isAbsent } from "../mailboxes/mailbox-opening.ts"
import { type RecordLinkOptions, recordLink } from "../mailboxes/record-link.ts"
import type { ContradictedMailbox } from "../mailboxes/relay-contradictions.ts"
import { visitRelay } from "../mailboxes/relay-visit.ts"
import type { BeaconKeeper } from "../recovery/beacon-keeper.ts"
import { Knocks } from "../relationships/knocks.ts"
import type { OpenRelationship, Relationships } from "../relationships/relationships.ts"
import { ShareLinks } from "../relationships/share-links.ts"
import { placesOf, type SharePlace, whereHeard } from "../relationships/share-places.ts"
import { keepTrying } from "../waiting/keep-trying.ts"
import { inScope } from "../waiting/scope.ts"
import { Signal } from "../waiting/signal.ts"

export interface PersonLinksOptions {
  readonly ledger: Ledger
  readonly relationships: Relationships
  readonly vault: Vault
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly beacons: BeaconKeeper
  /** The device's key in the record space, which opens the record's mailboxes. */
  readonly writer: SigningKey
  /** Whether every other own device is known to hold all of a share. */
  devicesHold(relationship: OpenRelationship): boolean
  /** Something was added to a share, or the record came to a relay. */
  changed(relationship?: OpenRelationship): void
  /** A connection failed: news to show, and none for the other connections. */
  failed(): void
  /** Whether this device is a member and can write. */
  mayWrite(): boolean
  /** Relays that keep the record, with the mailbox on each. */
  relays(): readonly RecordRelayItem[]
  /** Those that kept it, and are to be told that they do no more. */
  leftRelays(): readonly RecordRelayItem[]
}

interface KnownLink {
  readonly key: string
  readonly link: MailboxLink
  /** The relationship that it serves; absent: the record. */
  readonly relationship: string | undefined
  /** The record has left this mailbox, which is told so. */
  readonly isLeft?: boolean
}

interface RunningLink extends KnownLink {
  readonly wake: Signal
  /** Of one that was left: it has been told, and rests. */
  readonly rests: Signal
  readonly stop: AbortController
  readonly ended: Promise<void>
}

export class PersonLinks {
  readonly #options: PersonLinksOptions
  readonly #known = new Map<string, KnownLink>()
  readonly #running = new Map<string, RunningLink>()
  readonly #knocks: Knocks
  readonly #shares: ShareLinks
  readonly #left: LeftMailboxes
  readonly #leftLinks = new Map<string, MailboxLink>()
  /** Something is new here. */
  readonly #changed = new Signal()
  #isOpen = false

  constructor(options: PersonLinksOptions) {
    this.#options = options
    this.#left = new LeftMailboxes(options.vault, options.clock, options.relays)
    this.#knocks = new Knocks(options.vault, options.clock)
    this.#shares = new ShareLinks({
      ...options,
      knocks: this.#knocks,
      record: () => this.record,
    })
  }

  /** Starts every link that is due; more start as relationships and relays come. */
  start(): void {
    this.#isOpen = true
    this.refresh()
  }

  /** Starts links for what is new, ends those of relays that were removed, and pokes all. */
  refresh(): void {
    if (!this.#isOpen) return
    this.#changed.notify()
    const known = this.#know()
    for (const [key, one] of known) {
      if (!this.#running.has(key) && !this.#isStillUsed(one)) this.#run(key, one)
    }
    for (const [key, running] of this.#running) {
      const { link, relationship } = running
      if (!known.has(key)) running.stop.abort()
      else if (relationship === undefined) link.poke()
      else link.nudge()
      running.wake.notify()
    }
  }

  /** The record's links, and how they stand: running or not, what the relays hold is known. */
  get record(): readonly MailboxLink[] {
    return this.#options.relays().map((place) => this.#knowRecord(place).link)
  }

  /** What each of the record's relays signed last for this device. */
  async heads(): Promise<readonly Uint8Array[]> {
    const heads = await Promise.all(this.record.map((link) => link.head()))
    return heads.filter((head) => head !== undefined)
  }

  /** The same of another own device. What is no receipt is passed over. */
  heard(device: string, receipts: readonly Uint8Array[]): void {
    for (const receipt of receipts) {
      const mailbox = mailboxOf(receipt)
      if (mailbox === undefined) continue
      for (const link of this.record)
        if (equalBytes(link.mailbox, mailbox)) link.witness(device, receipt)
    }
  }

  /** Of the mailboxes that are used now, those whose relay contradicted what it signed about it. */
  async contradicted(): Promise<readonly ContradictedMailbox[]> {
    const links = [...this.#know().values()].filter(({ isLeft }) => isLeft !== true)
    const all = links.map(async ({ link }): Promise<ContradictedMailbox> => {
      const times = await link.contradictions()
      return { address: link.address, times, isGivenUp: await link.isGivenUp() }
    })
    return (await Promise.all(all)).filter(({ times }) => times > 0)
  }

  of(relationship: string): readonly MailboxLink[] {
    const open = this.#options.relationships.get(relationship)
    return open === undefined ? [] : this.#knowShare(open).map(({ link }) => link)
  }

  /** What of a relationship is here and not on its relays: one line each. */
  async heldOf(relationship: OpenRelationship, vendor: string): Promise<readonly string[]> {
    if (this.#isOver(relationship)) return []
    const links = this.of(relationship.id)
    const code = links.find((link) => link.code !== undefined)?.code
    const why = code === undefined ? "" : ` (${code})`
    if (await this.#knocks.isDue(relationship)) return [`${vendor}: the connect message${why}`]
    const behind = await Promise.all(links.map((link) => link.isBehind()))
    return behind.some(Boolean) ? [`${vendor}: entries that are not relayed yet${why}`] : []
  }

  /** A link for each mailbox that there is now. */
  #know(): ReadonlyMap<string, KnownLink> {
    const due = new Set<string>()
    for (const place of this.#options.relays()) due.add(this.#knowRecord(place).key)
    for (const { address, mailboxSeed } of this.#options.leftRelays()) {
      const key = `left ${bytesToHex(mailboxSeed)} ${address}`
      const link = this.#leftLinks.get(key) ?? this.#recordLink(address, mailboxSeed)
      this.#leftLinks.set(key, link)
      if (this.#left.isKnownOver(link)) continue
      due.add(key)
      this.#known.set(key, { key, link, relationship: undefined, isLeft: true })
    }
    for (const relationship of this.#options.relationships.all) {
      for (const { key } of this.#knowShare(relationship)) due.add(key)
    }
    for (const key of this.#known.keys()) if (!due.has(key)) this.#known.delete(key)
    return this.#known
  }

  #knowRecord({ address, mailboxSeed }: RecordRelayItem): KnownLink {
    return this.#knowOne(`record ${bytesToHex(mailboxSeed)} ${address}`, () => ({
      link: this.#recordLink(address, mailboxSeed, "archive"),
      relationship: undefined,
    }))
  }

  #knowShare(relationship: OpenRelationship): readonly KnownLink[] {
    if (this.#isOver(relationship)) return []
    const { newest, earlier } = placesOf(relationship)
    const known = newest.flatMap((place) => this.#knowPlace(relationship, place))
    // One that cannot be made is none that a company could be met at.
    const areThere = known.every(({ link }) => link.state !== "full" || link.isMade)
    if (relationship.space.isHeard && areThere) return known
    const due = areThere ? whereHeard(relationship, earlier) : earlier
    return [...known, ...due.flatMap((place) => this.#knowPlace(relationship, place))]
  }

  #knowPlace(relationship: OpenRelationship, place: SharePlace): readonly KnownLink[] {
    const { id, secrets } = relationship
    const name = place.name === undefined ? id : `${id} ${place.name}`
    return secrets.item.relays.slice(0, 1).map((address) =>
      this.#knowOne(`share ${name} ${address}`, () => ({
        link: this.#shares.link(relationship, place, address),
        relationship: id,
      })),
    )
  }

  #knowOne(key: string, make: () => Omit<KnownLink, "key">): KnownLink {
    const known = this.#known.get(key) ?? { key, ...make() }
    this.#known.set(key, known)
    return known
  }

  /** Resolves when every link has finished a round that began now, or failed. */
  async settled(signal: AbortSignal): Promise<void> {
    this.refresh()
    await Promise.all(
      [...this.#running.values()].map(async ({ link, wake, rests, isLeft, ended }) => {
        if (isLeft && !(await this.#left.isAwaited(link))) return
        const done = Promise.race([link.settled(signal), rests.wait(signal), ended])
        wake.notify()
        await done
        if (isLeft) this.#left.waited(link)
      }),
    )
  }

  /** Whether another link to the same mailbox of the record, which it has left, still runs. */
  #isStillUsed({ link, isLeft }: KnownLink): boolean {
    const running = [...this.#running.values()]
    return isLeft === true && running.some((one) => equalBytes(one.link.group, link.group))
  }

  /** Whether a relay has refused the connect message for good: it is not brought again. */
  #isOver(relationship: OpenRelationship): boolean {
    return this.#options.relationships.refusalOf(relationship)?.by === "relay"
  }

  async close(): Promise<void> {
    this.#isOpen = false
    for (const { stop } of this.#running.values()) stop.abort()
    await Promise.all([...this.#running.values()].map(({ ended }) => ended))
    this.#running.clear()
  }

  #run(key: string, known: KnownLink): void {
    const { network, clock, random } = this.#options
    const { link, relationship, isLeft } = known
    const stop = new AbortController()
    const [wake, rests] = [new Signal(), new Signal()]
    const { address } = link
    const ended = keepTrying({
      clock,
      random,
      wake,
      signal: stop.signal,
      attempt: async (signal) => {
        if (isLeft && (await this.#left.isOver(link))) return stop.abort()
        if (isLeft) await this.#rest(link, signal)
        if (await link.isGivenUp()) {
          if (!isLeft) throw givenUp()
          this.#left.giveUp(link)
          return stop.abort()
        }
        const [over, told] = [new AbortController(), new AbortController()]
        const visit = { network, clock, address, signal: AbortSignal.any([signal, told.signal]) }
        const telling = isLeft && this.#whenTold(link, AbortSignal.any([signal, over.signal]), told)
        try {
          await visitRelay(visit, (client, one) => link.serve(client, one))
        } catch (error) {
          if (told.signal.aborted && !signal.aborted) return rests.notify()
          if (relationship !== undefined) await this.#keepRefusal(relationship, error)
          // One that the record has left is not made again.
          if (isLeft && isAbsent(error)) this.#left.giveUp(link)
          // Kept, it has ended this link: whoever waits for a round of it waits no more.
          if (signal.aborted && isTokenSpent(error)) link.failed(error)
          throw error
        } finally {
          over.abort()
          await telling
        }
      },
      failed: (error) => {
        link.failed(error)
        this.#options.failed()
      },
    }).finally(() => {
      this.#running.delete(key)
      // It may be due again by now: a relay that was gone for a moment, while all was read anew.
      this.refresh()
    })
    this.#running.set(key, { ...known, wake, rests, stop, ended })
  }

  /** Until one that was told is to be looked into, or told something else. */
  async #rest(link: MailboxLink, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    for (let ms = this.#left.restMs(link); ms > 0; ms = this.#left.restMs(link)) {
      // The second of these waits ends with it quietly, and would again and again.
      signal.throwIfAborted()
      await inScope(signal, async (scope) => {
        await Promise.race([clock.sleep(ms, scope), this.#changed.wait(scope)])
      })
    }
  }

  /** Ends a visit once all is there that says where the record lies. */
  async #whenTold(link: MailboxLink, signal: AbortSignal, told: AbortController): Promise<void> {
    try {
      while (!signal.aborted) {
        await link.settled(signal)
        if (signal.aborted || link.code !== undefined) return
        if (!(await link.isBehind()) && this.#left.tell(link)) return told.abort()
        await this.#changed.wait(signal)
      }
    } catch (error) {
      // A store that fails: it is told at the next connection.
      if (errorCode(error) === undefined) throw error
    }
  }

  /**
   * A token that somebody else has spent lets nobody in any more. What the relay took from us once
   * it cannot refuse for that: then it is no answer.
   */
  async #keepRefusal(id: string, error: unknown): Promise<void> {
    const { relationships, mayWrite } = this.#options
    const relationship = relationships.get(id)
    if (relationship === undefined || !isTokenSpent(error) || !mayWrite()) return
    if (!(await this.#knocks.isDue(relationship))) return
    await relationships.keepConnectRefused(relationship, error.code)
  }

  /** @param made - How the mailbox is made, where there is none. */
  #recordLink(address: string, mailboxSeed: Uint8Array, made?: "archive"): MailboxLink {
    const { beacons } = this.#options
    const told: RecordLinkOptions["told"] = {
      stored: async () => this.#options.changed(),
      arrive: async (_, isNew) => {
        if (isNew) beacons.forget(address)
      },
      // One that the record has left is not where it is to be found.
      ...(made && { inStep: (client) => beacons.keep(client, address) }),
    }
    return recordLink({ ...this.#options, address, mailboxSeed, made, told })
  }
}

function isTokenSpent(error: unknown): error is RelayError {
  return error instanceof RelayError && error.code === "RELAY_TOKEN_SPENT"
}

function mailboxOf(receipt: Uint8Array): Uint8Array | undefined {
  try {
    return receiptFields(receipt).mailbox
  } catch (error) {
    if (error instanceof RelayError) return undefined
    throw error
  }
}

function givenUp(): RelayError {
  return new RelayError("RELAY_EQUIVOCATION", "this relay has contradicted itself too often")
}
