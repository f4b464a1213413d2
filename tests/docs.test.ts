/**
 * The documents are true as far as a program can tell: links lead somewhere, a link that is named
 * after a rule or a function leads to where it is, and commands that are shown exist.
 *
 * @module
 */
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, test } from "vitest"
import { CATALOG } from "../nodes/device/src/catalog.ts"
import manifest from "../package.json" with { type: "json" }

const ROOT: string = join(import.meta.dirname, "..")
const RULES = Array.from({ length: 32 }, (_, i) => `R${i + 1}`)

interface Link {
  readonly text: string
  readonly path: string
  readonly anchor: string
}

interface Document {
  readonly name: string
  readonly text: string
  readonly links: readonly Link[]
}

const documents: readonly Document[] = globSync("**/*.md", {
  cwd: ROOT,
  exclude: (name) => /^(node_modules|\.git)$/.test(name),
}).map((name) => {
  const text = readFileSync(join(ROOT, name), "utf8")
  return { name, text, links: linksOf(text) }
})

describe.each(documents)("$name", ({ name, text, links }) => {
  test("every relative link leads to a file, and to a heading of it", () => {
    const dead = links.filter(({ path, anchor }) => {
      const target = targetOf(name, path)
      if (!existsSync(target)) return true
      return anchor !== "" && !headingsOf(readFileSync(target, "utf8")).includes(anchor)
    })
    expect(dead).toEqual([])
  })

  test("a link that is named after a rule, or something in code, leads to where it is", () => {
    const wrong = links.filter((link) => {
      const wanted = wantedBy(link)
      const target = targetOf(name, link.path)
      if (wanted === undefined || !existsSync(target)) return false
      return !wanted.test(readFileSync(target, "utf8"))
    })
    expect(wrong).toEqual([])
  })

  test("every command that is shown exists", () => {
    const shown = fencesOf(text).flatMap((line) => line.split("#")[0]?.split(/&&|;|\|/) ?? [])
    expect(shown.filter((command) => !isKnown(command.trim()))).toEqual([])
  })
})

test("each requirement R1 to R32 has one row in the table of threats", () => {
  const threats = readFileSync(join(ROOT, "docs/threats.md"), "utf8")
  const rows = [...threats.matchAll(/^\| (R\d+) \|/gm)].map(([, rule]) => rule)
  expect(rows).toEqual(RULES)
})

test("the README names every command that is not built yet", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8")
  const section = readme.split(/^## /m).find((part) => part.startsWith("What it does not do yet"))
  const notYet = CATALOG.filter(({ where }) => where === "not-yet").map((command) => command.name)
  expect(notYet.filter((command) => !section?.includes(`\`${command}\``))).toEqual([])
})

test("what stays up as a service is shown without npx, which would keep its signals", () => {
  const operations = readFileSync(join(ROOT, "docs/operations.md"), "utf8")
  const services = operations
    .split("\n")
    .filter((line) => /fulcrum-(vendor|relay) up --/.test(line))
  expect(services.length).toBeGreaterThan(2)
  expect(services.filter((line) => !line.includes("node_modules/.bin/"))).toEqual([])
})

test("the checks can fail", () => {
  const links = linksOf("[R2](a.ts) [`seal`](b.ts) [home](c.md#top) `[no](link)` [o](https://x.y)")
  expect(links).toEqual([
    { text: "R2", path: "a.ts", anchor: "" },
    { text: "`seal`", path: "b.ts", anchor: "" },
    { text: "home", path: "c.md", anchor: "top" },
  ])
  const [rule, name, prose] = links.map(wantedBy)
  expect(rule?.test('test("[R2] …")')).toBe(true)
  expect(rule?.test('test("[R20] …")')).toBe(false)
  expect(name?.test("function seal(")).toBe(true)
  expect(name?.test("function sealed(")).toBe(false)
  expect(prose).toBeUndefined()
  expect(headingsOf("# One\n## The `log`, twice\n")).toEqual(["one", "the-log-twice"])
  expect(
    [
      "npm run nothing",
      "npx fulcrum nothing",
      "npx fulcrum get --nothing",
      "node_modules/.bin/fulcrum nothing",
    ].filter(isKnown),
  ).toEqual([])
  expect(
    ["npm run check", "npx fulcrum relay add X", "npx fulcrum pair --home X"].filter(isKnown),
  ).toHaveLength(3)
})

/** Relative links outside of code; `[text](path#anchor)`. */
function linksOf(markdown: string): readonly Link[] {
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, "")
  // A span of code is passed over whole, unless it is a link's text.
  const codeOrLink = /`[^`\n]*`|\[((?:`[^`]*`|[^\][`])+)\]\(([^)\s]+)\)/g
  return [...prose.matchAll(codeOrLink)].flatMap(([, text, to]) => {
    if (text === undefined || to === undefined || /^[a-z]+:/.test(to)) return []
    const [path = "", anchor = ""] = to.split("#")
    return [{ text, path, anchor }]
  })
}

/** What a file must hold for a link to it to be right; `undefined`: nothing in particular. */
function wantedBy({ text, path }: Link): RegExp | undefined {
  if (!/\.(ts|mjs)$/.test(path)) return undefined
  if (/^[A-Z]{1,2}\d+$/.test(text)) return new RegExp(`\\[${text}\\]`)
  const name = /^`(?:\w+\.)*#?(\w+)`$/.exec(text)?.[1]
  return name === undefined ? undefined : new RegExp(`\\b${name}\\b`)
}

function targetOf(name: string, path: string): string {
  return join(ROOT, path === "" ? name : join(dirname(name), path))
}

/** As GitHub names them. */
function headingsOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  )
}

function fencesOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^```(?:sh|bash)?\n([\s\S]*?)^```/gm)].flatMap(([, lines = ""]) =>
    lines.split("\n"),
  )
}

const GLOBAL_OPTIONS = ["--home", "--json", "--no-mdns", "--help"]

/** Whether a command of ours exists, with its options; others are not looked at. */
function isKnown(command: string): boolean {
  const script = /^npm run (?:-\S+ )*([\w:-]+)/.exec(command)?.[1]
  if (script !== undefined) return Object.hasOwn(manifest.scripts, script)
  const words = /^(?:npx |node_modules\/\.bin\/)?fulcrum ([a-z].*)/.exec(command)?.[1]?.split(" ")
  if (words === undefined) return true
  const [first = "", second = ""] = words
  const entry =
    CATALOG.find(({ name }) => name === `${first} ${second}`) ??
    CATALOG.find(({ name }) => name === first)
  const known = entry?.parameters.map(({ syntax }) => syntax.split(" ")[0]) ?? []
  const options = words.filter((word) => word.startsWith("--"))
  return entry !== undefined && options.every((one) => [...known, ...GLOBAL_OPTIONS].includes(one))
}
