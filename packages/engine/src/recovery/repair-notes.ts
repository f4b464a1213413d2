/**
 * What was here before a repair, so that it can be told what has not come back.
 *
 * | table           | group       | order   | value                                  |
 * | --------------- | ----------- | ------- | -------------------------------------- |
 * | `engine.repair` | incarnation | 0       | `[first, last]` sequence that was here |
 *
 * @module
 */
import { decodeAs, encodeAs, type Schema, struct, uint } from "@fulcrum/codec/schema"
import { incarnationIdSchema } from "@fulcrum/log/ids"
import type { IncarnationTree } from "@fulcrum/log/incarnation-tree"
import type { LineEnd } from "@fulcrum/log/salvage"
import type { Vault, VaultOp } from "@fulcrum/store/vault"

const TABLE = "engine.repair"

type Range = Pick<LineEnd, "first" | "last">
const rangeSchema: Schema<Range> = struct({ first: uint(), last: uint() })

export function repairNotes(vault: Vault, ends: readonly LineEnd[]): readonly VaultOp[] {
  const table = vault.table(TABLE)
  return ends.map(({ incarnation, first, last }) =>
    table.put(incarnation, 0, encodeAs(rangeSchema, { first, last })),
  )
}

/**
 * Entries that were here before a repair and have not come back.
 *
 * @returns `undefined`: nothing was ever repaired here.
 */
export async function missingAfterRepair(
  vault: Vault,
  tree: IncarnationTree,
): Promise<number | undefined> {
  let missing: number | undefined
  for await (const { group, value } of vault.table(TABLE).groups()) {
    const { first, last } = decodeAs(rangeSchema, value, { bytesMax: 32 })
    const here = tree.get(incarnationIdSchema.decode(group))?.sequence ?? 0
    missing = (missing ?? 0) + Math.max(0, last - Math.max(here, first - 1))
  }
  return missing
}
