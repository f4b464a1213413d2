/**
 * Who has it: which vendors hold a field, from evidence. A row is there because the share's
 * registers are; what confirms it is the furthest state that somebody else signed for, of all that
 * the field was told with. While that is not the end of it, the vendor has what it said before that
 * it has: an older value, which the row names too.
 *
 * @module
 */
import { equalJson, type JsonValue } from "@fulcrum/codec/json"
import { isWithin, touches } from "./field-path.ts"
import type { Put } from "./lane.ts"
import type { RecordedDisclosure } from "./relationship-document.ts"
import { type EntryPosition, Share } from "./share.ts"

export type Evidence = "applied" | "accepted" | "delivered" | "relayed"

export interface WhoHasRelationship {
  readonly id: string
  readonly vendor: string
  readonly disclosures: readonly RecordedDisclosure[]
  readonly share: Share
  /** All that the share was put together from. */
  readonly told: Iterable<{ readonly by: EntryPosition; readonly puts: readonly Put[] }>
  /** Furthest signed state of the entry that wrote a register, by the entry's chain hash. */
  readonly evidence: (chain: Uint8Array) => Evidence | undefined
}

export interface WhoHas {
  readonly relationship: string
  readonly vendor: string
  readonly path: string
  /** What it was told last; `undefined`: that the field is empty now. */
  readonly value: JsonValue | undefined
  readonly purpose: string
  readonly until: string
  /** `undefined`: nobody has confirmed it yet. */
  readonly evidence: Evidence | undefined
  /** What the vendor has meanwhile, by its own word, where that is something else. */
  readonly holds: Held | undefined
}

/** A value that the vendor has signed for. */
export interface Held {
  readonly value: JsonValue
  readonly evidence: VendorEvidence
}

type VendorEvidence = Exclude<Evidence, "relayed">

/**
 * @param path - What is asked about: registers above and below it count.
 * @returns In order of vendor and path. A field that was cleared is held until the vendor says that
 * it did so.
 */
export function whoHas(
  path: string,
  relationships: readonly WhoHasRelationship[],
): readonly WhoHas[] {
  return relationships
    .flatMap((relationship) => rowsOf(path, relationship))
    .sort((a, b) => order(a.vendor, b.vendor) || order(a.path, b.path))
}

function rowsOf(path: string, relationship: WhoHasRelationship): readonly WhoHas[] {
  const { id, vendor, disclosures, share, evidence } = relationship
  // What is held without being disclosed any more is held all the same.
  const others = [...share.registers.keys()].filter(
    (at) => !disclosures.some((disclosure) => isWithin(at, disclosure.path)),
  )
  return [...disclosures.map((disclosure) => disclosure.path), ...others].flatMap(
    (at): WhoHas[] => {
      if (!touches(at, path)) return []
      const value = share.valueAt(at)
      const newest = least(share.at(at).map(({ by }) => evidence(by.chain)))
      const holds = heldAt(at, { relationship, value, newest })
      if (value === undefined && holds === undefined) return []
      const disclosure = disclosures.find((one) => one.path === at)
      return [
        {
          relationship: id,
          vendor,
          path: at,
          value,
          purpose: disclosure?.purpose ?? "",
          until: disclosure?.until ?? "",
          ...{ evidence: newest, holds },
        },
      ]
    },
  )
}

/** From the best proof down, what the vendor has by it; as far as the newest is, the row says it. */
function heldAt(
  path: string,
  {
    relationship,
    value,
    newest,
  }: {
    readonly relationship: WhoHasRelationship
    readonly value: JsonValue | undefined
    readonly newest: Evidence | undefined
  },
): Held | undefined {
  for (const proof of ["applied", "accepted", "delivered"] as const) {
    if (rank(newest) >= rank(proof)) return undefined
    const proven = new Share()
    for (const { by, puts } of relationship.told) {
      const own = puts.filter((put) => isWithin(put.path, path))
      if (own.length === 0 || rank(relationship.evidence(by.chain)) < rank(proof)) continue
      for (const put of own) proven.apply(put, by)
    }
    const held = proven.valueAt(path)
    if (held === undefined) continue
    const isSame = value !== undefined && equalJson(held, value)
    return isSame ? undefined : { value: held, evidence: proof }
  }
  return undefined
}

const EVIDENCE: readonly Evidence[] = ["relayed", "delivered", "accepted", "applied"]

function least(found: readonly (Evidence | undefined)[]): Evidence | undefined {
  return EVIDENCE[Math.min(...found.map(rank))]
}

/** -1: nobody has confirmed it. */
function rank(evidence: Evidence | undefined): number {
  return evidence === undefined ? -1 : EVIDENCE.indexOf(evidence)
}

function order(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
