/**
 * Adds up a profile of V8's by who owns the code: our packages, libraries, what is native.
 *
 * @module
 */
import type { Profiler } from "node:inspector"

export interface ProfileShare {
  readonly group: string
  readonly ms: number
}

/** What one function took, without what it called. */
export interface SelfTime extends ProfileShare {
  readonly name: string
  /** File and line, shortened; empty for what has none. */
  readonly place: string
}

/** What V8 counts apart. */
const APART: Readonly<Record<string, string>> = {
  "(garbage collector)": "garbage collection",
  "(program)": "native code outside of functions",
  "(idle)": "idle",
  "(root)": "native code outside of functions",
}

/** The first that fits a function's URL names its group. */
const GROUPS: readonly (readonly [RegExp, string | undefined])[] = [
  [/^node:(internal\/)?crypto/, "native crypto"],
  [/^node:(internal\/)?zlib/, "native deflate"],
  [/^node:(internal\/)?(timers|process\/(task_queues|promises)|async)/, "event loop"],
  [/^node:/, "node"],
  [/^wasm:/, "automerge"],
  [/\/node_modules\/@automerge\//, "automerge"],
  [/\/node_modules\/((?:@[^/]+\/)?[^/]+)\//, undefined],
  [/\/packages\/([^/]+)\//, undefined],
]

/** Most first. What has no file of its own (built-ins) counts for the group that called it. */
export function selfTimes({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): SelfTime[] {
  const micros = new Map<number, number>()
  for (const [at, id] of samples.entries()) {
    // A delta is the time before its sample.
    micros.set(id, (micros.get(id) ?? 0) + Math.max(0, timeDeltas[at + 1] ?? 0))
  }
  const parents = new Map<number, Profiler.ProfileNode>()
  for (const node of nodes) for (const child of node.children ?? []) parents.set(child, node)
  const times = new Map<string, SelfTime>()
  for (const node of nodes) {
    const ms = (micros.get(node.id) ?? 0) / 1000
    if (ms === 0) continue
    const { functionName, url, lineNumber } = node.callFrame
    const name = functionName === "" ? "(anonymous)" : functionName
    const group = APART[functionName] ?? groupOf(node, parents)
    const place = url === "" ? "" : `${shortened(url)}:${lineNumber + 1}`
    const key = `${group} ${name} ${place}`
    times.set(key, { group, name, place, ms: ms + (times.get(key)?.ms ?? 0) })
  }
  return [...times.values()].toSorted((a, b) => b.ms - a.ms)
}

/** Most first. */
export function profileShares(times: readonly SelfTime[]): readonly ProfileShare[] {
  const groups = new Map<string, number>()
  for (const { group, ms } of times) groups.set(group, (groups.get(group) ?? 0) + ms)
  return [...groups].map(([group, ms]) => ({ group, ms })).toSorted((a, b) => b.ms - a.ms)
}

function groupOf(
  node: Profiler.ProfileNode,
  parents: ReadonlyMap<number, Profiler.ProfileNode>,
): string {
  for (let at: Profiler.ProfileNode | undefined = node; at; at = parents.get(at.id)) {
    const { url } = at.callFrame
    if (url === "") continue
    for (const [pattern, group] of GROUPS) {
      const found = pattern.exec(url)
      if (found) return group ?? found[1] ?? "other"
    }
    return "other"
  }
  return "other"
}

function shortened(url: string): string {
  return url.replace(/^.*\/(node_modules|packages)\//, "").replace(/^file:\/\//, "")
}
