/**
 * A session: what this device and one peer tell each other until both have the same.
 *
 * A pure state machine. Whoever drives it feeds events and carries out actions in order; it has
 * no clock, no socket and no disk of its own, and never sees inside a span. Nothing a peer sends
 * makes `step` throw: a peer that breaks the protocol is the action `fail`.
 *
 * At first each side says hello with the digest of its vector for each space. If all agree, that
 * was all. Where digests differ, the side that has changed since they last agreed sent its rows
 * along, or each sends its rows now; who sees what the other lacks sends it, in the order of
 * arrival, within the other's credit. Credit comes back with `stored`, once it is on disk there.
 * From then on each sends what is new as it comes. Who has entries in many small spans may seek the
 * merged ones of their writer: whoever has them sends them, within the same credit.
 *
 * Each also tells what relays signed for it last, so that both can see whether they are shown the
 * same: at first and, if it changed, now and then.
 *
 * Bounds: spans under way (`WINDOW_BYTES`), one chunk being read at a time, spaces
 * (`SESSION_SPACES_MAX`), and the limits of the messages.
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { type VersionVector, vectorDifference, vectorDigest } from "@fulcrum/log/vector"
import {
  decodeMessage,
  type Have,
  HEADS_MAX,
  MESSAGE_SPANS_MAX,
  type Seek,
  type SoughtPlace,
  type Spans,
  type Stored,
  SYNC_LEAST_VERSION,
  SYNC_VERSION,
  type SyncItem,
  spaceReference,
  WINDOW_BYTES,
} from "./messages.ts"
import { Outbox } from "./outbox.ts"
import { Patience } from "./patience.ts"
import type { SyncAction, SyncEvent, SyncFailure } from "./session-events.ts"
import {
  bytesOf,
  type Chunk,
  isLacking,
  KNOWN_ROWS_MAX,
  type SpaceState,
  type SyncSpace,
} from "./space-state.ts"

export type { SyncAction, SyncEvent, SyncFailure } from "./session-events.ts"
export type { SyncSpace } from "./space-state.ts"

/** Most spaces that one session keeps in step: more than anybody has relationships. */
export const SESSION_SPACES_MAX = 8192

/** Bytes of spans sent in one message: half a window, so that one half is read meanwhile. */
export const CHUNK_BYTES: number = WINDOW_BYTES / 2

/** Most questions for wider spans that are looked into, or whose answers wait, at a time. */
export const FINDS_MAX = 4

export interface SessionOptions<S extends SyncSpace> {
  readonly spaces: readonly S[]
  /** What the last `peerHas` of an earlier session with this peer said, if it is remembered. */
  readonly agreed?: (space: S) => VersionVector | undefined
}

export interface Session<S extends SyncSpace> {
  step(event: SyncEvent<S>): readonly SyncAction<S>[]
}

export function createSession<S extends SyncSpace>(options: SessionOptions<S>): Session<S> {
  return new SyncSession(options)
}

class SyncSession<S extends SyncSpace> implements Session<S> {
  readonly #agreed: (space: S) => VersionVector | undefined
  readonly #byReference = new Map<string, SpaceState<S>>()
  readonly #bySpace = new Map<S, SpaceState<S>>()
  #isOver = false
  #isConnected = false
  #hasHello = false
  /** Spaces of which the peer lacks something, in turn. */
  readonly #toSend = new Set<SpaceState<S>>()
  #reading: { readonly state: SpaceState<S>; readonly after: VersionVector } | undefined
  /** A chunk that was read but is larger than the credit left. */
  #held: Chunk<S> | undefined
  /** Spaces in which wider spans are being looked for. */
  readonly #finding: SpaceState<S>[] = []
  /** Wider spans that were found, for which there was no credit yet. */
  readonly #found: Chunk<S>[] = []
  /** Bytes sent for which credit has not come back. */
  #underWay = 0
  /** What is being admitted, in the order in which it came. */
  readonly #admitting: { readonly state: SpaceState<S>; readonly bytes: number }[] = []
  /** Bytes received for which credit was not given back. */
  #owed = 0
  readonly #patience = new Patience()
  /** The receipts that the peer was told last. */
  #headsTold: readonly Uint8Array[] = []
  #actions: SyncAction<S>[] = []
  readonly #outbox = new Outbox((bytes) => this.#actions.push({ type: "send", bytes }))

  constructor({ spaces, agreed }: SessionOptions<S>) {
    this.#agreed = agreed ?? (() => undefined)
    for (const space of spaces) this.#join(space)
  }

  step(event: SyncEvent<S>): readonly SyncAction<S>[] {
    if (this.#isOver) return []
    this.#actions = []
    switch (event.type) {
      case "connected":
        this.#connected(event.heads ?? [])
        break
      case "message":
        this.#message(event.bytes)
        break
      case "read":
        this.#read(event.space, event.spans, event.reached)
        break
      case "admitted":
        this.#admitted(event.space)
        break
      case "seek":
        this.#seek(event.space, event.place)
        break
      case "found":
        this.#answer(event.space, event.spans)
        break
      case "local":
        this.#local(event.space)
        break
      case "heads":
        this.#sayHeads(event.receipts)
        break
      case "tick":
        this.#tick(event.nowMs)
    }
    if (!this.#isOver) this.#sendNext()
    this.#outbox.flush()
    return this.#actions
  }

  #join(space: S): SpaceState<S> {
    if (this.#bySpace.size >= SESSION_SPACES_MAX) throw new RangeError("too many spaces")
    const reference = spaceReference(space.chainKey, space.tag)
    const state: SpaceState<S> = {
      space,
      reference,
      theirs: undefined,
      sent: undefined,
      told: undefined,
      rowsGiven: undefined,
      storedTold: [],
    }
    this.#byReference.set(bytesToHex(reference), state)
    this.#bySpace.set(space, state)
    return state
  }

  #connected(heads: readonly Uint8Array[]): void {
    this.#isConnected = true
    const value = { version: SYNC_VERSION, least: SYNC_LEAST_VERSION }
    this.#outbox.say({ kind: "hello", value })
    for (const state of this.#bySpace.values()) this.#sayHave(state)
    this.#sayHeads(heads)
  }

  #sayHeads(receipts: readonly Uint8Array[]): void {
    const isTold = (one: Uint8Array) => this.#headsTold.some((told) => equalBytes(told, one))
    const news = receipts.filter((one) => !isTold(one)).slice(0, HEADS_MAX)
    if (news.length === 0) return
    this.#headsTold = [...receipts.filter(isTold), ...news]
    this.#outbox.say({ kind: "heads", value: { receipts: news } })
  }

  /** The digest; with all rows if we have changed since both last had the same. */
  #sayHave(state: SpaceState<S>): void {
    const agreed = this.#agreed(state.space)
    const isNews = agreed !== undefined && !equalBytes(vectorDigest(agreed), state.space.log.digest)
    if (isNews) this.#sayRows(state)
    else this.#outbox.say({ kind: "have", value: this.#have(state) })
  }

  #sayRows(state: SpaceState<S>): void {
    const { digest, vector, tree } = state.space.log
    if (state.rowsGiven && equalBytes(state.rowsGiven, digest)) return
    state.rowsGiven = digest
    state.storedTold = vector
    const rows = tree.trailed(vector)
    this.#outbox.say({ kind: "have", value: { ...this.#have(state), rows } }, rows.length)
  }

  #have(state: SpaceState<S>): Have {
    const { digest, vector } = state.space.log
    state.told = { digest, vector }
    return { space: state.reference, digest }
  }

  #message(bytes: Uint8Array): void {
    let items: readonly SyncItem[]
    try {
      items = decodeMessage(bytes)
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#fail("SYNC_MALFORMED")
      return
    }
    this.#patience.heard()
    for (const item of items) {
      if (this.#isOver) return
      if (this.#hasHello === (item.kind === "hello") && item.kind !== "bye") {
        this.#fail("SYNC_ORDER")
        return
      }
      this.#item(item)
    }
  }

  #item(item: SyncItem): void {
    switch (item.kind) {
      case "hello": {
        const { version, least } = item.value
        this.#hasHello = true
        if (version < SYNC_LEAST_VERSION || least > SYNC_VERSION) this.#fail("SYNC_VERSION")
        return
      }
      case "have":
        this.#peerHave(item.value)
        return
      case "spans":
        this.#peerSpans(item.value)
        return
      case "stored":
        this.#peerStored(item.value)
        return
      case "credit":
        if (item.value.bytes > this.#underWay) {
          this.#fail("SYNC_CREDIT")
          return
        }
        this.#underWay -= item.value.bytes
        return
      case "seek":
        this.#peerSeeks(item.value)
        return
      case "heads":
        this.#peerHeads(item.value.receipts)
        return
      case "bye":
        this.#isOver = true
        this.#actions.push({ type: "fail", code: "SYNC_BYE" })
    }
  }

  #peerHave({ space: reference, digest, rows }: Have): void {
    const state = this.#find(reference)
    if (state === undefined) return
    const { log } = state.space
    if (equalBytes(digest, log.digest)) {
      state.storedTold = log.vector
      this.#peerHas(state, log.vector, log.vector)
      return
    }
    const known = rows ?? this.#agreedRows(state, digest)
    if (known) {
      const theirs = log.tree.merge([], known)
      // What was sent meanwhile is still on its way.
      this.#peerHas(state, theirs, state.sent ? log.tree.merge(state.sent, theirs) : theirs)
    }
    this.#sayRows(state)
  }

  /** The rows behind a digest, if they are those that both last had, or that we had just now. */
  #agreedRows(state: SpaceState<S>, digest: Uint8Array): VersionVector | undefined {
    if (state.told && equalBytes(state.told.digest, digest)) return state.told.vector
    const agreed = this.#agreed(state.space)
    return agreed && equalBytes(vectorDigest(agreed), digest) ? agreed : undefined
  }

  #peerSpans({ space: reference, spans, rows }: Spans): void {
    const bytes = bytesOf(spans)
    const isOver = this.#owed + bytes > WINDOW_BYTES && !(this.#owed === 0 && spans.length === 1)
    if (isOver || spans.length === 0) {
      this.#fail(isOver ? "SYNC_CREDIT" : "SYNC_MALFORMED")
      return
    }
    const state = this.#find(reference)
    if (state === undefined) {
      this.#outbox.say({ kind: "credit", value: { bytes } })
      return
    }
    this.#owed += bytes
    this.#admitting.push({ state, bytes })
    if (!this.#merge(state, rows)) return
    this.#actions.push({ type: "admit", space: state.space, spans })
  }

  #peerStored({ space: reference, rows }: Stored): void {
    const state = this.#find(reference)
    // Rows that changed say nothing without those that they changed from.
    if (state?.theirs === undefined || state.sent === undefined) return
    if (!this.#merge(state, rows)) return
    this.#peerHas(state, state.theirs, state.sent)
  }

  /** Adds rows to what the peer is known to have; `false`: they were too many. */
  #merge(state: SpaceState<S>, rows: VersionVector): boolean {
    const { tree } = state.space.log
    if (state.theirs) state.theirs = tree.merge(state.theirs, rows)
    if (state.sent) state.sent = tree.merge(state.sent, rows)
    const isTooMany = (state.theirs?.length ?? 0) > KNOWN_ROWS_MAX
    if (isTooMany) this.#fail("SYNC_MALFORMED")
    return !isTooMany
  }

  #peerHas(state: SpaceState<S>, theirs: VersionVector, sent: VersionVector): void {
    state.theirs = theirs
    state.sent = sent
    this.#actions.push({ type: "peerHas", space: state.space, vector: theirs })
    this.#consider(state)
  }

  #read(space: S, spans: readonly Uint8Array[], reached: VersionVector): void {
    if (this.#reading?.state.space !== space) {
      throw new TypeError("nothing was to be read of this space")
    }
    const { state, after } = this.#reading
    this.#reading = undefined
    if (spans.length === 0) return
    if (spans.length > MESSAGE_SPANS_MAX) throw new RangeError("more spans than a message takes")
    // Of what was asked after: what the peer said of itself meanwhile is not ours to claim.
    const rows = vectorDifference(reached, after)
    state.sent = state.space.log.tree.merge(state.sent ?? [], reached)
    this.#held = { state, value: { space: state.reference, spans, rows }, size: bytesOf(spans) }
    this.#consider(state)
  }

  #admitted(space: S): void {
    const at = this.#admitting.findIndex(({ state }) => state.space === space)
    const [admission] = at < 0 ? [] : this.#admitting.splice(at, 1)
    if (admission === undefined) throw new TypeError("nothing was to be admitted to this space")
    const { state, bytes } = admission
    const { vector } = space.log
    const rows = vectorDifference(vector, state.storedTold)
    state.storedTold = vector
    if (rows.length > 0) {
      const value = { space: state.reference, rows }
      this.#outbox.say({ kind: "stored", value }, rows.length)
    }
    this.#owed -= bytes
    this.#outbox.say({ kind: "credit", value: { bytes } })
    // Who sent it has it: that goes by rows that are known here only now.
    if (state.theirs) this.#peerHas(state, state.theirs, state.sent ?? state.theirs)
    else this.#consider(state)
  }

  #seek(space: S, { incarnation, start, end }: SoughtPlace): void {
    const state = this.#bySpace.get(space)
    if (state === undefined || !this.#hasHello) return
    const value = { space: state.reference, incarnation, start, end }
    this.#outbox.say({ kind: "seek", value })
  }

  #peerSeeks({ space: reference, incarnation, start, end }: Seek): void {
    const state = this.#find(reference)
    const underWay = this.#finding.length + this.#found.length
    if (state === undefined || underWay >= FINDS_MAX || start > end) return
    this.#finding.push(state)
    this.#actions.push({ type: "find", space: state.space, place: { incarnation, start, end } })
  }

  #answer(space: S, spans: readonly Uint8Array[]): void {
    const at = this.#finding.findIndex((state) => state.space === space)
    const [state] = at < 0 ? [] : this.#finding.splice(at, 1)
    if (state === undefined) throw new TypeError("nothing was to be found in this space")
    if (spans.length === 0) return
    const value = { space: state.reference, spans, rows: [] }
    this.#found.push({ state, value, size: bytesOf(spans) })
  }

  #local(space: S): void {
    const known = this.#bySpace.get(space)
    const state = known ?? this.#join(space)
    if (known === undefined && this.#isConnected) this.#sayHave(state)
    this.#consider(state)
  }

  /** Puts a space in line if the peer lacks something of it. */
  #consider(state: SpaceState<S>): void {
    if (!this.#toSend.has(state) && isLacking(state)) this.#toSend.add(state)
  }

  #sendNext(): void {
    if (!this.#hasHello) return
    if (this.#held) {
      if (!this.#sendChunk(this.#held)) return
      this.#held = undefined
    }
    const [found] = this.#found
    if (found && this.#sendChunk(found)) this.#found.shift()
    if (this.#reading || this.#underWay >= WINDOW_BYTES) return
    const [state] = this.#toSend
    if (state?.sent === undefined) return
    this.#toSend.delete(state)
    const { space, sent: after } = state
    this.#reading = { state, after }
    const bytesMax = Math.min(CHUNK_BYTES, WINDOW_BYTES - this.#underWay)
    this.#actions.push({ type: "read", space, after, bytesMax })
  }

  /** @returns Whether there was credit for it. */
  #sendChunk({ value, size }: Chunk<S>): boolean {
    if (this.#underWay > 0 && this.#underWay + size > WINDOW_BYTES) return false
    this.#underWay += size
    this.#outbox.sayAlone({ kind: "spans", value })
    return true
  }

  #tick(nowMs: number): void {
    if (!this.#isConnected) return
    const isOwed = this.#underWay > 0
    if (this.#patience.isOver(nowMs, { hasHello: this.#hasHello, isOwed }))
      this.#fail("SYNC_TIMEOUT")
  }

  /** One in a message is all that anybody needs. */
  #peerHeads(receipts: readonly Uint8Array[]): void {
    if (this.#actions.some(({ type }) => type === "heads")) this.#fail("SYNC_MALFORMED")
    else this.#actions.push({ type: "heads", receipts })
  }

  #find(reference: Uint8Array): SpaceState<S> | undefined {
    return this.#byReference.get(bytesToHex(reference))
  }

  #fail(code: SyncFailure): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#outbox.say({ kind: "bye", value: { code } })
    this.#outbox.flush()
    this.#actions.push({ type: "fail", code })
  }
}
