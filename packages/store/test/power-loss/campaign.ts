/**
 * Takes the power away at points of a history, opens what is found with the product, and looks at
 * what became of the batches; then takes it away again while that was being opened.
 *
 * @module
 */
import { mkdtemp, open, rm, writeFile } from "node:fs/promises"
import { availableParallelism, loadavg } from "node:os"
import { join } from "node:path"
import { randomBelow, type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { StoreError } from "../../src/contract.ts"
import { openLevelStore } from "../../src/level.ts"
import { openVault } from "../../src/vault.ts"
import { VaultError } from "../../src/vault-error.ts"
import { CachedDisk, type DiskOp, type FolderState, type NameRules } from "./disk-history.ts"
import { recordByWatching, UnseenFile } from "./watching-recorder.ts"
import { countBatches, VAULT_KEY } from "./workload.ts"

export interface Campaign {
  /** Made for it, and taken away by whoever made it. */
  readonly folder: string
  readonly before: FolderState
  /** The history's operations; each time perhaps in another order that they may have had. */
  readonly ops: (below: (bound: number) => number) => readonly DiskOp[]
  readonly names: NameRules
  readonly seed: string
  readonly states: number
  /** Each state whose number this divides is lost again while it is being opened. */
  readonly twiceEvery: number
}

export interface Findings {
  readonly states: number
  /** Of those, lost again while they were being opened. */
  readonly twice: number
  /** Of those, refused as damaged, and not read: with `posix` names only, which allow it. */
  readonly refused: number
  /** One line for each state that broke a promise. */
  readonly broken: readonly string[]
  readonly slowestMs: number
}

/** The time that a store has to open in (SECURITY, E1). */
const OPEN_MS_MAX = 2000

const RESERVE_BYTES = 16 * 1024 * 1024

export async function runCampaign(campaign: Campaign): Promise<Findings> {
  const random = seededRandom(campaign.seed)
  const broken: string[] = []
  let slowestMs = 0
  let twice = 0
  let refused = 0
  for (let state = 0; state < campaign.states; state++) {
    const own = random.fork(`state ${state}`)
    const ops = campaign.ops((bound) => randomBelow(own, bound))
    // The points are spread over the whole history, and small histories are gone through.
    const at =
      campaign.states >= ops.length ? state % (ops.length + 1) : randomBelow(own, ops.length + 1)
    const disk = new CachedDisk(campaign.before, campaign.names)
    for (const op of ops.slice(0, at)) disk.apply(op)
    const range = rangeAt(ops.slice(0, at))
    const label = `state ${state}, power gone before operation ${at} of ${ops.length}`
    const found = disk.powerLoss(own)
    const folder = await lay(campaign.folder, found)
    try {
      if (state % campaign.twiceEvery === 0) {
        const openMs = await loseTwice({ campaign, folder, found, range, random: own })
        if (openMs !== undefined) twice++
        slowestMs = Math.max(slowestMs, openMs ?? 0)
      } else slowestMs = Math.max(slowestMs, (await look(folder, range)).openMs)
    } catch (error) {
      if (campaign.names === "posix" && isRefusal(error)) refused++
      else broken.push(`${label}: ${messageOf(error)}; found ${describe(found)}`)
    }
    await rm(folder, { recursive: true })
  }
  return { states: campaign.states, twice, refused, broken, slowestMs }
}

interface Range {
  readonly acknowledged: number
  readonly submitted: number
}

function rangeAt(ops: readonly DiskOp[]): Range {
  let [acknowledged, submitted] = [0, 0]
  for (const op of ops) {
    if (op.type === "acknowledge") acknowledged = Math.max(acknowledged, op.batch + 1)
    if (op.type === "submit") submitted = Math.max(submitted, op.batch + 1)
  }
  return { acknowledged, submitted }
}

/** @throws {Error} Something acknowledged is lost, or anything is wrong, torn, slow or refused. */
async function look(folder: string, range: Range): Promise<{ batches: number; openMs: number }> {
  const [begun, used] = [performance.now(), process.cpuUsage()]
  const store = await openLevelStore({ folder })
  const random = seededRandom("looking")
  const vault = await openVault({ store, key: VAULT_KEY, random }).catch(async (error: unknown) => {
    await store.close()
    throw error
  })
  const openMs = elapsedMs(begun, used)
  const batches = await countBatches(vault).finally(() => vault.close())
  if (batches < range.acknowledged || batches > range.submitted) {
    const { acknowledged, submitted } = range
    throw new Error(`${batches} batches of ${acknowledged} acknowledged, ${submitted} submitted`)
  }
  if (openMs > OPEN_MS_MAX) throw new Error(`it took ${openMs} ms to open`)
  return { batches, openMs }
}

/**
 * Looks at a folder, then at what is left of it if the power goes while it is being opened.
 *
 * @returns How long it took to open; `undefined` if what was done in opening cannot be told.
 */
async function loseTwice({
  campaign,
  folder,
  found,
  range,
  random,
}: {
  readonly campaign: Campaign
  readonly folder: string
  readonly found: FolderState
  readonly range: Range
  readonly random: SeededRandom
}): Promise<number | undefined> {
  const opening = await recordByWatching(folder, async ({ note }) => {
    const store = await openLevelStore({ folder })
    note({ type: "acknowledge", batch: 0 })
    await store.close()
  }).catch((error: unknown) => {
    if (error instanceof UnseenFile) return undefined
    throw error
  })
  const opened = await look(folder, range)
  if (opening === undefined) return undefined
  const ops = opening.ops
  const openedAt = ops.findIndex(({ type }) => type === "acknowledge")
  const at = randomBelow(random, ops.length + 1)
  const disk = new CachedDisk(found, campaign.names)
  for (const op of ops.slice(0, at)) disk.apply(op)
  const again = disk.powerLoss(random)
  const second = await lay(campaign.folder, again)
  // Once it was open, what had been found may be known to others: it has to stay.
  const seen = { acknowledged: opened.batches, submitted: opened.batches }
  try {
    const { openMs } = await look(second, at > openedAt ? seen : range)
    return Math.max(openMs, opened.openMs)
  } catch (error) {
    throw new Error(
      `and again before operation ${at} of ${ops.length} of opening: ${messageOf(error)}; ` +
        `then found ${describe(again)}`,
      { cause: error },
    )
  } finally {
    await rm(second, { recursive: true })
  }
}

/** On a machine with more to do than it has processors, what was used of one. */
function elapsedMs(begun: number, used: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(used)
  const isBusy = (loadavg()[0] ?? 0) > availableParallelism()
  return isBusy ? (user + system) / 1000 : performance.now() - begun
}

async function lay(where: string, state: FolderState): Promise<string> {
  const place = await mkdtemp(join(where, "found-"))
  // So that no opening lays one down; it takes no room.
  const reserve = await open(join(place, "RESERVE"), "w")
  await reserve.truncate(RESERVE_BYTES)
  await reserve.close()
  for (const [name, bytes] of state) await writeFile(join(place, name), bytes)
  return place
}

function isRefusal(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof StoreError) return at.code === "STORE_CORRUPT"
    if (at instanceof VaultError) return at.code === "VAULT_DAMAGED"
  }
  return false
}

function describe(state: FolderState): string {
  return [...state].map(([name, bytes]) => `${name} (${bytes.length})`).join(", ")
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = "code" in error ? ` (${String(error.code)})` : ""
  return `${error.message}${code}`
}
