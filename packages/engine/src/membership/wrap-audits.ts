/**
 * Whether every key that a member announced was given to all who belong, and to nobody else: its wraps
 * are made again and compared, without any server's word. What was wrong is kept, and told.
 *
 * | table           | group    | order | value                                            |
 * | --------------- | -------- | ----- | ------------------------------------------------ |
 * | `engine.audits` | epoch id | 0     | what is wrong, canonical CBOR of {@link Finding} |
 *
 * Source: DESIGN, "Keys" (an auditor on each device re-checks wraps against members).
 *
 * @module
 */
import { AccessError } from "@fulcrum/access/access-error"
import { type KeyBody, readKeyBody } from "@fulcrum/access/key-body"
import type { MembershipEntry } from "@fulcrum/access/member-state"
import { reduceMembership } from "@fulcrum/access/membership"
import { auditWraps, WRAPS_MAX } from "@fulcrum/access/rotation"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import {
  array,
  bool,
  bytes,
  decodeAs,
  encodeAs,
  type Schema,
  struct,
  uint,
} from "@fulcrum/codec/schema"
import { SealError } from "@fulcrum/crypto/seal-error"
import type { EpochId, EpochKey } from "@fulcrum/log/ids"
import type { AdmittedEntry } from "@fulcrum/log/replica"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import type { Membership } from "./membership.ts"

export interface Finding {
  /** Key of who announced it. */
  readonly writer: Uint8Array
  /** Ids of the members that were left out; nobody, and nothing foreign: the wraps are wrong otherwise. */
  readonly missing: readonly Uint8Array[]
  /** Whether the recovery words were. */
  readonly areWordsMissing: boolean
  /** How many wraps are for nobody that is known. */
  readonly foreign: number
}

/** A key span, opened. */
interface Announced {
  readonly follows: EpochId
  readonly clear: Uint8Array
  readonly epochKey: EpochKey
  readonly writer: Uint8Array
  readonly encoded: Uint8Array
}

/** Verdicts that are remembered: what counts is made anew again and again, of the same entries. */
const REMEMBERED_MAX = 4096

/** As many as a hostile member could have kept at once. */
const POSTPONED_MAX = 64

const findingSchema: Schema<Finding> = struct({
  writer: bytes(32),
  missing: array(bytes(16), WRAPS_MAX),
  areWordsMissing: bool,
  foreign: uint(WRAPS_MAX),
})

export class WrapAudits {
  readonly #table: Table
  readonly #membership: Membership
  /** What was announced upon others that are not here yet. */
  #postponed: readonly AdmittedEntry[] = []
  /** By epoch, whose id fixes all that is looked at. */
  readonly #verdicts = new Map<string, Finding | undefined>()

  constructor(vault: Vault, membership: Membership) {
    this.#table = vault.table("engine.audits")
    this.#membership = membership
  }

  /** What is to be kept of key entries that this device has the keys of. */
  opsFor(entries: readonly AdmittedEntry[]): readonly VaultOp[] {
    const due = [...this.#postponed, ...entries.filter(({ kind }) => kind === "key")]
    this.#postponed = due.filter((entry) => !this.#isReady(entry)).slice(-POSTPONED_MAX)
    return due.flatMap((entry) => {
      const finding = this.#isReady(entry) ? this.#audit(entry) : undefined
      if (finding === undefined || entry.announces === undefined) return []
      const { epoch } = entry.announces
      return [this.#table.put(epoch, 0, encodeAs(findingSchema, finding))]
    })
  }

  async *all(): AsyncIterable<Finding> {
    for await (const { value } of this.#table.groups()) {
      yield decodeAs(findingSchema, value, { bytesMax: 8 * 1024 })
    }
  }

  /** Whether all that it follows is here. */
  #isReady({ announces }: AdmittedEntry): boolean {
    const entry = announces && this.#membership.entries.get(bytesToHex(announces.epoch))
    const follows = entry?.follows ?? []
    return follows.every((id) => this.#membership.entries.has(bytesToHex(id)))
  }

  #audit({ announces, writer, body: encoded }: AdmittedEntry): Finding | undefined {
    if (announces === undefined) return undefined
    const { epoch, follows, clear } = announces
    const epochKey = this.#membership.epochKey(epoch)
    if (epochKey === undefined) return undefined
    const name = bytesToHex(epoch)
    if (!this.#verdicts.has(name)) {
      if (this.#verdicts.size >= REMEMBERED_MAX) this.#verdicts.clear()
      this.#verdicts.set(name, this.#judge({ follows, clear, epochKey, writer, encoded }))
    }
    return this.#verdicts.get(name)
  }

  #judge({ follows, clear, epochKey, writer, encoded }: Announced): Finding | undefined {
    try {
      const body = readKeyBody(encoded, follows)
      const before = this.#viewBefore(body)
      const isWords = before.recovery !== undefined && equalBytes(before.recovery.writer, writer)
      const author = isWords ? "recovery" : "device"
      const audit = auditWraps({ membership: before, clear, body, epochKey, author })
      if (audit.isRight) return undefined
      const { missing, foreign } = audit
      return {
        writer,
        missing: missing.flatMap((who) => (who === "recovery" ? [] : [who])),
        areWordsMissing: missing.includes("recovery"),
        foreign,
      }
    } catch (error) {
      const isTheirs =
        error instanceof AccessError || error instanceof RangeError || error instanceof SealError
      if (!isTheirs) throw error
      // Wraps that nobody could have made.
      return { writer, missing: [], areWordsMissing: false, foreign: 0 }
    }
  }

  /** Membership as whoever announced it saw it: of what the key follows. */
  #viewBefore({ previousKeys }: KeyBody): ReturnType<typeof reduceMembership> {
    const { entries, genesis } = this.#membership
    const found = new Set<MembershipEntry>()
    const queue: EpochId[] = previousKeys.map(({ id }) => id)
    for (const id of queue) {
      const entry = entries.get(bytesToHex(id))
      if (entry === undefined || found.has(entry)) continue
      found.add(entry)
      queue.push(...entry.follows)
    }
    return reduceMembership([...found], genesis)
  }
}
