/**
 * What can be wrong with a vault.
 *
 * @module
 */

/** Where a vault does not add up. `table` is absent when it cannot be told. */
export interface VaultDamage {
  readonly table?: string
  readonly what: /** The key check or the root itself does not open. */
    | "check"
    | "root"
    /** Records are missing, or there are too many. */
    | "count"
    /** As many as there should be, but not the same: old, or put there. */
    | "digest"
    /** One does not open. */
    | "record"
    /** In no table, or in one that the root does not know. */
    | "foreign"
}

export type VaultErrorCode =
  /** A hole, or a foreign, old or changed record: restore, or repair and fetch from a peer. */
  | "VAULT_DAMAGED"
  /** Nothing in it opens with this key. */
  | "VAULT_KEY_WRONG"

/** The message names tables, never keys, groups or values. */
export class VaultError extends Error {
  override readonly name = "VaultError"
  readonly code: VaultErrorCode
  /** The tables that are damaged; empty if it cannot be told which. */
  readonly tables: readonly string[]

  constructor(
    code: VaultErrorCode,
    message: string,
    options: ErrorOptions & { readonly tables?: readonly string[] } = {},
  ) {
    super(message, options)
    this.code = code
    this.tables = options.tables ?? []
  }
}

/** The `VAULT_DAMAGED` that tells of some damage. */
export function damaged(damage: readonly VaultDamage[], cause?: unknown): VaultError {
  const tables = [...new Set(damage.map(({ table }) => table ?? "").filter((name) => name !== ""))]
  const where = tables.length > 0 ? `in ${tables.join(", ")}` : "and it cannot be told where"
  return new VaultError(
    "VAULT_DAMAGED",
    `records are damaged, missing or not of this vault, ${where}`,
    { tables, cause },
  )
}
