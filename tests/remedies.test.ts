/**
 * What the three programs tell to do about a failure: said once, and only for codes that are there.
 *
 * @module
 */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { TODO_BY_CODE } from "../nodes/device/src/what-to-do.ts"
import { REMEDIES } from "../nodes/relay/src/program-error.ts"
import { TODO_BY_CODE as VENDOR_TODO_BY_CODE } from "../nodes/vendor/src/program-error.ts"

const ROOT = join(import.meta.dirname, "..")
const CODE = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/

interface Table {
  readonly program: string
  readonly file: string
  readonly codes: readonly string[]
}

const tables: readonly Table[] = [
  {
    program: "device",
    file: "nodes/device/src/what-to-do.ts",
    codes: [...TODO_BY_CODE.keys()],
  },
  {
    program: "vendor",
    file: "nodes/vendor/src/program-error.ts",
    codes: [...VENDOR_TODO_BY_CODE.keys()],
  },
  { program: "relay", file: "nodes/relay/src/program-error.ts", codes: Object.keys(REMEDIES) },
]

const sources: ReadonlyMap<string, string> = new Map(
  globSync("{packages,nodes}/*/src/**/*.ts", { cwd: ROOT, exclude: ["packages/sim/**"] }).map(
    (file) => [file, readFileSync(join(ROOT, file), "utf8")],
  ),
)

describe.each(tables)("what $program says to do", ({ program, file, codes }) => {
  test("is about codes that the program or a package raises", () => {
    expect(codes.length).toBeGreaterThan(5)
    const isOurs = (name: string) =>
      name !== file && (name.startsWith("packages/") || name.startsWith(`nodes/${program}/`))
    const raised = new Set<string>()
    for (const [name, text] of sources)
      if (isOurs(name)) for (const code of raisedIn(name, text)) raised.add(code)
    expect(codes.filter((code) => !raised.has(code))).toEqual([])
  })
})

test("no message of a package says what to do: the programs do", () => {
  const found: string[] = []
  for (const [name, text] of sources) {
    if (!name.startsWith("packages/")) continue
    for (const message of messagesIn(text)) if (isRemedy(message)) found.push(`${name}: ${message}`)
  }
  expect(found).toEqual([])
})

test("the checks can fail", () => {
  const union = 'export type E =\n  | "A_B"\n  | "C_D"\n'
  expect(raisedIn("packages/x/src/x-error.ts", union)).toEqual([])
  const thrown = 'throw new XError(\n  "A_B",\n  `is $x; give another`,\n)'
  expect(raisedIn("packages/x/src/x.ts", thrown)).toEqual(["A_B"])
  expect(messagesIn(thrown)).toEqual(["is $x; give another"])
  expect(
    ["is here; give another", "gone: see `get`", "`terms list` names all"].every(isRemedy),
  ).toBe(true)
  expect(["in tables a, b", "no such path; did you mean x?", "a: b"].some(isRemedy)).toBe(false)
})

/** Codes in a source: in the file of a union of codes, only those that it makes errors of. */
function raisedIn(name: string, text: string): readonly string[] {
  const made = name.endsWith("-error.ts")
    ? [...text.matchAll(/Error\(\s*"([A-Z0-9_]+)"/g)]
    : [...text.matchAll(/["'`]([A-Z0-9_]+)["'`]|^\s*([A-Z0-9_]+):/gm)]
  return made.map(([, quoted, key]) => quoted ?? key ?? "").filter((code) => CODE.test(code))
}

/** What errors are made with beside their code. */
function messagesIn(text: string): readonly string[] {
  const errors = /Error\(\s*"[A-Z0-9_]+",\s*(?:"([^"\n]*)"|`([^`]*)`)/g
  return [...text.matchAll(errors)].map(([, plain, template]) => plain ?? template ?? "")
}

/** After a colon or semicolon somebody is told to do something, or a command is named. */
function isRemedy(message: string): boolean {
  const verbs =
    "accept|add|choose|close|end|export|give|leave|name|put|repair|run|see|try|use|write"
  return (
    new RegExp(`[;:] (?:${verbs})\\b`).test(message) ||
    /`(?:fulcrum|terms|request|hook|customers|get|set)\b/.test(message)
  )
}
