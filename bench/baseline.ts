/**
 * The counts that were reached, kept in `baseline.json`: a change that needs more of anything
 * fails the tests, one that needs less is written down with `npm run bench -- --counts --update-baseline`.
 *
 * Less is better for every count. A record of names: question, then shape, then count.
 *
 * @module
 */
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"

export type Counts = Readonly<Record<string, number>>
/** Counts by the shape of the work. */
export type CountsByShape = Readonly<Record<string, Counts>>

export interface Comparison {
  /** One line each: what, before and now. */
  readonly worse: readonly string[]
  readonly better: readonly string[]
}

export const UPDATE_COMMAND = "npm run bench -- --counts --update-baseline"

const path = join(import.meta.dirname, "baseline.json")

/** What the baseline says of one question; nothing, if it says nothing. */
export async function readBaseline(question: string): Promise<CountsByShape> {
  return (await readAll())[question] ?? {}
}

/** Writes down what was counted, and keeps what was not. */
export async function updateBaseline(question: string, counted: CountsByShape): Promise<void> {
  const all = await readAll()
  const updated = { ...all, [question]: { ...all[question], ...counted } }
  await writeFile(path, `${JSON.stringify(updated, undefined, 2)}\n`)
}

/** A count that the baseline lacks, or has besides, is worse: somebody has to look. */
export function compareCounts(counted: CountsByShape, baseline: CountsByShape): Comparison {
  const worse: string[] = []
  const better: string[] = []
  for (const [shape, counts] of Object.entries(counted)) {
    const before = baseline[shape] ?? {}
    for (const name of new Set([...Object.keys(before), ...Object.keys(counts)])) {
      const was = before[name]
      const is = counts[name]
      if (was === is) continue
      const line = `${shape}: ${name} ${was ?? "not counted"} → ${is ?? "not counted"}`
      if (was !== undefined && is !== undefined && is < was) better.push(line)
      else worse.push(line)
    }
  }
  return { worse, better }
}

async function readAll(): Promise<Readonly<Record<string, CountsByShape>>> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "{}"
    throw error
  })
  const parsed: unknown = JSON.parse(text)
  return Object.fromEntries(
    Object.entries(fields(parsed)).map(([question, shapes]) => [
      question,
      Object.fromEntries(
        Object.entries(fields(shapes)).map(([shape, counts]) => [shape, numbers(counts)]),
      ),
    ]),
  )
}

function numbers(value: unknown): Counts {
  return Object.fromEntries(
    Object.entries(fields(value)).map(([name, number]) => {
      if (typeof number !== "number") throw new TypeError(`${path}: ${name} is no number`)
      return [name, number]
    }),
  )
}

function fields(value: unknown): object {
  if (typeof value !== "object" || value === null) throw new TypeError(`${path} is no baseline`)
  return value
}
