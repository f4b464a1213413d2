/**
 * Who has it: which vendors hold a field, from evidence. A row is there because the share's
 * register is; what confirms it is the furthest state that somebody else signed for.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import { touches } from "./field-path.ts"
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
 * @returns In order of vendor and path. A register that was cleared is not held.
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
  return [...share.registers.values()].flatMap((register): WhoHas[] => {
    if (register.value === undefined || !touches(register.path, path)) return []
    const disclosure = disclosures.find((one) => one.path === register.path)
    return [
      {
        relationship: id,
        vendor,
        path: register.path,
        value: register.value,
        purpose: disclosure?.purpose ?? "",
        until: disclosure?.until ?? "",
        evidence: evidence(register.by.chain),
      },
    ]
  })
}

function order(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
