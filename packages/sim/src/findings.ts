/**
 * What is found wrong in a run. The first finding is kept and thrown by `throwIfFailed`: it is
 * made deep inside of code that deals with failures of its own.
 *
 * @module
 */
import { NetError } from "@fulcrum/net/contract"
import { StoreError } from "@fulcrum/store"
import { SimError, type SimErrorCode } from "./sim-error.ts"

export class Findings {
  #first: SimError | undefined

  fail(code: SimErrorCode, message: string): void {
    this.#first ??= new SimError(code, message)
  }

  /** Something threw: the disk and the network may, the programs may not. */
  threw(name: string, error: unknown): void {
    if (error instanceof StoreError || error instanceof NetError) return
    this.#first ??= new SimError("SIM_BROKE", `${name} threw`, { cause: error })
  }

  throwIfFailed(): void {
    if (this.#first) throw this.#first
  }
}
