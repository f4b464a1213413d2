/**
 * A vault whose writes are gathered instead of written, so that what several objects begin with
 * lands in one write together with whatever else must be atomic with it.
 *
 * Reads do not show what was gathered. Once released, it is the vault itself.
 *
 * @module
 */
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"

export class GatheringVault implements Vault {
  readonly #vault: Vault
  readonly #gathered: VaultOp[] = []
  #isReleased = false

  constructor(vault: Vault) {
    this.#vault = vault
  }

  /** What is to be written. */
  get gathered(): readonly VaultOp[] {
    return this.#gathered
  }

  get damage(): Vault["damage"] {
    return this.#vault.damage
  }

  /** From now on writes are writes. */
  release(): void {
    this.#isReleased = true
    this.#gathered.length = 0
  }

  table(name: string): Table {
    return this.#vault.table(name)
  }

  async write(ops: readonly VaultOp[]): Promise<void> {
    if (this.#isReleased) await this.#vault.write(ops)
    else this.#gathered.push(...ops)
  }

  /** The vault has another owner, who closes it. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
