/**
 * A record in memory, for testing the program above it: it keeps flat values, has one company, and
 * sends nothing.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type {
  BoardView,
  ConnectPreview,
  ConnectRequest,
  DeviceRename,
  DeviceRow,
  EditResult,
  HistoryRow,
  ImportResult,
  MovePreview,
  MoveRequest,
  PairPrompts,
  PairResult,
  Person,
  PersonAttachments,
  PersonEvent,
  RelationshipRow,
  RelationshipView,
  RelayRow,
  RevokePlan,
  StatusView,
  WhoHasRow,
} from "@fulcrum/engine/person"
import type { AsideRow, PersonAside } from "@fulcrum/engine/person-aside"
import type { PersonRecovery } from "@fulcrum/engine/person-recovery"
import { HeldRecord } from "../src/held-record.ts"

/** Like the engine's own: what matters is the code. */
export class CodedError extends Error {
  override readonly name = "CodedError"
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

const RELATIONSHIP: RelationshipRow = {
  id: "b3f19c02aa",
  vendor: "Acme",
  domain: "acme.example",
  state: "agreed",
  refusedBy: undefined,
  frozen: undefined,
  level: 3,
  terms: "SD-BASE",
  fields: ["card/phones/home"],
}

export class MemoryPerson implements Person {
  readonly device: Person["device"] = { id: "d1", name: "laptop" }
  readonly values: Map<string, JsonValue> = new Map()
  readonly relayAddresses: Set<string> = new Set()
  readonly listeners: Set<(event: PersonEvent) => void> = new Set()
  readonly settled: number[] = []
  readonly connected: ConnectRequest[] = []
  held: readonly string[] = []
  singleCopies: StatusView["singleCopies"] = []
  /** Whether the relay refuses the connect message, for the invitation was used already. */
  isUsed = false
  /** What is otherwise of the one field that its company has. */
  had: Partial<WhoHasRow> = {}
  /** What is otherwise of its one relationship. */
  relationship: Partial<RelationshipRow> = {}
  /** What a preview says otherwise, as when the invitation was followed before. */
  followed: Partial<ConnectPreview> = {}
  moves: BoardView[] = []
  started = 0
  isClosed = false
  isAwaited = false
  /** Paths that another device shows, ahead of their history. */
  readonly shown: Set<string> = new Set()
  isRemoved = false
  isCopied = false
  importWarnings: readonly string[] = []
  addresses: readonly string[] = []
  approved: boolean | undefined
  #undo: [string, JsonValue | undefined][] = []

  /** What is otherwise of what removing that comes to. */
  revokes: Partial<RevokePlan> = {}
  /** What is otherwise of its other device. */
  phone: Partial<DeviceRow> = {}
  /** Devices that were given other names. */
  readonly names: Map<string, string> = new Map()

  /** What it does about attachments; all else of that fails. */
  kept: Partial<PersonAttachments> = {}

  get attachments(): PersonAttachments {
    const fail = (): never => {
      throw new CodedError("ATTACHMENT_UNKNOWN", "no attachment goes by that")
    }
    const none = { add: fail, find: fail, fetch: fail, read: fail, remove: fail, putBack: fail }
    return { list: async () => [], ...none, ...this.kept }
  }

  /** What is set aside. */
  strays: readonly AsideRow[] = []
  /** What was done about it, as `take` or `drop` and the id. */
  readonly decided: string[] = []

  readonly aside: PersonAside = {
    list: async () => this.strays,
    take: async (ids) => {
      this.decided.push(...ids.map((id) => `take ${id}`))
      const taken = this.strays.filter(({ id }) => ids.some((one) => id.startsWith(one)))
      const changed = taken.flatMap(({ fields }) => fields.map(({ path }) => path))
      return { changed, reaches: [] }
    },
    drop: async (ids) => {
      this.decided.push(...ids.map((id) => `drop ${id}`))
      return ids
    },
  }

  /** What it does about its recovery words; all else of that fails. */
  recovering: Partial<PersonRecovery> = {}

  get recovery(): PersonRecovery {
    const fail = async () => Promise.reject(new CodedError("RECOVERY_WORDS_OTHER", "others"))
    const none = { drill: fail, replaceWords: fail, async *backup() {} }
    return { beacons: async () => [], ...none, ...this.recovering }
  }

  isShown(path: string): boolean {
    return this.shown.has(path)
  }

  async importFile(bytes: Uint8Array): Promise<ImportResult> {
    const [path, value] = ["card/name", `${bytes.length} bytes`]
    const fields = [{ path, value, before: this.values.get(path) }]
    this.values.set(path, value)
    return { cards: 2, fields, warnings: this.importWarnings }
  }

  async exportRecord(options: {
    readonly format: "json" | "jscontact" | "vcard"
  }): Promise<string> {
    if (options.format === "vcard") return "BEGIN:VCARD\r\nEND:VCARD\r\n"
    return JSON.stringify(Object.fromEntries(this.values))
  }

  async get(path?: string): Promise<JsonValue | undefined> {
    if (path !== undefined) return this.values.get(path)
    return this.values.size === 0 ? undefined : Object.fromEntries(this.values)
  }

  async set(path: string, value: string): Promise<EditResult> {
    if (path.startsWith("nowhere")) throw new CodedError("PATH_UNKNOWN", `no such path: ${path}`)
    this.#undo.push([path, this.values.get(path)])
    this.values.set(path, value)
    this.changed("record")
    return this.#edited(path)
  }

  async unset(path: string): Promise<EditResult> {
    if (!this.values.has(path)) return { changed: [], reaches: [] }
    this.#undo.push([path, this.values.get(path)])
    this.values.delete(path)
    return this.#edited(path)
  }

  async history(path?: string): Promise<readonly HistoryRow[]> {
    return [...this.values]
      .filter(([at]) => path === undefined || at === path)
      .map(([at, value], i) => ({ path: at, value, device: "laptop", sequence: i + 1 }))
  }

  async undo(): Promise<EditResult> {
    const last = this.#undo.pop()
    if (last === undefined) throw new CodedError("UNDO_NOTHING", "nothing to undo")
    const [path, before] = last
    if (before === undefined) this.values.delete(path)
    else this.values.set(path, before)
    return this.#edited(path)
  }

  async relays(): Promise<readonly RelayRow[]> {
    return [...this.relayAddresses].map((address) => ({
      ...{ address, state: "untried", pending: 1, code: undefined },
    }))
  }

  async addRelay(address: string): Promise<void> {
    this.relayAddresses.add(address)
  }

  async removeRelay(address: string): Promise<void> {
    this.relayAddresses.delete(address)
  }

  async devices(): Promise<readonly DeviceRow[]> {
    const row: Omit<DeviceRow, "id" | "name"> = {
      isThis: true,
      state: this.isRemoved ? "removed" : "member",
      connected: false,
      hasEverything: true,
      kind: "Linux, laptop",
      addedBy: { by: "itself", name: "laptop" },
      removedBy: [],
      lastSeenMs: undefined,
      lag: undefined,
    }
    const other: Partial<DeviceRow> = {
      ...{ isThis: false, state: "member", hasEverything: false, kind: undefined },
      ...{ addedBy: { by: "device", name: "laptop" }, ...this.phone },
    }
    return [
      { ...row, ...this.device },
      { ...row, id: "d2", name: this.names.get("phone") ?? "phone", ...other },
    ]
  }

  async planRevoke(name: string): Promise<RevokePlan> {
    if (name === this.device.name) throw new CodedError("DEVICE_IS_THIS", "this is that device")
    if (name !== "phone") throw new CodedError("DEVICE_UNKNOWN", "no device goes by that name")
    const device = (await this.devices()).find((one) => one.name === name)
    return { name, device, entries: 7, attachments: 0, companies: 1, ...this.revokes }
  }

  async renameDevice(name: string, newName: string): Promise<DeviceRename> {
    if (newName === "laptop") throw new CodedError("DEVICE_NAME_TAKEN", "another goes by it")
    this.names.set(name, newName)
    return { name: newName, before: name }
  }

  async revokeDevice(name: string): Promise<void> {
    await this.planRevoke(name)
  }

  /** What kept from telling. */
  readonly failures: unknown[] = []
  /** Whether whoever paired has said that the device was added. */
  hasTold = false

  async pair(prompts: PairPrompts, signal: AbortSignal): Promise<PairResult> {
    signal.throwIfAborted()
    const [code, uri] = ["4711-copper-lemon-orbit", "fulcrum-pair:1.AAAA"]
    prompts.code({ code, uri, lanOnly: false, expiresAtMs: 120_000, addresses: this.addresses })
    this.approved = await prompts.approve({ words: ["apple", "river"], name: "phone" })
    if (!this.approved) throw new CodedError("PAIR_REFUSED", "refused here")
    await prompts.added?.("phone").catch((error: unknown) => {
      this.failures.push(error)
      throw error
    })
    this.hasTold = true
    return { device: "phone" }
  }

  async previewConnect(request: ConnectRequest): Promise<ConnectPreview> {
    const follows = request.disclose.map((path) => ({
      ...{ path, value: "1", follows: true, given: false },
    }))
    return {
      vendor: { name: "Acme", domain: "acme.example", checked: "not checked" },
      did: "did:key:z6MkExample",
      terms: request.terms ?? "SD-BASE",
      requested: [
        {
          path: "card/phones/home",
          purpose: "delivery",
          retention: "P1Y",
          required: false,
          why: "to call you",
        },
      ],
      disclosed: follows,
      missing: [],
      personal: true,
      relays: ["/ip4/127.0.0.1/tcp/4001"],
      ...{ resumes: undefined, state: undefined, ownDid: undefined },
      ...this.followed,
    }
  }

  async connect(request: ConnectRequest): Promise<RelationshipRow> {
    this.connected.push(request)
    return { ...RELATIONSHIP, state: "proffered" }
  }

  async waitForAgreement(_: string, timeoutMs: number): Promise<RelationshipRow> {
    if (this.isUsed) throw new CodedError("CONNECT_INVITATION_USED", "used already")
    return timeoutMs === 0 ? { ...RELATIONSHIP, state: "proffered" } : RELATIONSHIP
  }

  async relationships(): Promise<readonly RelationshipRow[]> {
    return [{ ...RELATIONSHIP, ...this.relationship }]
  }

  async show(vendor: string): Promise<RelationshipView> {
    if (vendor !== "Acme" && !RELATIONSHIP.id.startsWith(vendor)) {
      throw new CodedError("VENDOR_UNKNOWN", "no relationship goes by that name")
    }
    return {
      ...{ ...RELATIONSHIP, ...this.relationship },
      did: "did:key:z6MkExample",
      agreement: {},
      disclosures: [
        {
          path: "card/phones/home",
          purpose: "delivery",
          retention: "P1Y",
          until: "2027-12-31",
          follows: true,
          value: "+49 1",
          state: "applied",
        },
      ],
      unclaimed: [],
      unknownTaken: 0,
      refusal: undefined,
      held: this.held,
    }
  }

  async disclose(vendor: string): Promise<RelationshipView> {
    return await this.show(vendor)
  }

  async whoHas(path: string): Promise<readonly WhoHasRow[]> {
    if (path !== "card/phones/home") return []
    return [
      {
        vendor: "Acme",
        relationship: RELATIONSHIP.id,
        path,
        value: "+49 1",
        purpose: "delivery",
        until: "2027-12-31",
        ...{ evidence: "applied", state: "applied", holds: undefined },
        ...this.had,
      },
    ]
  }

  async terms(): ReturnType<Person["terms"]> {
    return [{ id: "SD-BASE", iri: "https://example/SD-BASE", summary: "Service, no more" }]
  }

  async planMove(request: MoveRequest): Promise<MovePreview> {
    return {
      changes: request.assignments.map(({ path, value }) => ({
        path,
        before: this.values.get(path),
        after: value,
      })),
      gets: [{ relationship: RELATIONSHIP.id, vendor: "Acme", paths: ["card/phones/home"] }],
      unaffected: [{ relationship: "x", vendor: "Other" }],
      from: request.from,
    }
  }

  async move(request: MoveRequest): Promise<BoardView> {
    const board: BoardView = {
      move: "77aa01",
      changes: request.assignments.map(({ path, value }) => ({ path, after: value })),
      from: request.from,
      lines: [
        {
          relationship: RELATIONSHIP.id,
          vendor: "Acme",
          paths: ["card/phones/home"],
          state: "relayed",
          steps: [
            { state: "sealed", signedBy: undefined },
            { state: "relayed", signedBy: "aa" },
          ],
          code: undefined,
        },
      ],
      done: false,
    }
    this.moves.push(board)
    return board
  }

  async board(): Promise<BoardView | undefined> {
    return this.moves.at(-1)
  }

  async unfreeze(): Promise<RelationshipRow> {
    throw new CodedError("RELATIONSHIP_NOT_FROZEN", "this company knows of one key of hers")
  }

  async status(): Promise<StatusView> {
    return {
      device: this.device.name,
      removed: this.isRemoved,
      copied: this.isCopied,
      documents: 1,
      entries: this.values.size,
      vector: "00",
      relays: await this.relays(),
      devices: await this.devices(),
      relationships: 1,
      singleCopies: this.singleCopies,
      frozen: [],
      held: this.held,
      quarantined: 0,
      aside: this.strays.length,
      forks: 0,
    }
  }

  async start(options: { readonly listen: readonly string[] }): Promise<readonly string[]> {
    this.started++
    return options.listen
  }

  async settle(timeoutMs: number): Promise<readonly string[]> {
    this.settled.push(timeoutMs)
    return this.held
  }

  async doctor(): ReturnType<Person["doctor"]> {
    return [{ check: "record", ok: true, detail: "every entry is there" }]
  }

  onChange(listener: (event: PersonEvent) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Tells whoever listens. */
  changed(event: PersonEvent): void {
    for (const listener of this.listeners) listener(event)
  }

  async close(): Promise<void> {
    this.isClosed = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #edited(path: string): EditResult {
    const isShared = path === "card/phones/home"
    const reach = { relationship: RELATIONSHIP.id, vendor: "Acme", path }
    return { changed: [path], reaches: isShared ? [reach] : [] }
  }
}

/** As `fulcrum up` holds it, open. */
export async function heldOpen(person: MemoryPerson): Promise<HeldRecord> {
  const ready = { document: { ready: true, addresses: [] }, text: "laptop is up." }
  const record = new HeldRecord(async () => ({ person, ready }))
  await record.unlock()
  return record
}
