/**
 * A relay that lies as its machine can make it: its disk is wiped, put back, or exchanged for
 * another that went its own way; or it keeps from readers what it holds.
 *
 * @module
 */
import type { Mailboxes } from "@fulcrum/relay/mailboxes"
import { MemoryDisk } from "@fulcrum/store/memory"
import type { Dice } from "./dice.ts"
import type { RelayProgram } from "./relay-program.ts"

/**
 * How often a relay may go back on what it signed: each time is proof against it, and after three
 * nobody speaks to it any more.
 */
const CONTRADICTIONS_MAX = 2

export class LyingRelay {
  readonly #relay: RelayProgram
  /** What its disk held at another time, or in another life. */
  #other: MemoryDisk | undefined
  #contradictions = 0
  #isWithholding = false
  #hasLied = false

  constructor(relay: RelayProgram) {
    this.#relay = relay
    relay.serve = (mailboxes) => this.#withholding(mailboxes)
  }

  /** Whether it kept anything back, or its disk was ever another than it had. */
  get hasLied(): boolean {
    return this.#hasLied
  }

  /** One lie. It goes on running, or does not run. */
  async lie(dice: Dice): Promise<void> {
    const { machine } = this.#relay
    const how = dice.weighted({ copy: 3, swap: 6, wipe: 1, withhold: 5 })
    machine.note(`lies: ${how}`)
    switch (how) {
      case "copy":
        this.#other = machine.backUp()
        return
      case "withhold":
        this.#hasLied = true
        this.#isWithholding = !this.#isWithholding
        return
      case "wipe":
        return this.#exchange(new MemoryDisk())
      case "swap":
        if (this.#other === undefined || this.#contradictions === CONTRADICTIONS_MAX) return
        this.#contradictions++
        return this.#exchange(this.#other)
    }
  }

  /** From here on it is as honest as any. */
  stop(): void {
    this.#isWithholding = false
  }

  async #exchange(disk: MemoryDisk): Promise<void> {
    const { machine } = this.#relay
    this.#hasLied = true
    this.#other = machine.backUp()
    const { isRunning } = machine
    machine.crash()
    machine.insert(disk)
    if (isRunning) await this.#relay.boot()
  }

  /** Pages without their newest items, as if these had never come. */
  #withholding(mailboxes: Mailboxes): Mailboxes {
    return {
      ...mailboxes,
      read: async (name, range) => {
        const page = await mailboxes.read(name, range)
        return this.#isWithholding ? { ...page, items: page.items.filter((_, at) => at % 2) } : page
      },
    }
  }
}
