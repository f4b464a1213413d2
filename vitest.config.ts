/**
 * Where the tests are: `unit` is quick and runs with every save, `e2e` starts real programs and a browser, and
 * `timed` measures time, alone, once the others have ended.
 *
 * `npx vitest run packages/codec` runs one package, `npx vitest run --project e2e` the long ones.
 *
 * @module
 */

import { defineConfig, type ViteUserConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Those that take longer than half a minute, the longest first: begun last, one would end alone. */
const LONG: readonly string[] = [
  "tests/e2e/kill.test.ts",
  "packages/sim/test/canaries.test.ts",
  "tests/e2e/errors.test.ts",
  "tests/e2e/main-job.test.ts",
  "tests/e2e/damage.test.ts",
  "tests/e2e/recovery.test.ts",
  "tests/fuzz/fuzz.test.ts",
  "packages/sim/test/found-seeds.test.ts",
  "tests/e2e/device.test.ts",
  "packages/engine/test/kill.test.ts",
  "packages/store/test/level-power-loss.test.ts",
  "packages/engine/test/owed.test.ts",
  "tests/fuzz/fuzzer.test.ts",
  "tests/e2e/lock.test.ts",
  "tests/e2e/apart.test.ts",
  "tests/e2e/pairing-scanned.test.ts",
  "packages/engine/test/recovery.test.ts",
  "packages/sim/test/members.test.ts",
]

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONG.findIndex((path) => moduleId.endsWith(path))
      return at < 0 ? LONG.length : at
    }
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

const config: ViteUserConfig = defineConfig({
  test: {
    // Two cores are what a small machine has; more workers only make timings noisier there.
    maxWorkers: process.env.CI ? 2 : "50%",
    execArgv: ["--disable-warning=ExperimentalWarning"],
    sequence: { sequencer: LongFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: [
            "packages/*/test/**/*.test.ts",
            "nodes/*/test/**/*.test.ts",
            "tests/**/*.test.ts",
          ],
          exclude: ["tests/{e2e,browser}/**", "**/*.timed.test.ts", "**/node_modules/**"],
          testTimeout: 90_000,
          hookTimeout: 90_000,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["tests/{e2e,browser}/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "timed",
          include: ["{packages,nodes}/*/test/**/*.timed.test.ts"],
          // Groups run one after the other, from the lowest; the others are in group 0.
          sequence: { groupOrder: 1 },
          maxWorkers: 1,
          testTimeout: 60_000,
        },
      },
    ],
  },
})

export default config
