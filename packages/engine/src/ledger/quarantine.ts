/**
 * Entries that are in the log and do not count.
 *
 * | table               | group  | order   | value                                             |
 * | ------------------- | ------ | ------- | ------------------------------------------------- |
 * | `engine.quarantine` | empty  | arrival | why, and how often if more than once: `CODE`, `CODE 2` |
 *
 * What a removed device wrote may count after all by what comes later. An entry over which the
 * documents' worker was lost may have been innocent of it: such are vetted again at the next openings,
 * {@link LOST_MAX} times in all, since an innocent one that stays out keeps two devices apart for good.
 *
 * @module
 */
import { bytesToUtf8, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"

/** Why a removed device's entry is kept and not applied. */
export const STRANDED = "DEVICE_REMOVED"

/** The worker was lost while it applied the entry alone. */
const LOST = "RECORD_WORKER"

/** How often an entry may cost a worker before nobody tries again. */
export const LOST_MAX = 3

const NOTHING = new Uint8Array(0)

export class Quarantine {
  readonly #table: Table
  /** How often a worker was lost over each entry, by its arrival. */
  readonly #lost = new Map<number, number>()
  /** By their arrivals; one may be put twice, after a crash. */
  readonly #all = new Set<number>()
  readonly #stranded = new Set<number>()

  constructor(vault: Vault) {
    this.#table = vault.table("engine.quarantine")
  }

  get count(): number {
    return this.#all.size
  }

  /** Of removed devices: what comes later may yet admit some. */
  get stranded(): number {
    return this.#stranded.size
  }

  /** Their arrivals, ascending. */
  get strandedAt(): readonly number[] {
    return [...this.#stranded].toSorted((a, b) => a - b)
  }

  /** Whether what comes later may yet admit some. */
  get hasStranded(): boolean {
    return this.#stranded.size > 0
  }

  /** Whether some are worth another try. */
  get hasLost(): boolean {
    return [...this.#lost.values()].some((times) => times < LOST_MAX)
  }

  async load(): Promise<void> {
    this.forget()
    for await (const { order, value } of this.#table.list(NOTHING)) {
      const [code = "", times = "1"] = bytesToUtf8(value).split(" ")
      this.#note(order, code)
      if (code === LOST) this.#lost.set(order, Number(times))
    }
  }

  /** What keeps an entry out. */
  put(arrival: number, code: string): VaultOp {
    this.#note(arrival, code)
    const times = code === LOST ? (this.#lost.get(arrival) ?? 0) + 1 : 1
    if (code === LOST) this.#lost.set(arrival, times)
    return this.#table.put(NOTHING, arrival, utf8ToBytes(times > 1 ? `${code} ${times}` : code))
  }

  /** What empties it, for vetting all entries again. */
  async clear(): Promise<readonly VaultOp[]> {
    const ops: VaultOp[] = []
    for await (const { order } of this.#table.list(NOTHING)) {
      ops.push(this.#table.del(NOTHING, order))
    }
    return ops
  }

  /** It is empty, or will be read again; how often a worker was lost stays known. */
  forget(): void {
    this.#all.clear()
    this.#stranded.clear()
  }

  #note(arrival: number, code: string): void {
    this.#all.add(arrival)
    if (code === STRANDED) this.#stranded.add(arrival)
    else this.#stranded.delete(arrival)
  }
}
