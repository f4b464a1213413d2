/**
 * That nobody reads what was written by somebody who knew of its removal: neither a removed device nor
 * recovery words that were replaced, with all keys that their programs ever had, all wraps that were
 * ever made and everything that these lead to. Where somebody who had seen the removal held it for void,
 * as it was by all that was known there, nothing is asked.
 *
 * @module
 */
import { openKeySpan } from "@fulcrum/access/rotation"
import { hexToBytes } from "@fulcrum/codec/bytes"
import { epochIdSchema, idKey } from "@fulcrum/log/ids"
import type { Findings } from "./findings.ts"
import type { MadeEntry, MadeKey, MemberHistory, Someone } from "./member-history.ts"

export class MemberLeaks {
  readonly #history: MemberHistory
  readonly #findings: Findings
  /** Whether somebody found a wrap for itself, by the epoch and who. */
  readonly #opened = new Map<string, boolean>()

  constructor(history: MemberHistory, findings: Findings) {
    this.#history = history
    this.#findings = findings
  }

  /** What was made just now. */
  made(entry: MadeEntry): void {
    for (const one of this.#shutOut(entry)) {
      if (hasKey(one, entry.epoch) || this.#opens(one, entry)) this.#leak(one, entry)
    }
  }

  /** Everything, at the end. */
  settled(): void {
    const entries = [...this.#history.entries.values()]
    const shutOut = new Set(entries.flatMap((entry) => this.#shutOut(entry)))
    for (const one of shutOut) {
      const known = this.#knownTo(one)
      for (const entry of entries) {
        if (!known.has(entry.epoch) || !this.#shutOut(entry).includes(one)) continue
        this.#leak(one, entry)
      }
    }
  }

  /** The epochs whose keys it can come by. */
  #knownTo(one: Someone): ReadonlySet<string> {
    const { keyEntries } = this.#history
    const known = new Set<string>()
    const queue = keyEntries
      .filter((entry) => hasKey(one, entry.epoch) || this.#opens(one, entry))
      .map(({ epoch }) => epoch)
    const byEpoch = new Map(keyEntries.map((entry) => [entry.epoch, entry.key]))
    for (const epoch of queue) {
      if (known.has(epoch)) continue
      known.add(epoch)
      queue.push(...(byEpoch.get(epoch)?.carries ?? []))
    }
    return known
  }

  /**
   * Of whose removal its author knew, and who was not brought back without its knowing. Who leaves by
   * its own word has what it writes itself.
   */
  #shutOut(entry: MadeEntry): readonly Someone[] {
    return [...entry.removed].flatMap((id) => {
      const one = this.#history.byId(id)
      if (one === entry.by) return []
      const isBack = this.#history.keyEntries.some(
        (other) => bringsBack(other.key, id) && !this.#history.saw(entry, other),
      )
      return one === undefined || isBack || this.#isGiven(one, entry) ? [] : [one]
    })
  }

  /**
   * Whether somebody who had seen the epoch announced took the removal for void, and the device for a
   * member: it then had to have what it was to build upon.
   */
  #isGiven(one: Someone, { epoch }: MadeEntry): boolean {
    const { keyEntries } = this.#history
    const announcing = keyEntries.find((entry) => entry.epoch === epoch)
    return keyEntries.some(
      (other) =>
        announcing !== undefined &&
        !other.removed.has(one.id) &&
        this.#history.saw(other, announcing) &&
        this.#opens(one, other),
    )
  }

  #opens(one: Someone, { epoch, key }: MadeEntry): boolean {
    if (key === undefined) return false
    const name = `${epoch} ${one.id}`
    const known = this.#opened.get(name)
    if (known !== undefined) return known
    const { clear, follows } = key
    const opens = openKeySpan({ clear, follows, key: one.wrap }) instanceof Uint8Array
    this.#opened.set(name, opens)
    return opens
  }

  #leak({ name }: Someone, { by, key }: MadeEntry): void {
    const what = key === undefined ? "an entry" : "a key span"
    this.#findings.fail("SIM_LEAK", `${name} can read ${what} of ${by.name}, who knew it removed`)
  }
}

function hasKey({ rings }: Someone, epoch: string): boolean {
  const id = epochIdSchema.decode(hexToBytes(epoch))
  return rings.some((ring) => ring.epochKey(id) !== undefined)
}

/** @param id - A device's, in hex. */
function bringsBack({ changes }: MadeKey, id: string): boolean {
  return changes.some(
    (change) => change.kind === "add" && idKey(change.value.certificate.id) === id,
  )
}
