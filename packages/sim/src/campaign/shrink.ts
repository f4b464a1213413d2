/**
 * Makes a run that fails shorter, as long as it fails with the same code: first troubles are left
 * out, then its end, then single steps (Zeller and Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input", 2002, one step at a time once halves no longer go); and so
 * again, until nothing more can go.
 *
 * @module
 */
import { TROUBLES, type TroubleName } from "../faults.ts"
import { type Plan, WHOLE } from "../plan.ts"

/** Steps that no scenario has more of. */
const STEPS_MAX = 200

export interface ShrinkOptions {
  /** Whether a run by this plan fails as the whole one did. */
  readonly fails: (plan: Plan) => Promise<boolean>
  /** Whether there is time for another try. */
  readonly hasTime: () => boolean
}

/** @returns The least plan that was found. */
export async function shrink({ fails, hasTime }: ShrinkOptions): Promise<Plan> {
  let best: Plan = WHOLE
  const take = async (plan: Plan): Promise<boolean> => {
    if (!hasTime() || !(await fails(plan))) return false
    best = plan
    return true
  }
  for (let before: Plan | undefined; best !== before && hasTime(); ) {
    before = best
    for (const name of TROUBLES) {
      const calm: ReadonlySet<TroubleName> = new Set([...best.calm, name])
      if (calm.size > best.calm.size) await take({ ...best, calm })
    }
    let [least, most] = [0, Math.min(best.stepsMax, STEPS_MAX)]
    while (least < most && hasTime()) {
      const stepsMax = (least + most) >> 1
      if (await take({ ...best, stepsMax })) most = stepsMax
      else least = stepsMax + 1
    }
    const last = Math.min(best.stepsMax, STEPS_MAX)
    for (let size = last >> 1; size >= 1 && hasTime(); size >>= 1) {
      for (let at = 0; at < last; at += size) {
        const steps = Array.from({ length: Math.min(size, last - at) }, (_, i) => at + i)
        if (steps.every((step) => best.skip.has(step))) continue
        await take({ ...best, skip: new Set([...best.skip, ...steps]) })
      }
    }
  }
  // Steps after the last one need no leaving out.
  return { ...best, skip: new Set([...best.skip].filter((step) => step < best.stepsMax)) }
}
