/**
 * What must hold of a person's devices at every step of scenario *members*; `member-rules.ts` has what
 * must be so in the end.
 *
 * @module
 */
import type { Membership as MembershipView } from "@fulcrum/access/membership"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { idKey } from "@fulcrum/log/ids"
import { BareChecks } from "./bare-checks.ts"
import type { MadeEntry, MemberHistory } from "./member-history.ts"
import { MemberLeaks } from "./member-leaks.ts"
import type { MemberProgram } from "./member-program.ts"

interface Looked {
  readonly view: MembershipView
  readonly digest: Uint8Array
}

export class MemberChecks extends BareChecks {
  readonly #leaks: MemberLeaks
  /** What membership came to, by the key entries. */
  readonly #views = new Map<string, string>()
  /** What counts, by the entries. */
  readonly #verdicts = new Map<string, string>()
  readonly #looked = new WeakMap<MemberProgram, Looked>()

  constructor(history: MemberHistory) {
    super()
    this.#leaks = new MemberLeaks(history, this)
  }

  made(entries: readonly MadeEntry[]): void {
    for (const entry of entries) this.#leaks.made(entry)
  }

  /** Nobody will make anything any more. */
  leaks(): void {
    this.#leaks.settled()
  }

  /** Looks at a program that has shown all that is on its disk. */
  look(program: MemberProgram): void {
    const { view, ledger } = program
    const { digest } = ledger.record
    const before = this.#looked.get(program)
    if (before?.view === view && before.digest === digest) return
    this.#looked.set(program, { view, digest })
    this.#compare(this.#views, entriesOf(view), describeView(view), program, "membership")
    const counted = [...ledger.state.removalsDone].toSorted().join(" ")
    const verdicts = `${ledger.quarantine.count} out, in: ${counted}`
    this.#compare(this.#verdicts, bytesToHex(digest), verdicts, program, "what counts")
  }

  #compare(
    known: Map<string, string>,
    entries: string,
    found: string,
    { name }: MemberProgram,
    what: string,
  ): void {
    const other = known.get(entries)
    known.set(entries, found)
    if (other === undefined || other === found) return
    this.fail(
      "SIM_DIVERGED",
      `${name}: ${what} is not what others with the same entries have\n${other}\n${found}`,
    )
  }
}

/** All key entries that it is made of. */
function entriesOf({ epochs, quarantined, waiting }: MembershipView): string {
  return [...epochs, ...quarantined, ...waiting].map(idKey).toSorted().join(" ")
}

export function describeView(view: MembershipView): string {
  const { devices, removed, recovery, leastSuite, heads, current, concurrent } = view
  const short = (id: Uint8Array) => bytesToHex(id).slice(0, 6)
  const list = (ids: readonly Uint8Array[]) => ids.map(short).toSorted().join(",")
  return [
    ...devices.map(({ id, name, addedIn }) => `${name} ${short(id)} in ${short(addedIn)}`),
    ...removed.map(({ name, removals }) => `-${name} by ${list(removals.map((it) => it.epoch))}`),
    `words ${recovery ? short(recovery.writer) : "none"}, suite ${leastSuite}`,
    `heads ${list(heads)}, current ${current ? short(current) : "none"}, concurrent ${concurrent}`,
    `effective ${list(view.epochs)}, void ${list(view.quarantined)}, waiting ${list(view.waiting)}`,
  ].join("; ")
}
