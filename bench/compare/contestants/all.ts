/**
 * Every contestant, by the name under which a process is told of it. Each is loaded by itself, so that
 * no process has another's code in it.
 *
 * @module
 */
import type { Contestant } from "../contestant.ts"

/** Once more, in processes of its own: what differs is noise. */
export const AGAIN = "fulcrum-again"

const LOADERS: ReadonlyMap<string, () => Promise<Contestant>> = new Map([
  ["fulcrum", async () => (await import("./fulcrum.ts")).fulcrum],
  [AGAIN, async () => (await import("./fulcrum.ts")).fulcrum],
  ["automerge-repo", async () => (await import("./automerge-repo.ts")).automergeRepoInMemory],
  ["automerge-repo-disk", async () => (await import("./automerge-repo.ts")).automergeRepoOnDisk],
  ["yjs", async () => (await import("./yjs.ts")).yjs],
  ["cojson", async () => (await import("./cojson.ts")).cojsonInMemory],
  ["cojson-disk", async () => (await import("./cojson.ts")).cojsonOnDisk],
  ["hypercore", async () => (await import("./hypercore.ts")).hypercore],
  ["tcp", async () => (await import("./raw-limits.ts")).tcpSocket],
  ["libp2p", async () => (await import("./raw-limits.ts")).libp2pStream],
  ["automerge-load", async () => (await import("./raw-limits.ts")).automergeLoad],
])

export const CONTESTANTS: readonly string[] = [...LOADERS.keys()]

/** @throws {TypeError} There is none of that name. */
export function loadContestant(id: string): Promise<Contestant> {
  const load = LOADERS.get(id)
  if (load === undefined) throw new TypeError(`no contestant: ${id}`)
  return load()
}
