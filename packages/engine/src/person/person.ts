/**
 * What an open record can do: the one surface that programs, pages and tests use.
 *
 * Every method that changes the record resolves once its entries are flushed to disk (DESIGN,
 * "Acknowledged means durable"). Values are plain JSON. Errors are {@link EngineError}, or the
 * coded error of the package that found them; messages carry no values and no keys.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { PersonAside } from "./person-aside.ts"
import type {
  DeviceRename,
  DeviceRow,
  PairPrompts,
  PairResult,
  RevokePlan,
} from "./person-devices.ts"
import type { PersonRecovery } from "./person-recovery.ts"
import type { StatusView } from "./person-status.ts"

export type {
  DeviceActor,
  DeviceLag,
  DeviceRename,
  DeviceRow,
  PairPrompts,
  PairResult,
  RevokePlan,
  SingleCopies,
} from "./person-devices.ts"
export type { StatusView } from "./person-status.ts"

/** One field with its value, as a preview, an import or an edit shows it. */
export interface FieldValue {
  /** `document/…`, JSON-pointer escaped. */
  readonly path: string
  /** `undefined`: the field is removed. */
  readonly value: JsonValue | undefined
}

export interface ImportedField extends FieldValue {
  /** What it replaced; `undefined`: nothing was there. */
  readonly before: JsonValue | undefined
}

export interface ImportResult {
  /** How many cards the file held; the first is the one that was taken. */
  readonly cards: number
  readonly fields: readonly ImportedField[]
  /** What of it was left out, or is missing, and why; without values. */
  readonly warnings: readonly string[]
}

/** A relationship whose share a change reaches. */
export interface Reach {
  readonly relationship: string
  readonly vendor: string
  readonly path: string
}

export interface EditResult {
  readonly changed: readonly string[]
  readonly reaches: readonly Reach[]
}

export interface HistoryRow {
  readonly path: string
  readonly value: JsonValue | undefined
  /** Name of the device that wrote it; `undefined` if it is not known here. */
  readonly device: string | undefined
  /** Position in that device's log. */
  readonly sequence: number
}

export interface RelayRow {
  readonly address: string
  readonly state: "reachable" | "unreachable" | "full" | "untried"
  /**
   * In how many of its mailboxes of the record it has not signed for all that is here; as far as this device
   * heard, whether or not it was asked since the record was opened.
   */
  readonly pending: number
  /** Why it is not reachable, by the error's code. */
  readonly code: string | undefined
}

export interface ConnectRequest {
  readonly invitation: string
  /** Paths; `PATH:once` does not follow later changes. */
  readonly disclose: readonly string[]
  /** An agreement's id, such as `SD-BASE`; by default the first that the vendor accepts. */
  readonly terms?: string
}

export interface RequestedField {
  readonly path: string
  readonly purpose: string
  readonly retention: string
  readonly required: boolean
  readonly why: string
}

export interface ConnectPreview {
  readonly vendor: {
    readonly name: string
    readonly domain: string | undefined
    readonly checked: string
  }
  /** The vendor's own key, as `did:key`. */
  readonly did: string
  /** Id of the agreement. */
  readonly terms: string
  readonly requested: readonly RequestedField[]
  readonly disclosed: readonly (FieldValue & {
    readonly follows: boolean
    /** Whether the company's share has the value, and not only a promise of it. */
    readonly given: boolean
  })[]
  readonly missing: readonly string[]
  readonly personal: boolean
  readonly relays: readonly string[]
  /**
   * Present when the same invitation was followed before: connecting goes on with it, and what is
   * told is what was proffered then.
   */
  readonly resumes: string | undefined
  /** How far that has got. */
  readonly state: RelationshipState | undefined
  /** As whom its company knows her: the `did:key` that `show` has, too. */
  readonly ownDid: string | undefined
}

export type RelationshipState = "proffered" | "agreed" | "refused" | "left" | "frozen"

/**
 * Why a company takes no change: it knows of two keys that claim to succeed the relationship's, both
 * of her devices (`own`: it ends by itself), or one of a removed one (`other`: her words decide).
 */
export type Freeze = "own" | "other"

export interface RelationshipRow {
  readonly id: string
  readonly vendor: string
  readonly domain: string | undefined
  readonly state: RelationshipState
  /**
   * By whom, of one that was refused: the company, or the relay at its door, which has let somebody
   * else in with this invitation.
   */
  readonly refusedBy: "company" | "relay" | undefined
  readonly frozen: Freeze | undefined
  readonly level: number
  readonly terms: string
  readonly fields: readonly string[]
}

export interface RelationshipView extends RelationshipRow {
  readonly did: string
  readonly agreement: JsonValue
  readonly disclosures: readonly {
    readonly path: string
    readonly purpose: string
    readonly retention: string
    readonly until: string
    readonly follows: boolean
    /** The value that the share holds now; `undefined` while nothing was projected. */
    readonly value: JsonValue | undefined
    readonly state:
      | "held"
      | "sealed"
      | "relayed"
      | "delivered"
      | "accepted"
      | "applied"
      | "rejected"
  }[]
  readonly refusal: string | undefined
  /**
   * What the company took, signed by a key that has been replaced since, and that no device of hers
   * stands by: a removed device wrote it, or one that has not come back yet.
   */
  readonly unclaimed: readonly { readonly path: string; readonly value: JsonValue | undefined }[]
  /** How many changes the company says that it took which this device does not have. */
  readonly unknownTaken: number
  readonly held: readonly string[]
}

export interface WhoHasRow {
  readonly vendor: string
  readonly relationship: string
  readonly path: string
  /** What it was told last; `undefined`: that the field is empty now. */
  readonly value: JsonValue | undefined
  readonly purpose: string
  readonly until: string
  /** The signed receipt that says so, or `undefined` while nobody has confirmed. */
  readonly evidence: "applied" | "accepted" | "delivered" | "relayed" | undefined
  /** How far that has got, with what nobody else signs for. */
  readonly state: RelationshipView["disclosures"][number]["state"]
  /** What it has meanwhile, by its own signed word, where that is something else. */
  readonly holds:
    | { readonly value: JsonValue; readonly evidence: "applied" | "accepted" | "delivered" }
    | undefined
}

export interface MoveRequest {
  readonly assignments: readonly { readonly path: string; readonly value: string }[]
  /** Day (`YYYY-MM-DD`) from which it holds; absent: at once. */
  readonly from?: string
}

export interface MovePreview {
  readonly changes: readonly {
    readonly path: string
    readonly before: JsonValue | undefined
    readonly after: JsonValue | undefined
  }[]
  readonly gets: readonly {
    readonly relationship: string
    readonly vendor: string
    readonly paths: readonly string[]
  }[]
  readonly unaffected: readonly { readonly relationship: string; readonly vendor: string }[]
  readonly from: string | undefined
}

export type LineState =
  | "planned"
  | "sealed"
  | "relayed"
  | "delivered"
  | "accepted"
  | "applied"
  | "rejected"

export interface BoardLine {
  readonly relationship: string
  readonly vendor: string
  readonly paths: readonly string[]
  readonly state: LineState
  /** Reached states in order; each after `sealed` names who signed it (relay or vendor key, hex). */
  readonly steps: readonly { readonly state: LineState; readonly signedBy: string | undefined }[]
  readonly code: string | undefined
}

export interface BoardView {
  readonly move: string
  readonly changes: readonly { readonly path: string; readonly after: JsonValue | undefined }[]
  readonly from: string | undefined
  readonly lines: readonly BoardLine[]
  /** Every line is applied or rejected. */
  readonly done: boolean
}

/** A file that belongs to the record. */
export interface AttachmentRow {
  /** 32 bytes in hex. */
  readonly id: string
  /** As the file was called. */
  readonly name: string
  readonly mediaType: string
  readonly bytes: number
  /** By the clock of the device that attached it. */
  readonly addedMs: number
  /** That device's name; `undefined` if it is not known here. */
  readonly device: string | undefined
  /** Of what is in it. */
  readonly here: "whole" | "part" | "none"
  /** Names of the devices that have all of it, as far as each has said. */
  readonly on: readonly string[]
  /** Paths that refer to it. */
  readonly paths: readonly string[]
}

export interface NewAttachment {
  readonly name: string
  readonly mediaType: string
  /** How many the content has. */
  readonly bytes: number
  readonly content: AsyncIterable<Uint8Array>
  /** Where the record is to refer to it: what has a `uri`, such as `card/media/photo`. */
  readonly path?: string | undefined
  readonly signal: AbortSignal
  /** Told now and then how many bytes are done. */
  progress?(bytes: number): void
}

export interface FetchOptions {
  /** How long a device that has it is waited for, unless one is being fetched from. */
  readonly reachMs: number
  readonly signal: AbortSignal
  /** What is here turned out to be damaged: it is checked, and what is wrong is fetched again. */
  readonly isDoubted?: boolean | undefined
  /** Told now and then how many bytes are here. */
  progress?(bytes: number): void
}

/**
 * Files that belong to the record, each wanted by its id or the beginning of that, by its name, or by
 * a path that refers to it.
 *
 * @throws {EngineError} `ATTACHMENT_UNKNOWN`, `ATTACHMENT_AMBIGUOUS`, `ATTACHMENT_NOWHERE`.
 */
export interface PersonAttachments {
  /**
   * @throws {AttachmentError} `ATTACHMENT_CHANGED`, `ATTACHMENT_TOO_LARGE`.
   * @throws {EngineError} `ATTACHMENT_PLACE`: nothing can be attached at that path.
   */
  add(added: NewAttachment): Promise<AttachmentRow>
  list(): Promise<readonly AttachmentRow[]>
  find(wanted: string): Promise<AttachmentRow>
  /**
   * Resolves once it is whole here; what had come of it before is not fetched again.
   *
   * @throws {EngineError} `ATTACHMENT_AWAY`: nobody who has it can be reached.
   */
  fetch(wanted: string, options: FetchOptions): Promise<AttachmentRow>
  /**
   * The content of one that is here.
   *
   * @throws {AttachmentError} `ATTACHMENT_DAMAGED`: what was given is right. @throws {EngineError}
   * `ATTACHMENT_AWAY`: it is not here.
   */
  read(wanted: string): AsyncIterable<Uint8Array>
  /**
   * Puts the content of one back that the record names.
   *
   * @returns `here`: it was; `wrong`: it is not what the record says, or of no attachment.
   */
  putBack(id: string, content: AsyncIterable<Uint8Array>): Promise<"here" | "restored" | "wrong">
  /** Takes it away from the record, with what refers to it; every device deletes what it holds of it. */
  remove(wanted: string): Promise<void>
}

/** Something that a screen may want to redraw for. */
export type PersonEvent = "record" | "devices" | "relationships" | "board" | "network"

/** An open record. Opened by `openPerson`, `createPerson` or `joinPerson`. */
export interface Person extends AsyncDisposable {
  readonly device: { readonly id: string; readonly name: string }
  /**
   * This device has joined and the record has not come yet: there is nothing to read, and what
   * would write is `RECORD_AWAITED`.
   */
  readonly isAwaited: boolean
  /**
   * Whether another own device has shown what is at a path, whose history is still coming: `get`
   * gives it, and what would write it waits.
   *
   * @throws {RecordError} `PATH_UNKNOWN`.
   */
  isShown(path: string): boolean
  /**
   * Another device has removed this one, and it has heard of it: it keeps what it has, and what
   * would write or send is `DEVICE_REMOVED`.
   */
  readonly isRemoved: boolean
  /** Its folder was found to have been copied, or put back to what it was before; since it was opened. */
  readonly isCopied: boolean
  readonly attachments: PersonAttachments
  readonly aside: PersonAside
  readonly recovery: PersonRecovery

  importFile(bytes: Uint8Array): Promise<ImportResult>
  exportRecord(options: {
    readonly format: "json" | "jscontact" | "vcard"
    readonly all: boolean
  }): Promise<string>
  get(path?: string): Promise<JsonValue | undefined>
  set(path: string, value: string): Promise<EditResult>
  unset(path: string): Promise<EditResult>
  history(path?: string): Promise<readonly HistoryRow[]>
  undo(): Promise<EditResult>

  relays(): Promise<readonly RelayRow[]>
  addRelay(address: string): Promise<void>
  removeRelay(address: string): Promise<void>

  devices(): Promise<readonly DeviceRow[]>
  revokeDevice(name: string): Promise<void>
  /** @throws {EngineError} `DEVICE_NAME_TAKEN`, `DEVICE_NAME_INVALID`, and those of a name. */
  renameDevice(name: string, newName: string): Promise<DeviceRename>
  /** What that would come to. @throws What {@link revokeDevice} would. */
  planRevoke(name: string): Promise<RevokePlan>
  /**
   * Needs {@link Person.start} or opens the network for itself; ends with the newcomer added, and
   * given the record if it can be reached soon.
   */
  pair(prompts: PairPrompts, signal: AbortSignal): Promise<PairResult>

  previewConnect(request: ConnectRequest): Promise<ConnectPreview>
  /**
   * Commits what the preview showed; the same invitation again resumes the same relationship.
   *
   * @throws {EngineError} `CONNECT_INVITATION_USED`: the relay had said so then.
   */
  connect(request: ConnectRequest): Promise<RelationshipRow>
  /** @throws {EngineError} `CONNECT_INVITATION_USED`: the relay says so. */
  waitForAgreement(relationship: string, timeoutMs: number): Promise<RelationshipRow>
  relationships(): Promise<readonly RelationshipRow[]>
  /**
   * @param vendor - Relationship id, a unique prefix of it, or the vendor's name: that of one that
   * was refused is told apart by its id, if there is another.
   */
  show(vendor: string): Promise<RelationshipView>
  /**
   * Of two keys that a company knows, this record's own counts.
   *
   * @param words - The 24 recovery words. @throws {AccessError} `RECOVERY_WORD…`. @throws {EngineError} `RELATIONSHIP_NOT_FROZEN`, `RECOVERY_WORDS_OTHER`, `VENDOR_…`.
   */
  unfreeze(vendor: string, words: string): Promise<RelationshipRow>
  disclose(vendor: string, paths: readonly string[]): Promise<RelationshipView>
  whoHas(path: string): Promise<readonly WhoHasRow[]>
  terms(): Promise<
    readonly { readonly id: string; readonly iri: string; readonly summary: string }[]
  >

  planMove(request: MoveRequest): Promise<MovePreview>
  move(request: MoveRequest): Promise<BoardView>
  /** @param move - Id or unique prefix; absent: the newest. `undefined` if there is none. */
  board(move?: string): Promise<BoardView | undefined>

  status(): Promise<StatusView>
  /** Opens connections, listens, and keeps them until closed. @returns The addresses listened on. */
  start(options: { readonly listen: readonly string[] }): Promise<readonly string[]>
  /** Brings everything to whoever can be reached, at most `timeoutMs`. @returns What is still held. */
  settle(timeoutMs: number): Promise<readonly string[]>
  doctor(): Promise<
    readonly { readonly check: string; readonly ok: boolean; readonly detail: string }[]
  >

  onChange(listener: (event: PersonEvent) => void): () => void
  close(): Promise<void>
}
