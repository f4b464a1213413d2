/**
 * What a vendor's hook may be told: each event under one id, nothing that was not disclosed, and no
 * value that one it has seen already had replaced.
 *
 * Values written at the same time on two devices replace neither each other, so the record's winner
 * among them may follow the other.
 *
 * @module
 */
import type { Findings } from "./findings.ts"
import type { Posted } from "./vendor-program.ts"

export class HookChecks {
  readonly #findings: Findings
  readonly #secret: string
  readonly #bodyById = new Map<string, string>()
  readonly #idByBody = new Map<string, string>()
  /** What each value replaced, as far as its writer knew. */
  readonly #replaced = new Map<string, string>()
  readonly #outdated = new Set<string>()
  #looked = 0

  /** @param secret - In every value that the vendor may not see. */
  constructor(findings: Findings, secret: string) {
    this.#findings = findings
    this.#secret = secret
  }

  /** @param before - What the writer's record showed until then. */
  wrote(value: string, before: string | undefined): void {
    if (before !== undefined) this.#replaced.set(value, before)
  }

  /** @param posted - Everything that the hook was sent so far. */
  look(posted: readonly Posted[]): void {
    for (const { id, body } of posted.slice(this.#looked)) {
      if (body.includes(this.#secret)) {
        this.#findings.fail("SIM_LEAK", "the hook was told what was not disclosed")
      }
      const known = this.#bodyById.get(id)
      if (known === undefined) for (const value of valuesIn(body)) this.#see(value)
      else if (known !== body) this.#findings.fail("SIM_BROKE", "one event has two bodies")
      this.#bodyById.set(id, body)
      // An event says when it was made and what it changed: no other is the same.
      if ((this.#idByBody.get(body) ?? id) !== id) {
        this.#findings.fail("SIM_BROKE", "one event has two ids")
      }
      this.#idByBody.set(body, id)
    }
    this.#looked = posted.length
  }

  #see(value: string): void {
    if (this.#outdated.has(value)) {
      this.#findings.fail("SIM_LEAK", `the vendor saw an old value return: ${value}`)
    }
    let older = this.#replaced.get(value)
    for (; older !== undefined && !this.#outdated.has(older); older = this.#replaced.get(older)) {
      this.#outdated.add(older)
    }
  }
}

/** The new values in an event, by the text that tells them apart. */
function valuesIn(body: string): readonly string[] {
  const { data }: { data: { changes: readonly { value: { full?: string } | null }[] } } =
    JSON.parse(body)
  return data.changes.flatMap(({ value }) => (value?.full === undefined ? [] : [value.full]))
}
