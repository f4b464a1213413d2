/**
 * Who has it: which vendors hold a field, from evidence. A row is there because the share's
 * registers are; what confirms it is the furthest state that somebody else signed for, of all that
 * the field was told with.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import { isWithin, touches } from "./field-path.ts"
import type { RecordedDisclosure } from "./relationship-document.ts"
import type { Share } from "./share.ts"

export type Evidence = "applied" | "accepted" | "delivered" | "relayed"

export interface WhoHasRelationship {
  readonly id: string
  readonly vendor: string
  readonly disclosures: readonly RecordedDisclosure[]
  readonly share: Share
  /** Furthest signed state of the entry that wrote a register, by the entry's chain hash. */
  readonly evidence: (chain: Uint8Array) => Evidence | undefined
}

export interface WhoHas {
  readonly relationship: string
  readonly vendor: string
  readonly path: string
  readonly value: JsonValue | undefined
  readonly purpose: string
  readonly until: string
  /** `undefined`: nobody has confirmed it yet. */
  readonly evidence: Evidence | undefined
}

/**
 * @param path - What is asked about: registers above and below it count.
 * @returns In order of vendor and path. A field that was cleared is not held.
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
      const value = share.valueAt(at)
      if (value === undefined || !touches(at, path)) return []
      const disclosure = disclosures.find((one) => one.path === at)
      const found = share.at(at).map(({ by }) => evidence(by.chain))
      return [
        {
          relationship: id,
          vendor,
          path: at,
          value,
          purpose: disclosure?.purpose ?? "",
          until: disclosure?.until ?? "",
          evidence: least(found),
        },
      ]
    },
  )
}

const EVIDENCE: readonly Evidence[] = ["relayed", "delivered", "accepted", "applied"]

function least(found: readonly (Evidence | undefined)[]): Evidence | undefined {
  return EVIDENCE[Math.min(...found.map((one) => (one ? EVIDENCE.indexOf(one) : -1)))]
}

function order(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
