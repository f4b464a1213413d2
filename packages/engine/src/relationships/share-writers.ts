/**
 * Who may write into one share, and by which key this side lets in its own writers.
 *
 * On the person's side that is her newest key: a line that an earlier one let in is gone on with
 * under another incarnation, which stands by what the line has (`relations/successor.ts`, rule 4).
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Begin } from "@fulcrum/log/entry"
import { type IncarnationId, idKey, type SpaceTag } from "@fulcrum/log/ids"
import type { AdmittedEntry } from "@fulcrum/log/replica"
import type { CheckWriter, LineStanding, WriterSource } from "@fulcrum/log/space-keyring"
import type { Verified } from "@fulcrum/log/verified"
import {
  type CertifiedWriter,
  certifiedWriter,
  certifyLaterWriter,
  certifyWriter,
  type LaneKeys,
  type WriterClaim,
} from "@fulcrum/relations/certificate"
import type { PersonKeys } from "@fulcrum/relations/person-keys"
import type { Successor } from "@fulcrum/relations/successor"

/** A key that succeeded the relationship's first, as the person's record has it. */
export interface OwnSuccessor {
  readonly key: SigningKey
  readonly statement: Verified<Successor>
}

/** Which lane is ours, and the key that certifies our writers. */
export type OwnSide =
  | {
      readonly lane: "person"
      /** The relationship's first. */
      readonly key: SigningKey
      /** In the order in which the record told of them; live. Absent: there are none. */
      readonly successors?: () => readonly OwnSuccessor[]
    }
  | {
      readonly lane: "vendor"
      readonly key: SigningKey
      /** Of the relationship's recovery key. */
      readonly recoveryHash: Uint8Array
      /** Whether what is written next must be readable without what came before it. */
      readonly startsAnew: () => boolean
    }

export interface ShareWritersOptions {
  readonly tag: SpaceTag
  readonly keys: LaneKeys
  readonly personKeys: PersonKeys
  readonly own: OwnSide
  readonly random: Random
}

export class ShareWriters implements WriterSource {
  readonly #options: ShareWritersOptions
  /** By incarnation, whose it is and which key let it in; those that this start drew too. */
  readonly #certified = new Map<string, CertifiedWriter>()
  readonly #ownKeys: Map<string, SigningKey>
  #successorsKnown = 0

  constructor(options: ShareWritersOptions) {
    this.#options = options
    const { key } = options.own
    this.#ownKeys = new Map([[bytesToHex(key.publicKey), key]])
  }

  /** A vendor's entries are read by both who claim to be her: neither has all of what it has. */
  get namesNothing(): boolean {
    return this.#options.own.lane === "vendor"
  }

  /** Ours that nothing follows, the least first; several until they are joined. */
  get newest(): readonly SigningKey[] {
    const { own, personKeys } = this.#options
    if (own.lane === "vendor") return [own.key]
    return personKeys.newest.flatMap((one) => this.#ownKeys.get(bytesToHex(one)) ?? [])
  }

  /** Ours that something follows, the nearest first. */
  get earlier(): readonly SigningKey[] {
    const { personKeys } = this.#options
    return personKeys.lineage
      .filter((one) => !personKeys.isNewest(one))
      .flatMap((one) => this.#ownKeys.get(bytesToHex(one)) ?? [])
  }

  begin(incarnation: IncarnationId): {
    readonly key: SigningKey
    readonly certificate: Uint8Array
  } {
    const { own, random } = this.#options
    const writer = generateSigningKey(random)
    const claim = this.#claim(incarnation, writer.publicKey)
    const by = this.newest[0] ?? own.key
    const isLater = !equalBytes(by.publicKey, own.key.publicKey)
    const certificate = isLater ? certifyLaterWriter(by, claim) : certifyWriter(own.lane, by, claim)
    this.#certified.set(idKey(incarnation), { lane: own.lane, by: by.publicKey })
    return { key: writer, certificate }
  }

  standing(incarnation: IncarnationId): LineStanding {
    const { own } = this.#options
    if (own.lane === "vendor") return own.startsAnew() ? "ended" : "goes on"
    const by = this.of(incarnation)?.by
    const [newest] = this.newest
    const isByNewest = by !== undefined && newest !== undefined && equalBytes(by, newest.publicKey)
    return isByNewest ? "goes on" : "continued"
  }

  readonly check: CheckWriter = ({ incarnation, writer }, begin) => {
    if (begin === undefined) return "ok"
    return this.#certifiedBy(incarnation, writer, begin) === undefined ? "refused" : "ok"
  }

  /** Notes whose an incarnation is that begins. */
  learn({ incarnation, writer, begin }: AdmittedEntry): void {
    // One that this start drew.
    if (this.#certified.has(idKey(incarnation))) return
    const certified = begin && this.#certifiedBy(incarnation, writer, begin)
    if (certified !== undefined) this.#certified.set(idKey(incarnation), certified)
  }

  of(incarnation: IncarnationId): CertifiedWriter | undefined {
    return this.#certified.get(idKey(incarnation))
  }

  /** Takes in what her record has come to know. @returns Whether there was anything. */
  refresh(): boolean {
    const { own, personKeys } = this.#options
    const all = own.lane === "person" ? (own.successors?.() ?? []) : []
    if (all.length <= this.#successorsKnown) return false
    for (const { key, statement } of all.slice(this.#successorsKnown)) {
      this.#ownKeys.set(bytesToHex(key.publicKey), key)
      personKeys.add(statement)
    }
    this.#successorsKnown = all.length
    return true
  }

  #certifiedBy(
    incarnation: IncarnationId,
    writer: Uint8Array,
    { certificate }: Begin,
  ): CertifiedWriter | undefined {
    return certifiedWriter(this.#options.keys, this.#claim(incarnation, writer), certificate)
  }

  #claim(incarnation: IncarnationId, writer: Uint8Array): WriterClaim {
    return { spaceTag: this.#options.tag, incarnation, writer }
  }
}
