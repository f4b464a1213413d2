/**
 * Runs seeds of the simulator with a canary in it.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { CampaignResult } from "../src/campaign/campaign.ts"
import type { SeedReport } from "../src/campaign/seed-messages.ts"
import { SeedWorker } from "../src/campaign/seed-worker.ts"
import type { Canary, Patch } from "./canaries.ts"

const PACKAGES = join(import.meta.dirname, "../..")
const COMPILED = join(import.meta.dirname, "../../../node_modules/.cache/fulcrum")
const EXEC_ARGV = [
  "--disable-warning=ExperimentalWarning",
  ...["--import", join(import.meta.dirname, "canary.ts")],
]
/** A slow machine is no catch: far longer than any seed takes. */
const SEED_SECONDS = 300

/** Runs the one seed that is known to catch it. @throws {Error} A patch fits nowhere. */
export async function runKnownSeed(canary: Canary): Promise<SeedReport> {
  const { scenario, seed, steps, patches, seedSeconds = SEED_SECONDS } = canary
  const plan = steps === undefined ? {} : { steps: String(steps) }
  for (const patch of patches) await checkFit(patch)
  using worker = new SeedWorker({
    seedMsMax: seedSeconds * 1000,
    execArgv: EXEC_ARGV,
    env: environment(patches),
  })
  return await worker.run({ scenario, seed, plan, trace: false })
}

/** @throws {Error} A patch fits nowhere, or the program said nothing. */
export async function searchSeed(
  { scenario, patches, seedSeconds }: Canary,
  {
    from,
    seeds,
    workers,
  }: { readonly from: number; readonly seeds: number; readonly workers: number },
): Promise<CampaignResult> {
  for (const patch of patches) await checkFit(patch)
  const child = spawn(
    process.execPath,
    [
      ...EXEC_ARGV,
      join(import.meta.dirname, "../src/main.ts"),
      ...["--scenario", scenario, "--seeds", String(seeds), "--from", String(from)],
      ...["--workers", String(workers), "--json", "--no-shrink"],
      ...(seedSeconds === undefined ? [] : ["--seed-seconds", String(seedSeconds)]),
    ],
    { env: { ...process.env, ...environment(patches) }, stdio: ["ignore", "pipe", "pipe"] },
  )
  let output = ""
  let errors = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  child.once("error", reject)
  child.once("close", () => resolve())
  await promise
  if (output === "") throw new Error(`the simulator said nothing: ${errors}`)
  return JSON.parse(output)
}

function environment(patches: readonly Patch[]): Record<string, string> {
  return {
    SIM_CANARY: JSON.stringify(patches),
    // Nearly all of what one canary loads, the next one loads too.
    NODE_COMPILE_CACHE: COMPILED,
  }
}

/** In the campaign's processes it would be one more way to fail, and pass for a catch. */
async function checkFit({ file, from }: Patch): Promise<void> {
  const source = await readFile(join(PACKAGES, file), "utf8")
  const places = source.split(from).length - 1
  if (places !== 1) throw new Error(`the canary for ${file} fits ${places} places, not one`)
}
