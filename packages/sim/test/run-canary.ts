/**
 * Runs seeds of the simulator's program with a canary in it.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { CampaignResult } from "../src/campaign/campaign.ts"
import type { Canary, Patch } from "./canaries.ts"

const PACKAGES = join(import.meta.dirname, "../..")
const COMPILED = join(import.meta.dirname, "../../../node_modules/.cache/fulcrum")

/** @throws {Error} A patch fits nowhere, or the program said nothing. */
export async function runCanary(
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
      "--disable-warning=ExperimentalWarning",
      ...["--import", join(import.meta.dirname, "canary.ts")],
      join(import.meta.dirname, "../src/main.ts"),
      ...["--scenario", scenario, "--seeds", String(seeds), "--from", String(from)],
      ...["--workers", String(workers), "--json", "--no-shrink"],
      ...(seedSeconds === undefined ? [] : ["--seed-seconds", String(seedSeconds)]),
    ],
    {
      env: {
        ...process.env,
        SIM_CANARY: JSON.stringify(patches),
        // Nearly all of what one canary loads, the next one loads too.
        NODE_COMPILE_CACHE: COMPILED,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
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

/** In the campaign's processes it would be one more way to fail, and pass for a catch. */
async function checkFit({ file, from }: Patch): Promise<void> {
  const source = await readFile(join(PACKAGES, file), "utf8")
  const places = source.split(from).length - 1
  if (places !== 1) throw new Error(`the canary for ${file} fits ${places} places, not one`)
}
