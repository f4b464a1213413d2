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
import type { ChainKey, SpaceTag } from "@fulcrum/log/ids"
import type { IncarnationTree } from "@fulcrum/log/incarnation-tree"
import {
  VECTOR_ROWS_MAX,
  type VersionVector,
  vectorDifference,
  vectorDigest,
} from "@fulcrum/log/vector"
import {
  decodeMessage,
  encodeMessage,
  type Have,
  HEADS_MAX,
  MESSAGE_ITEMS_MAX,
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

/** Most spaces that one session keeps in step: more than anybody has relationships. */
export const SESSION_SPACES_MAX = 8192

/** Bytes of spans sent in one message: half a window, so that one half is read meanwhile. */
export const CHUNK_BYTES: number = WINDOW_BYTES / 2

/** How long a peer may take to say hello, in milliseconds. */
export const HELLO_TIMEOUT_MS = 10_000

/** How long a peer may leave what was sent to it unacknowledged, in milliseconds. */
export const STALL_TIMEOUT_MS = 60_000

/** Most rows known of a peer: a whole vector, and as many that are not known to be old yet. */
const KNOWN_ROWS_MAX: number = 2 * VECTOR_ROWS_MAX

/** Items gathered in one message, by their size: `have` with many rows is large. */
const GATHERED_ROWS_MAX = 1024

/** Most questions for wider spans that are looked into, or whose answers wait, at a time. */
export const FINDS_MAX = 4

/** One space, as the session sees it. Live: what it says is durable, and changes. */
export interface SyncSpace {
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  readonly log: {
    readonly vector: VersionVector
    readonly digest: Uint8Array
    readonly tree: Pick<IncarnationTree, "coveredBy" | "merge" | "trailed" | "byKey">
  }
}

export type SyncFailure =
  | "SYNC_MALFORMED"
  | "SYNC_ORDER"
  | "SYNC_VERSION"
  | "SYNC_CREDIT"
  | "SYNC_TIMEOUT"
  /** The peer said why it ends the session. */
  | "SYNC_BYE"

export type SyncEvent<S extends SyncSpace> =
  /** @param heads - As `heads`: they go with the first message. */
  | { readonly type: "connected"; readonly heads?: readonly Uint8Array[] }
  | { readonly type: "message"; readonly bytes: Uint8Array }
  /** The answer to `read`: from `spansAfter`. */
  | {
      readonly type: "read"
      readonly space: S
      readonly spans: readonly Uint8Array[]
      readonly reached: VersionVector
    }
  /** The answer to `admit`: it is durable, or was refused. */
  | { readonly type: "admitted"; readonly space: S }
  /** These entries are here in many small spans: the peer is asked for wider ones. */
  | { readonly type: "seek"; readonly space: S; readonly place: SoughtPlace }
  /** The answer to `find`: wider spans, or none. */
  | { readonly type: "found"; readonly space: S; readonly spans: readonly Uint8Array[] }
  /** Something new is durable here; a space that the session does not know yet joins it. */
  | { readonly type: "local"; readonly space: S }
  /** What relays signed last, one receipt of each; told if it is another than before. */
  | { readonly type: "heads"; readonly receipts: readonly Uint8Array[] }
  | { readonly type: "tick"; readonly nowMs: number }

export type SyncAction<S extends SyncSpace> =
  | { readonly type: "send"; readonly bytes: Uint8Array }
  | {
      readonly type: "read"
      readonly space: S
      readonly after: VersionVector
      readonly bytesMax: number
    }
  | { readonly type: "admit"; readonly space: S; readonly spans: readonly Uint8Array[] }
  /** The peer would have wider spans of these entries, {@link CHUNK_BYTES} or a single one. */
  | { readonly type: "find"; readonly space: S; readonly place: SoughtPlace }
  /** What the peer has on its disk: the news for "synced with". */
  | { readonly type: "peerHas"; readonly space: S; readonly vector: VersionVector }
  /** What relays signed last for the peer, as it says. */
  | { readonly type: "heads"; readonly receipts: readonly Uint8Array[] }
  /** The session is over. */
  | { readonly type: "fail"; readonly code: SyncFailure }

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

/** What is known about one space between the two. */
interface SpaceState<S> {
  readonly space: S
  readonly reference: Uint8Array
  /** What the peer has on its disk, as far as it said. */
  theirs: VersionVector | undefined
  /** What the peer will have once it has stored all that was sent. `undefined`: no rows yet. */
  sent: VersionVector | undefined
  /** Our vector when we last told its digest. */
  told: { readonly digest: Uint8Array; readonly vector: VersionVector } | undefined
  /** Digest of our vector when we last gave all its rows. */
  rowsGiven: Uint8Array | undefined
  /** Our vector as the peer was last told that it is stored. */
  storedTold: VersionVector
}

/** What one message carries of a space. */
interface Chunk<S> {
  readonly state: SpaceState<S>
  readonly value: Spans
  readonly size: number
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
  #connectedMs: number | undefined
  #heardMs: number | undefined
  #heard = false
  /** The receipts that the peer was told last. */
  #headsTold: readonly Uint8Array[] = []
  #actions: SyncAction<S>[] = []
  #items: SyncItem[] = []
  #itemRows = 0

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
    this.#flush()
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
    this.#say({ kind: "hello", value })
    for (const state of this.#bySpace.values()) this.#sayHave(state)
    this.#sayHeads(heads)
  }

  #sayHeads(receipts: readonly Uint8Array[]): void {
    const told = this.#headsTold
    const news = receipts.filter((one) => !told.some((known) => equalBytes(known, one)))
    if (news.length === 0) return
    this.#headsTold = receipts
    this.#say({ kind: "heads", value: { receipts: news.slice(0, HEADS_MAX) } })
  }

  /** The digest; with all rows if we have changed since both last had the same. */
  #sayHave(state: SpaceState<S>): void {
    const agreed = this.#agreed(state.space)
    const isNews = agreed !== undefined && !equalBytes(vectorDigest(agreed), state.space.log.digest)
    if (isNews) this.#sayRows(state)
    else this.#say({ kind: "have", value: this.#have(state) })
  }

  #sayRows(state: SpaceState<S>): void {
    const { digest, vector, tree } = state.space.log
    if (state.rowsGiven && equalBytes(state.rowsGiven, digest)) return
    state.rowsGiven = digest
    state.storedTold = vector
    const rows = tree.trailed(vector)
    this.#say({ kind: "have", value: { ...this.#have(state), rows } }, rows.length)
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
    this.#heard = true
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
      this.#say({ kind: "credit", value: { bytes } })
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
      this.#say({ kind: "stored", value }, rows.length)
    }
    this.#owed -= bytes
    this.#say({ kind: "credit", value: { bytes } })
    // Who sent it has it: that goes by rows that are known here only now.
    if (state.theirs) this.#peerHas(state, state.theirs, state.sent ?? state.theirs)
    else this.#consider(state)
  }

  #seek(space: S, { incarnation, start, end }: SoughtPlace): void {
    const state = this.#bySpace.get(space)
    if (state === undefined || !this.#hasHello) return
    const value = { space: state.reference, incarnation, start, end }
    this.#say({ kind: "seek", value })
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
    const { sent } = state
    if (sent === undefined || this.#toSend.has(state)) return
    const { tree, vector } = state.space.log
    const covered = tree.coveredBy(sent)
    const isCovered = vector.every(({ incarnation, sequence, chain }) => {
      if ((covered.get(bytesToHex(incarnation)) ?? 0) < sequence) return false
      // The same sequence with another chain is a fork, of which the peer gets the proof.
      return !sent.some(
        (row) =>
          row.sequence === sequence &&
          equalBytes(row.incarnation, incarnation) &&
          !equalBytes(row.chain, chain),
      )
    })
    if (!isCovered) this.#toSend.add(state)
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
    this.#flush()
    this.#sendAlone({ kind: "spans", value })
    return true
  }

  #tick(nowMs: number): void {
    if (!this.#isConnected) return
    // Neither can lie after now: the clock was put back.
    this.#connectedMs = Math.min(this.#connectedMs ?? nowMs, nowMs)
    if (this.#heardMs !== undefined) this.#heardMs = Math.min(this.#heardMs, nowMs)
    if (this.#heard || this.#underWay === 0 || this.#heardMs === undefined) this.#heardMs = nowMs
    this.#heard = false
    const isSilent = !this.#hasHello && nowMs - this.#connectedMs > HELLO_TIMEOUT_MS
    if (isSilent || nowMs - this.#heardMs > STALL_TIMEOUT_MS) this.#fail("SYNC_TIMEOUT")
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
    this.#say({ kind: "bye", value: { code } })
    this.#flush()
    this.#actions.push({ type: "fail", code })
  }

  #say(item: SyncItem, rows = 0): void {
    if (this.#items.length >= MESSAGE_ITEMS_MAX || this.#itemRows + rows > GATHERED_ROWS_MAX) {
      this.#flush()
    }
    this.#items.push(item)
    this.#itemRows += rows
  }

  #flush(): void {
    if (this.#items.length === 0) return
    const items = this.#items
    this.#items = []
    this.#itemRows = 0
    this.#sendAlone(...items)
  }

  #sendAlone(...items: readonly SyncItem[]): void {
    this.#actions.push({ type: "send", bytes: encodeMessage(items) })
  }
}

function bytesOf(spans: readonly Uint8Array[]): number {
  return spans.reduce((sum, { length }) => sum + length, 0)
}
