/**
 * What can be wrong with a vault.
 *
 * @module
 */

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
