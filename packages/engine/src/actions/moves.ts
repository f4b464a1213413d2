/**
 * Moves and their board: one change of the record, the entry of each share that carries it, and
 * how far each has got, from signed receipts.
 *
 * Source: DESIGN, "Relations" (move, receipts).
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import { addressParts } from "@fulcrum/net/address"
import { publicKeyToPeerId } from "@fulcrum/net/peer-id"
import { editsForSet, parsePath, requireEntry } from "@fulcrum/record/path"
import { editDocument, getPath, type RecordChange } from "@fulcrum/record/record"
import { valueAt } from "@fulcrum/record/registers"
import { type LineProgress, lineState, type RelayedSpan } from "@fulcrum/relations/board"
import { moveNote, planMove } from "@fulcrum/relations/move"
import { verifyReceipt } from "@fulcrum/relay/receipt"
import { RelayError } from "@fulcrum/relay/relay-error"
import { EngineError } from "../failures/engine-error.ts"
import type { MoveItem, MoveLine } from "../items/record-items.ts"
import type { RelationshipSecrets } from "../items/record-state.ts"
import type { RelayReceiptItem } from "../items/relationship-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import type { BoardLine, BoardView, MovePreview, MoveRequest } from "../person/person.ts"
import type { OpenRelationship, Relationships } from "../relationships/relationships.ts"
import { isPlaceOf } from "../relationships/share-places.ts"
import type { UndoLog } from "./undo-log.ts"

export interface MovesOptions {
  readonly ledger: Ledger
  readonly relationships: Relationships
  readonly undoLog: UndoLog
  readonly clock: Clock
  readonly random: Random
  /** The person's IANA time zone, for a move with a date. */
  readonly zone: string
}

export class Moves {
  readonly #options: MovesOptions

  constructor(options: MovesOptions) {
    this.#options = options
  }

  /** Who would get what. Writes nothing. */
  plan(request: MoveRequest): Promise<MovePreview> {
    const { ledger } = this.#options
    // Planning is making the move and taking the step back whole.
    return ledger
      .transact(async (step): Promise<MovePreview> => {
        throw new Planned((await this.#try(step, request)).preview)
      })
      .catch((error: unknown) => {
        if (error instanceof Planned) return error.preview
        throw error
      })
  }

  /** @throws {EngineError} `MOVE_UNCHANGED`. @throws {RelationsError} `MOVE_INVALID`. */
  async move(request: MoveRequest): Promise<BoardView> {
    const { ledger, clock, random, relationships, undoLog, zone } = this.#options
    const id = random.bytes(16)
    await ledger.transact(async (step) => {
      const { preview, changes } = await this.#try(step, request)
      if (changes.length === 0) {
        throw new EngineError("MOVE_UNCHANGED", "the record says so already: nothing to tell")
      }
      await undoLog.push(step, "move", [])
      const edited = preview.changes.map(({ path }) => path)
      const { from } = request
      const day = from === undefined ? undefined : { from, zone }
      const reached = await relationships.project(step, edited, {
        day,
        with: ({ space: { share } }, paths) => [
          { kind: "move", value: moveNote({ id, from, zone: from && zone, paths, share }) },
        ],
      })
      const lines: readonly MoveLine[] = reached.map((one) => ({
        relationship: one.relationship.secrets.item.id,
        paths: one.paths,
        incarnation: one.incarnation,
        sequence: one.sequence,
        chain: one.chain,
      }))
      const assignments = preview.changes.map(({ path, before, after }) => ({
        path,
        before,
        after,
      }))
      const madeMs = clock.now()
      step.add({ kind: "move", value: { id, madeMs, from, assignments, lines } })
    })
    const board = await this.board(bytesToHex(id))
    if (board === undefined) throw new TypeError("a move that was just written is missing")
    return board
  }

  /** @throws {EngineError} `MOVE_UNKNOWN`, for an id that none or several have. */
  async board(wanted?: string): Promise<BoardView | undefined> {
    const moves = [...this.#options.ledger.state.moves].toSorted(
      ([a, x], [b, y]) => x.madeMs - y.madeMs || (a < b ? -1 : 1),
    )
    const newest = moves.at(-1)
    if (wanted === undefined) return newest && this.#boardOf(newest[0], newest[1])
    const found = moves.filter(([id]) => id.startsWith(wanted.toLowerCase()))
    const [only] = found
    if (only === undefined || found.length > 1) {
      throw new EngineError("MOVE_UNKNOWN", "no move, or several, by that id")
    }
    return this.#boardOf(only[0], only[1])
  }

  /** How far one entry of a share has got. */
  progress(
    relationship: OpenRelationship,
    entry: {
      readonly incarnation: Uint8Array
      readonly sequence: number
      readonly chain: Uint8Array
    },
  ): LineProgress {
    const { secrets } = relationship
    const { relayReceipts } = secrets
    const isAbout = ({ incarnation, start, end }: RelayReceiptItem) =>
      start <= entry.sequence && entry.sequence <= end && equalBytes(incarnation, entry.incarnation)
    return lineState({
      entry,
      relayReceipts: relayReceipts.filter(isAbout).flatMap((kept) => relayedSpan(kept, secrets)),
      vendorReceipts: relationship.space.receiptsAbout(entry.chain),
    })
  }

  async #boardOf(id: string, item: MoveItem): Promise<BoardView> {
    const lines: BoardLine[] = []
    for (const line of item.lines) lines.push(await this.#line(line))
    return {
      move: id,
      changes: item.assignments.map(({ path, after }) => ({ path, after })),
      from: item.from,
      lines: lines.toSorted((a, b) => (a.vendor < b.vendor ? -1 : 1)),
      done: lines.every(({ state }) => state === "applied" || state === "rejected"),
    }
  }

  async #line(line: MoveLine): Promise<BoardLine> {
    const id = bytesToHex(line.relationship)
    const { paths } = line
    const relationship = this.#options.relationships.get(id)
    if (relationship === undefined) {
      const steps = [{ state: "planned", signedBy: undefined }] as const
      return {
        relationship: id,
        vendor: id.slice(0, 8),
        paths,
        state: "planned",
        steps,
        code: undefined,
      }
    }
    const { name } = await this.#options.relationships.document(id)
    const { state, steps, code } = this.progress(relationship, line)
    return {
      relationship: id,
      vendor: name,
      paths,
      state,
      steps: steps.map((step) => ({
        state: step.state,
        signedBy: step.signedBy && bytesToHex(step.signedBy),
      })),
      code,
    }
  }

  /** Makes the move's edits in a step, which the caller keeps or throws away. */
  async #try(
    step: Step,
    request: MoveRequest,
  ): Promise<{ readonly preview: MovePreview; readonly changes: readonly RecordChange[] }> {
    const { relationships, clock } = this.#options
    const today = new Date(clock.now()).toISOString().slice(0, 10)
    const assignments: {
      path: string
      before: JsonValue | undefined
      after: JsonValue | undefined
    }[] = []
    const changes: RecordChange[] = []
    for (const { path, value } of request.assignments) {
      const at = parsePath(path)
      const before = await getPath(step.documents, path)
      const edits = editsForSet(at, value)
      const { document } = at
      requireEntry(at, await step.documents.read(document))
      const change = await editDocument(step.documents, { document, edits, actor: step.actor })
      step.keep(change)
      if (change !== undefined) changes.push(change)
      const after = valueAt(await step.documents.read(document), at.path)
      assignments.push({ path, before, after })
    }
    const known = await Promise.all(
      relationships.all.map(async (relationship) => {
        const { name, disclosures } = await relationships.document(relationship.id)
        const agreed = relationships.isAgreed(relationship)
        const standing = relationships.standing(disclosures)
        return { id: relationship.id, vendor: name, agreed, disclosures: standing }
      }),
    )
    const { from } = request
    const plan = planMove({ assignments, from, today, relationships: known })
    const { gets, unaffected } = plan
    return { preview: { changes: assignments, gets, unaffected, from }, changes }
  }
}

/** Ends a step that must not be written, with what it found. */
class Planned extends Error {
  readonly preview: MovePreview

  constructor(preview: MovePreview) {
    super("planned")
    this.preview = preview
  }
}

/** Only what a relay of this relationship has signed, about its mailbox, shows a state. */
function relayedSpan(
  { incarnation, start, end, receipt }: RelayReceiptItem,
  secrets: RelationshipSecrets,
): readonly RelayedSpan[] {
  try {
    const { relay, mailbox } = verifyReceipt(receipt)
    const peerId = publicKeyToPeerId(relay)
    const isKnown = secrets.item.relays.some((address) => addressParts(address).peerId === peerId)
    return isKnown && isPlaceOf(secrets, mailbox)
      ? [{ incarnation, start, end, signedBy: relay }]
      : []
  } catch (error) {
    if (error instanceof RelayError) return []
    throw error
  }
}
