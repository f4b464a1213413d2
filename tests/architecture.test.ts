/**
 * The layers hold: imports point down, each library has one owner, and nothing outside an adapter
 * reads a clock, draws randomness, sets a timer or opens a socket by itself.
 *
 * @module
 */

import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import {
  checkFile,
  checkManifest,
  findCycles,
  type Manifest,
  type SourceFile,
  workspaceOf,
} from "./architecture/check.ts"
import { WORKSPACE_RULES } from "./architecture/rules.ts"

const root = join(import.meta.dirname, "..")
const read = (path: string): SourceFile => ({
  path,
  text: readFileSync(join(root, path), "utf8"),
})
const list = (pattern: string): string[] =>
  globSync(pattern, { cwd: root })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => !path.includes("/node_modules/"))
    .sort()

const sources = list("{packages,nodes}/*/src/**/*.ts").map(read)
const tests = list("{packages,nodes}/*/{test,bench}/**/*.ts").map(read)

describe("the layers", () => {
  test("the table names every workspace, and only those", () => {
    const folders = list("{packages,nodes}/*/package.json").map((path) => workspaceOf(path))
    expect(folders.sort()).toEqual(Object.keys(WORKSPACE_RULES).sort())
  })

  test("the table itself has no ring", () => {
    const files = Object.entries(WORKSPACE_RULES).map(([name, rule]) => ({
      path: `table/${name.replace("/", "-")}`,
      text: rule.mayImport.map((target) => `import "./${target}"`).join("\n"),
    }))
    expect(findCycles(files)).toEqual([])
  })

  test("[R32] every source keeps to its layer and takes the world by injection", () => {
    expect(sources.flatMap(checkFile)).toEqual([])
  })

  test("no test reaches into another package's files", () => {
    expect(tests.flatMap(checkFile)).toEqual([])
  })

  test("folders are made by `makeFolder` alone: Node's own way may never come back", () => {
    const makesAll = /\bmkdir(?:Sync)?\([^()]*\brecursive\b/
    expect(makesAll.test("mkdir(folder, { recursive: true })")).toBe(true)
    expect(sources.filter(({ text }) => makesAll.test(text)).map(({ path }) => path)).toEqual([])
  })

  test("no files import each other in a ring", () => {
    expect(findCycles(sources)).toEqual([])
  })
})

describe("the manifests", () => {
  test.for(Object.keys(WORKSPACE_RULES))("%s declares what it imports, exactly", (workspace) => {
    const folder = workspace.includes("/") ? workspace : `packages/${workspace}`
    const manifest: Manifest = JSON.parse(read(`${folder}/package.json`).text)
    const own = sources.filter((file) => file.path.startsWith(`${folder}/src/`))
    expect(checkManifest(workspace, manifest, own)).toEqual([])
  })

  test.for(list("packages/*/package.json"))("%s names each public file", (path) => {
    const { exports = {} }: { exports?: Record<string, string> } = JSON.parse(read(path).text)
    const vague = Object.entries(exports).filter(
      ([name, target]) => name.includes("*") || !/^\.\/src\/[\w/-]+\.ts$/.test(target),
    )
    expect(vague).toEqual([])
  })
})
