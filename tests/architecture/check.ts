/**
 * Holds each source file against the rules, and says what is wrong in words one can act on.
 *
 * @module
 */

import { posix } from "node:path"
import {
  ADAPTER_SUBPATHS,
  ADAPTERS,
  CONFINED_LIBRARIES,
  FOLDERS,
  type Power,
  WORKSPACE_RULES,
} from "./rules.ts"
import { type ImportedModule, lineOf, readSource, type Source } from "./source.ts"

export interface SourceFile {
  /** From the root, with `/`: `packages/codec/src/cbor.ts`. */
  readonly path: string
  readonly text: string
}

export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
}

/** Every breach in one file, as `path:line: what`; empty when there is none. */
export function checkFile(file: SourceFile): readonly string[] {
  const source = readSource(file.text)
  const say = (line: number, what: string): string => `${file.path}:${line}: ${what}`
  const isTest = /\/(?:test|bench)\//.test(file.path)
  const found: string[] = []
  for (const module of source.imports) {
    const wrong = isTest ? checkReach(file.path, module) : checkImport(file.path, module)
    if (wrong) found.push(say(module.line, wrong))
  }
  if (isTest) return found
  if (FOLDERS[workspaceOf(file.path)] && folderIndex(file.path) === -1) {
    found.push(say(1, "lies in none of this package's folders"))
  }
  if (posix.basename(file.path) === "index.ts") {
    found.push(say(1, "index.ts is a barrel's name: call the file after its main export"))
  }
  for (const use of powersUsed(source)) {
    if (!powersOf(file.path).includes(use.power)) {
      const what = `${use.text} outside an adapter: take the ${use.power} by injection`
      found.push(say(lineOf(source.code, use.offset), what))
    }
  }
  return found
}

/** Files that import each other in a ring, each ring once; erased imports do not count. */
export function findCycles(files: readonly SourceFile[]): readonly string[] {
  const targetsByPath = new Map<string, readonly string[]>()
  const paths = new Set(files.map((file) => file.path))
  for (const file of files) {
    const targets = readSource(file.text)
      .imports.filter((module) => module.specifier.startsWith(".") && !module.isType)
      .map((module) => resolve(file.path, module.specifier))
    targetsByPath.set(
      file.path,
      targets.filter((target) => paths.has(target)),
    )
  }
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path)
    if (seenAt !== -1) cycles.push([...trail.slice(seenAt), path].join(" → "))
    if (seenAt !== -1 || done.has(path)) return
    for (const target of targetsByPath.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of paths) visit(path, [])
  return cycles
}

/** Imports that the workspace's manifest does not declare, and versions that are not exact. */
export function checkManifest(
  workspace: string,
  manifest: Manifest,
  files: readonly SourceFile[],
): readonly string[] {
  const declared = manifest.dependencies ?? {}
  const found: string[] = []
  for (const [name, version] of Object.entries(declared)) {
    if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)) {
      found.push(`${workspace}: ${name} "${version}" is not an exact version`)
    }
    const wrong = name.startsWith("@fulcrum/")
      ? checkWorkspaceImport(workspace, name)
      : checkLibrary(workspace, name)
    if (wrong) found.push(`${workspace}: package.json: ${wrong}`)
  }
  const used = new Set(
    files.flatMap((file) => readSource(file.text).imports.map((module) => module.specifier)),
  )
  for (const specifier of used) {
    if (specifier.startsWith(".") || specifier.startsWith("node:")) continue
    const name = packageName(specifier)
    if (!(name in declared) && name !== selfName(workspace)) {
      found.push(`${workspace}: imports ${name} and does not declare it`)
    }
  }
  return found
}

/** `packages/codec/src/x.ts` belongs to `codec`, `nodes/device/src/x.ts` to `nodes/device`. */
export function workspaceOf(path: string): string {
  const [folder, name] = path.split("/")
  return folder === "packages" ? `${name}` : `${folder}/${name}`
}

function checkImport(path: string, module: ImportedModule): string | undefined {
  const { specifier } = module
  if (module.kind === "export" && !module.isType) {
    return `re-exports ${specifier}: no barrels, import it where it is`
  }
  if (specifier.startsWith(".")) return checkReach(path, module) ?? checkFolder(path, specifier)
  if (specifier.startsWith("node:")) {
    return powersOf(path).includes("node") ? undefined : `${specifier} outside an adapter`
  }
  const workspace = workspaceOf(path)
  if (specifier.startsWith("@fulcrum/")) return checkWorkspaceImport(workspace, specifier)
  return checkLibrary(workspace, specifier) ?? checkConfined(path, specifier)
}

function checkReach(path: string, { specifier }: ImportedModule): string | undefined {
  if (!specifier.startsWith(".")) return undefined
  const target = resolve(path, specifier)
  const isForeign =
    /^(?:packages|nodes)\//.test(target) && workspaceOf(target) !== workspaceOf(path)
  return isForeign ? `${specifier} reaches into another package: import its public name` : undefined
}

function checkFolder(path: string, specifier: string): string | undefined {
  const target = resolve(path, specifier)
  return FOLDERS[workspaceOf(path)] && folderIndex(target) > folderIndex(path)
    ? `${specifier} is in a folder above this one`
    : undefined
}

/** Where the folder stands in its package's order; -1: nowhere. */
function folderIndex(path: string): number {
  const [, , , folder = ""] = path.split("/")
  return FOLDERS[workspaceOf(path)]?.indexOf(folder) ?? -1
}

function checkWorkspaceImport(workspace: string, specifier: string): string | undefined {
  const rule = WORKSPACE_RULES[workspace]
  if (!rule) return `${workspace} is not in the table of layers`
  const [, name = "", subpath = ""] = specifier.split("/")
  if (name === workspace) return `${specifier} is this package: use a relative import`
  if (!rule.mayImport.includes(name)) return `${workspace} may not import ${name}`
  const isProgram = workspace.startsWith("nodes/") || workspace === "sim"
  if (ADAPTER_SUBPATHS[name]?.includes(subpath) && !isProgram) {
    return `${specifier} is an adapter: only programs and sim choose one`
  }
  return undefined
}

function checkLibrary(workspace: string, specifier: string): string | undefined {
  const name = packageName(specifier)
  const owns = (rule: { readonly owns: readonly string[] } | undefined): boolean =>
    rule?.owns.some((own) => own === name || own === `${name.split("/")[0]}/*`) ?? false
  if (owns(WORKSPACE_RULES[workspace])) return undefined
  const owners = Object.keys(WORKSPACE_RULES).filter((key) => owns(WORKSPACE_RULES[key]))
  if (owners.length === 0) return `${name} has no owner in the table of layers`
  return `${name} belongs to ${owners.join(", ")}, not to ${workspace}`
}

function checkConfined(path: string, specifier: string): string | undefined {
  const home = CONFINED_LIBRARIES[packageName(specifier)]
  if (home === undefined || path.startsWith(home)) return undefined
  return `${specifier} stays within ${home}`
}

function resolve(path: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(path), specifier))
}

function packageName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")
}

function selfName(workspace: string): string {
  return `@fulcrum/${workspace.replace("nodes/", "node-")}`
}

function powersOf(path: string): readonly Power[] {
  return ADAPTERS.filter((adapter) => path.startsWith(adapter.path)).flatMap(
    (adapter) => adapter.powers,
  )
}

// A global by its own name or on `globalThis`; a property of something injected is fine.
const GLOBAL = String.raw`(?:\b(?:globalThis|window|self)\s*\??\.\s*|(?<![.\w$#]\s*))`
const global = (name: string): RegExp => new RegExp(`${GLOBAL}(?:${name})`, "g")

const POWER_PATTERNS: readonly (readonly [Power, RegExp])[] = [
  ["clock", global(String.raw`Date\s*\.\s*now\b`)],
  ["clock", /\bnew\s+Date\s*(?:\(\s*\)|(?![\s\w(]))/g],
  ["clock", global(String.raw`(?<!\bnew\s+)Date\s*\(`)],
  ["clock", global(String.raw`performance\s*\.\s*now\b`)],
  ["clock", global(String.raw`Temporal\s*\.\s*Now\b`)],
  ["random", global(String.raw`Math\s*\.\s*random\b`)],
  ["random", /\b(?:getRandomValues|randomUUID|randomBytes|randomSecretKey|randomPrivateKey)\b/g],
  ["timer", global(String.raw`(?:setTimeout|setInterval|setImmediate|requestAnimationFrame)\b`)],
  ["timer", global(String.raw`AbortSignal\s*\.\s*timeout\b`)],
  ["node", global(String.raw`process\s*\??\.`)],
  ["node", global(String.raw`Buffer\s*\.`)],
  ["node", global(String.raw`(?:__dirname|__filename)\b`)],
  ["node", /\bimport\s*\.\s*meta\s*\.\s*(?:dirname|filename)\b/g],
  ["network", /(?:\b(?:await|return)\s+|[=(,]\s*|\bglobalThis\s*\.\s*)fetch\s*\(/g],
  ["network", /\bnew\s+(?:WebSocket|EventSource|XMLHttpRequest)\b/g],
  ["console", global(String.raw`console\s*\.`)],
]

function powersUsed(source: Source): readonly { power: Power; text: string; offset: number }[] {
  return POWER_PATTERNS.flatMap(([power, pattern]) =>
    [...source.code.matchAll(pattern)].map((match) => ({
      power,
      text: match[0].trim(),
      offset: match.index,
    })),
  )
}
