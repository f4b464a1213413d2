/**
 * A link between one space here and its mailbox on one relay: reads what is new, brings what the
 * relay lacks, and goes on as either side changes. Both the person's devices and vendors use it.
 *
 * Where it stands is a durable cursor: the id of the mailbox's sequence, the next position to read,
 * and what the relay is known to hold. A relay that lost the mailbox names another sequence; then
 * the cursor begins again and the relay is refilled. A relay that goes back behind what it signed
 * is refilled likewise, and what it signed is kept as proof; after {@link CONTRADICTIONS_MAX} times
 * it is spoken to no more. What was past the relay's retention before all had fetched it is brought
 * again, so that whoever was away for longer misses nothing. What a relay left out of a page without
 * a word is asked for again, on each connection and now and then: it may be withheld. It is not
 * acknowledged for some times, and after many times taken for forgotten (`mailbox-gaps.ts`).
 *
 * Source: DESIGN, "How replication works" (device to relay).
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import { mailboxName } from "@fulcrum/log/mailbox"
import { type VersionVector, vectorDifference } from "@fulcrum/log/vector"
import type { RelayClient } from "@fulcrum/relay/client"
import type { MailboxPage, OpenMailbox, RelayItem } from "@fulcrum/relay/open-mailbox"
import { RelayError } from "@fulcrum/relay/relay-error"
import type { Vault } from "@fulcrum/store/vault"
import { errorCode } from "../failures/error-code.ts"
import { inScope } from "../waiting/scope.ts"
import { Signal } from "../waiting/signal.ts"
import { ArchiveMerges } from "./archive-merges.ts"
import type { LinkedSpace, MailboxAccess, StoredSpan } from "./linked-space.ts"
import { atMost, type Cursor, linkGroup, NOTHING_KNOWN, StoredCursor } from "./mailbox-cursor.ts"
import { askAgain, BATCH_BYTES_MAX, beforeGaps, bringAgain, goneSince } from "./mailbox-gaps.ts"
import { appendAll, heldRow, newerReceipt, nextAfter } from "./mailbox-held.ts"
import { type OpenOnce, openOrMake } from "./mailbox-opening.ts"
import { MailboxWitness } from "./mailbox-witness.ts"
import { CONTRADICTIONS_MAX, RelayContradictions } from "./relay-contradictions.ts"

/** A notification is a hint: the mailbox is also read this often. Source: DESIGN, "Vendor side". */
const POLL_MS = 2000
const NEVER = Number.NEGATIVE_INFINITY

/** There is no room: for this mailbox, or for anything. */
const FULL: readonly string[] = ["RELAY_FULL", "RELAY_QUOTA"]

/** Where reading has got to; what is absent stays. */
type CursorPlace = Partial<Pick<Cursor, "next" | "gaps" | "merges">>

export type LinkState = "untried" | "working" | "idle" | "unreachable" | "full"

/** In how many rounds they are asked for again on one connection: some minutes. */
const GAP_ROUNDS = 100

export interface MailboxLinkOptions {
  readonly address: string
  readonly access: MailboxAccess
  readonly space: LinkedSpace
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
  /** How often the mailbox is read though nothing was said to be new; absent: {@link POLL_MS}. */
  readonly pollMs?: number
}

export class MailboxLink {
  readonly address: string
  /** The hash of mailbox and relay, under which all that is kept of them is. */
  readonly group: Uint8Array
  readonly #options: MailboxLinkOptions
  readonly #cursor: StoredCursor
  readonly #contradictions: RelayContradictions
  readonly #merges: ArchiveMerges | undefined
  readonly #witness: MailboxWitness
  readonly #wake = new Signal()
  readonly #changed = new Signal()
  #state: LinkState = "untried"
  #code: string | undefined
  /** Rounds finished: all that was new here when one began was brought; it was read if it was due. */
  #rounds = 0
  /** Rounds begun, the finished ones among them. */
  #begun = 0
  #failures = 0
  /** Up to where this connection's relay was told that it may forget. */
  #acknowledged = 0
  /** The newest of what the last round saw. */
  #seen = -1
  /** How far the mailbox goes, as the relay said since it was last read. */
  #hinted = 0
  /** When it was last read, by the clock here. */
  #readMs = NEVER
  /** In which round what the relay forgot may be brought again. */
  #bringsFrom = 0

  constructor(options: MailboxLinkOptions) {
    this.address = options.address
    this.#options = options
    const group = linkGroup(options.access.mailbox, options.address)
    this.group = group
    this.#contradictions = new RelayContradictions(options.vault, group)
    this.#witness = new MailboxWitness(options.vault, this.#contradictions)
    this.#cursor = new StoredCursor(options.vault, group)
    const { vault, clock, space } = options
    const { replica } = space
    if (space.isArchived) this.#merges = new ArchiveMerges({ vault, group, replica, clock })
  }

  /** Its name, by which receipts know it. */
  get mailbox(): Uint8Array {
    return mailboxName(this.#options.access.mailbox)
  }

  get state(): LinkState {
    return this.#state
  }

  /** Why the link does not work, by the error's code. */
  get code(): string | undefined {
    return this.#code
  }

  /** How many connections failed since the last that worked. */
  get failures(): number {
    return this.#failures
  }

  /** What the relay signed last for this device. */
  async head(): Promise<Uint8Array | undefined> {
    return (await this.#cursor.load())?.head
  }

  /** The same for another own device: to be held against what the relay shows here. */
  witness(device: string, receipt: Uint8Array): void {
    if (this.#witness.add(device, receipt)) this.poke()
  }

  /** Something is new here. */
  poke(): void {
    this.#wake.notify()
  }

  /** Whether this device has ever brought or read anything there. */
  async wasUsed(): Promise<boolean> {
    return (await this.#cursor.load()) !== undefined
  }

  /** Whether the mailbox was ever there, as far as was looked since this program began. */
  get isMade(): boolean {
    return this.#cursor.isKnown
  }

  /** What the relay is known to hold, or to have held. */
  async held(): Promise<VersionVector> {
    return (await this.#cursor.load())?.held ?? []
  }

  /** Whether something here is not known to be on the relay. */
  async isBehind(): Promise<boolean> {
    const { replica } = this.#options.space
    return (await replica.spansAfter(await this.held(), { bytesMax: 1 })).spans.length > 0
  }

  /** Resolves after a round that began after this call, or when connecting failed. */
  async settled(signal: AbortSignal): Promise<void> {
    const { wanted, failures } = { wanted: this.#begun + 1, failures: this.#failures }
    this.#readMs = NEVER
    this.poke()
    while (this.#rounds < wanted) {
      if (this.#failures > failures || signal.aborted) return
      await this.#changed.wait(signal)
    }
  }

  /** As {@link poke}, unless the last round saw all that is here and has acknowledged it. */
  nudge(): void {
    const isNew = this.#options.space.replica.lastArrival !== this.#seen
    const isIdle = this.#state === "idle" && this.#toAcknowledge <= this.#acknowledged
    if (isNew || !isIdle) this.poke()
  }

  /** The connection could not be made, or broke. */
  failed(error: unknown): void {
    const code = errorCode(error)
    if (code === undefined) throw error
    this.#failures++
    this.#begun = this.#rounds
    this.#code = code
    this.#show(FULL.includes(code) ? "full" : "unreachable")
  }

  /** How often the relay has contradicted what it signed about this mailbox. */
  contradictions(): Promise<number> {
    return this.#contradictions.countAll()
  }

  /** Whether the relay has contradicted itself so often that nothing is said to it any more. */
  async isGivenUp(): Promise<boolean> {
    return (await this.#contradictions.count()) >= CONTRADICTIONS_MAX
  }

  /** Works over one connection until it breaks or `signal` fires. */
  async serve(client: RelayClient, signal: AbortSignal): Promise<never> {
    try {
      return await this.#serve(client, signal)
    } catch (error) {
      const isContradiction = error instanceof RelayError && error.code === "RELAY_EQUIVOCATION"
      if (isContradiction) await this.#keepProof(error.proofs)
      throw error
    }
  }

  async #serve(client: RelayClient, signal: AbortSignal): Promise<never> {
    const { space } = this.#options
    this.#show("working")
    const append = await this.#open(client, "append")
    const read = await this.#open(client, "read")
    this.#acknowledged = 0
    this.#hinted = 0
    this.#readMs = NEVER
    this.#begun = this.#rounds
    const isNew = await this.#isNew(read)
    await space.arrive?.(client, isNew)
    if (isNew) await this.#beginAnew(read)
    else {
      await this.#goBackTo(read.next)
      await this.#fillGaps(read)
    }
    await read.watch((next) => this.#hint(next))
    void client.closed.then(() => {
      // Reading shows at once that the connection is no more.
      this.#readMs = NEVER
      this.#wake.notify()
    })
    for (;;) await inScope(signal, (scope) => this.#round({ client, append, read }, scope))
  }

  async #beginAnew({ sequenceId }: OpenMailbox): Promise<void> {
    await this.#merges?.forget()
    const { known = () => [] } = this.#options.space
    await this.#cursor.save({ sequenceId, next: 1, ...NOTHING_KNOWN, held: known(), merges: 0 })
  }

  /**
   * It ends before what it had said: what comes there now is new. How far a mailbox goes is signed
   * only by what it shows, and what it kept back it showed to nobody.
   */
  async #goBackTo(end: number): Promise<void> {
    const { next, gaps } = this.#cursor.current
    if (end >= next) return
    const left = gaps.flatMap((gap) =>
      gap.from < end ? [{ ...gap, to: Math.min(gap.to, end) }] : [],
    )
    await this.#cursor.save({ ...this.#cursor.current, next: end, gaps: left })
  }

  /** The relay says that something was appended, up to before `next`: it may be what we brought. */
  #hint(next: number): void {
    this.#hinted = next
    if (this.#state === "idle" && this.#isHinted) this.#wake.notify()
  }

  get #isHinted(): boolean {
    return this.#hinted > this.#cursor.current.next
  }

  /**
   * Reads what is new if there may be anything, brings what is new here, then waits for more. What
   * is new here is not kept waiting for a page that is likely empty.
   */
  async #round({ client, append, read }: OpenOnce, signal: AbortSignal): Promise<void> {
    const woken = this.#wake.wait(signal)
    this.#begun++
    this.#seen = this.#options.space.replica.lastArrival
    if (this.#isHinted || this.#msToRead() === 0) await this.#readAll(append, read)
    await this.#witness.hold(read)
    if (this.#rounds % GAP_ROUNDS === GAP_ROUNDS - 1) await this.#fillGaps(read)
    // Before anything is brought, for which it may make room.
    await this.#merges?.confirm(append)
    await this.#push(append)
    await this.#bringMerges(append)
    await this.#acknowledge(read)
    await this.#options.space.inStep?.(client)
    this.#failures = 0
    this.#code = undefined
    this.#rounds++
    this.#show("idle")
    if (!this.#isHinted) {
      await Promise.race([woken, this.#options.clock.sleep(this.#msToRead(), signal)])
    }
    signal.throwIfAborted()
    this.#show("working")
  }

  /** How long until it is read though nothing was said to be new. The clock may be put back. */
  #msToRead(): number {
    const { clock, pollMs = POLL_MS } = this.#options
    const now = clock.now()
    this.#readMs = Math.min(this.#readMs, now)
    return Math.max(0, this.#readMs + pollMs - now)
  }

  async #readAll(append: OpenMailbox, read: OpenMailbox): Promise<void> {
    this.#hinted = 0
    this.#readMs = this.#options.clock.now()
    const { expired } = await this.#pull(read)
    // Before anything is brought, for which there may be no room.
    await this.#acknowledge(read)
    if (expired > this.#cursor.current.expired && this.#rounds >= this.#bringsFrom) {
      this.#bringsFrom = this.#rounds + GAP_ROUNDS
      await this.#bringAgain(append, read, expired)
    }
  }

  async #open(client: RelayClient, right: "append" | "read"): Promise<OpenMailbox> {
    const { access, vault } = this.#options
    const known = (await this.#cursor.load())?.head
    const made = () => vault.write([this.#cursor.forget()])
    return openOrMake(client, { access, right, known, made })
  }

  /** A cursor of another life of the mailbox says nothing about this one. */
  async #isNew(read: OpenMailbox): Promise<boolean> {
    const cursor = await this.#cursor.load()
    return cursor === undefined || !equalBytes(cursor.sequenceId, read.sequenceId)
  }

  /** From now on nothing is taken for held there that the relay does not show again. */
  async #keepProof(proofs: readonly Uint8Array[]): Promise<void> {
    await this.#options.vault.write([
      await this.#contradictions.keep(proofs),
      this.#cursor.forget(),
    ])
  }

  /** @returns The last page. */
  async #pull(read: OpenMailbox): Promise<MailboxPage> {
    for (;;) {
      const cursor = this.#cursor.current
      const page = await read.read({ from: cursor.next, bytesMax: BATCH_BYTES_MAX })
      if (page.end < cursor.next) {
        await this.#goBackTo(page.end)
        return page
      }
      const begun = page.missing.map((range) => ({ ...range, tries: 0 }))
      const next = Math.max(cursor.next, page.next)
      await this.#take(page.items, { next, gaps: atMost([...cursor.gaps, ...begun]) })
      // A page that does not go on would be asked for without end.
      if (page.next >= page.end || page.next <= cursor.next) return page
    }
  }

  async #take(items: readonly RelayItem[], place: CursorPlace): Promise<void> {
    if (items.length > 0) await this.#options.space.admit(items.map(({ bytes }) => bytes))
    const stored = items.map(({ bytes, receipt }) => ({ span: bytes, receipt }))
    await this.#heard(stored, place, false)
  }

  /** Asks once more for what was left out before. */
  async #fillGaps(read: OpenMailbox): Promise<void> {
    const { gaps } = this.#cursor.current
    if (gaps.length === 0) return
    const left = await askAgain(read, gaps, (items) => this.#take(items, {}))
    await this.#cursor.save({ ...this.#cursor.current, gaps: left })
  }

  /** Brings once more what the relay forgot, up to a position, though not all had fetched it. */
  async #bringAgain(append: OpenMailbox, read: OpenMailbox, expired: number): Promise<void> {
    const gone = await goneSince(read, this.#cursor.current.expired, expired)
    await bringAgain(append, this.#options.space.replica, gone)
    await this.#cursor.save({ ...this.#cursor.current, expired })
  }

  async #push(append: OpenMailbox): Promise<void> {
    const { replica, mayBring } = this.#options.space
    if ((await mayBring?.()) === false) return
    for (;;) {
      const { held } = this.#cursor.current
      // To an archive in pieces that end where what lies there ends: else what a merged span covers
      // is not there whole, and cannot be replaced.
      const cut = this.#merges && ({ cut: "always" } as const)
      const { spans } = await replica.spansAfter(held, { bytesMax: BATCH_BYTES_MAX, ...cut })
      if (spans.length === 0) return
      const { stored, check } = await appendAll(append, spans)
      await this.#heard(stored, { next: nextAfter(this.#cursor.current.next, stored) }, true)
      check()
      // Nothing that is known to be there now: it would be brought without end.
      if (vectorDifference(this.#cursor.current.held, held).length === 0) return
    }
  }

  /** Once the relay holds all that they cover. Where there is no room, it goes on with those. */
  async #bringMerges(append: OpenMailbox): Promise<void> {
    if (this.#merges === undefined) return
    try {
      await this.#bringNewMerges(append)
    } catch (error) {
      const isFull = error instanceof RelayError && FULL.includes(error.code)
      if (!isFull) throw error
    }
    await this.#merges.confirm(append)
  }

  async #bringNewMerges(append: OpenMailbox): Promise<void> {
    for await (const { order, bytes } of this.#options.space.replica.merging.mergesAfter(
      this.#cursor.current.merges,
    )) {
      if (await this.#merges?.lies(bytes)) {
        await this.#cursor.save({ ...this.#cursor.current, merges: order })
        continue
      }
      const stored = [{ span: bytes, receipt: await append.append(bytes) }]
      const next = nextAfter(this.#cursor.current.next, stored)
      await this.#heard(stored, { next, merges: order }, true)
    }
  }

  async #acknowledge(read: OpenMailbox): Promise<void> {
    const most = this.#toAcknowledge
    if (most <= this.#acknowledged) return
    const upTo = await this.#options.space.mayAcknowledge?.(most + 1)
    if (upTo === undefined || upTo <= this.#acknowledged) return
    await read.acknowledge(upTo)
    this.#acknowledged = upTo
  }

  /** Up to where nothing is left that the relay may still show. */
  get #toAcknowledge(): number {
    return this.#options.space.mayAcknowledge === undefined ? 0 : beforeGaps(this.#cursor.current)
  }

  /** Notes what the relay holds, with its signature, and in the same write how far we are. */
  async #heard(items: readonly StoredSpan[], place: CursorPlace, isOurs: boolean): Promise<void> {
    const { replica } = this.#options.space
    const cursor = this.#cursor.current
    if (items.length === 0 && (place.next ?? cursor.next) === cursor.next) return
    let { held, head } = cursor
    for (const { span, receipt } of items) {
      held = replica.tree.merge(held, await heldRow(replica, span, held))
      head = newerReceipt(head, receipt)
    }
    await this.#options.space.stored?.(items)
    const ops = (await this.#merges?.note(items, isOurs)) ?? []
    await this.#cursor.save({ ...this.#cursor.current, ...place, held, head }, ops)
  }

  #show(state: LinkState): void {
    this.#state = state
    this.#changed.notify()
  }
}
