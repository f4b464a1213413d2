/** The level store: the contract, locks, crashes, full disks and damaged folders. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, test } from "vitest"
import { openLevelStore } from "../src/level.ts"
import { storeContract } from "../src/suite.ts"

describe("contract", () => {
  const cases = storeContract(async () => {
    const folder = await mkdtemp(join(tmpdir(), "fulcrum-store-"))
    return {
      open: () => openLevelStore({ folder }),
      dispose: () => rm(folder, { recursive: true, force: true }),
    }
  })
  for (const { name, run } of cases) test(name, run)
})
