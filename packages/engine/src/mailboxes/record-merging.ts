/**
 * Merging the record's log on this device, by itself: a moment after something was written, so that
 * no edit waits for it; and before it closes, since a device may write once at each start and be off
 * in between. Before it merges, what the ledger left for a quiet moment is written.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { Replica } from "@fulcrum/log/replica"
import { errorCode } from "../failures/error-code.ts"
import { Underway } from "../waiting/underway.ts"

/** How long after a write. What is written meanwhile is merged with it. */
const QUIET_MS = 250

/** Writes in that time that make a load of them. */
const LOAD_WRITES = 4

/** Between two parts of what was left: whatever else is under way has it. */
const PART_PAUSE_MS = 4

/** Merges that closing waits for. */
const CLOSING_MERGES_MAX = 8

/** What it needs of a replica. */
type Merged = { readonly merging: Pick<Replica["merging"], "merge"> }

export class RecordMerging {
  readonly #replica: Merged
  readonly #clock: Clock
  readonly #merged: () => void
  readonly #settleSome: () => Promise<boolean>
  readonly #underway = new Underway()
  #isDue = false
  /** Written since the merge that is due was put off. */
  #pokes = 0

  /**
   * @param options - `merged` is called after each merge: there is a span to bring. `settleSome` writes
   * a part of what waits for a quiet moment, and tells whether more does.
   */
  constructor(options: {
    readonly replica: Merged
    readonly clock: Clock
    readonly merged: () => void
    readonly settleSome: () => Promise<boolean>
  }) {
    this.#replica = options.replica
    this.#clock = options.clock
    this.#merged = options.merged
    this.#settleSome = options.settleSome
  }

  /** Something was written here, or is to be. */
  poke(): void {
    this.#pokes++
    if (this.#isDue || this.#underway.signal.aborted) return
    this.#isDue = true
    void this.#underway.run((signal) => this.#mergeSoon(signal))
  }

  async close(): Promise<void> {
    this.#underway.stop()
    const isDue = this.#isDue
    await this.#underway.ended()
    let left = isDue ? CLOSING_MERGES_MAX : 0
    await this.#mergeWhile(() => left-- > 0)
  }

  async #mergeSoon(signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(QUIET_MS, signal).catch(() => undefined)
    this.#isDue = false
    const underLoad = this.#pokes > LOAD_WRITES && !signal.aborted
    this.#pokes = 0
    // Else nothing would bring it to an end if no more is written.
    if (underLoad) this.poke()
    while (!signal.aborted && (await this.#settleSome())) {
      await this.#clock.sleep(PART_PAUSE_MS, signal).catch(() => undefined)
    }
    await this.#mergeWhile(() => !signal.aborted, underLoad)
  }

  async #mergeWhile(goesOn: () => boolean, underLoad = false): Promise<void> {
    try {
      while (goesOn()) {
        if ((await this.#replica.merging.merge({ underLoad })) === undefined) return
        this.#merged()
      }
    } catch (error) {
      // The store's: nothing is lost by it, and it is tried again after the next write.
      if (errorCode(error) === undefined) throw error
    }
  }
}
