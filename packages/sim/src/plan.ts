/**
 * What of a run is left out: how a run that fails is made shorter until no more can go.
 *
 * A step draws from a stream of its own, so leaving one out changes nothing in what the others
 * draw.
 *
 * @module
 */
import { TROUBLES, type Trouble, type TroubleName, without } from "./faults.ts"

export interface Plan {
  /** Steps after these are not taken. */
  readonly stepsMax: number
  /** Steps, counted from 0, in which nothing is done. */
  readonly skip: ReadonlySet<number>
  /** Troubles that do not come. */
  readonly calm: ReadonlySet<TroubleName>
}

export const WHOLE: Plan = {
  stepsMax: Number.POSITIVE_INFINITY,
  skip: new Set(),
  calm: new Set(),
}

/** What is left of a run's trouble. */
export function planned(trouble: Trouble, { calm }: Plan): Trouble {
  return [...calm].reduce(without, trouble)
}

/** As options of the command line. */
export function planOptions({ stepsMax, skip, calm }: Plan): readonly string[] {
  return [
    ...(stepsMax === Number.POSITIVE_INFINITY ? [] : ["--steps", String(stepsMax)]),
    ...(skip.size === 0 ? [] : ["--skip", rangesOf(skip).join(",")]),
    ...(calm.size === 0 ? [] : ["--calm", [...calm].join(",")]),
  ]
}

/** Undoes {@link planOptions}. @returns `undefined` if it is no plan. */
export function readPlan(given: {
  readonly steps?: string | undefined
  readonly skip?: string | undefined
  readonly calm?: string | undefined
}): Plan | undefined {
  const stepsMax = given.steps === undefined ? WHOLE.stepsMax : Number(given.steps)
  const skip = listOf(given.skip).flatMap(stepsOf)
  const calm = listOf(given.calm)
  const isRight = !Number.isNaN(stepsMax) && skip.every(Number.isInteger) && calm.every(isTrouble)
  return isRight
    ? { stepsMax, skip: new Set(skip), calm: new Set(calm.filter(isTrouble)) }
    : undefined
}

/** Three steps or more in a row as `3-5`. */
function rangesOf(steps: ReadonlySet<number>): readonly string[] {
  const rows: [first: number, last: number][] = []
  for (const step of [...steps].toSorted((a, b) => a - b)) {
    const row = rows.at(-1)
    if (row?.[1] === step - 1) row[1] = step
    else rows.push([step, step])
  }
  return rows.flatMap(([first, last]) => {
    if (last - first > 1) return [`${first}-${last}`]
    return first === last ? [`${first}`] : [`${first}`, `${last}`]
  })
}

/** Undoes one of {@link rangesOf}. @returns `NaN` among them if it is none. */
function stepsOf(text: string): readonly number[] {
  const [, first = "", last = first] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(text) ?? []
  if (first === "" || Number(last) < Number(first)) return [Number.NaN]
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, at) => Number(first) + at)
}

function listOf(text: string | undefined): readonly string[] {
  return text === undefined || text === "" ? [] : text.split(",")
}

function isTrouble(name: string): name is TroubleName {
  return TROUBLES.some((known) => known === name)
}
