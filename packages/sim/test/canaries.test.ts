/**
 * Programs broken on purpose: each must be caught by the simulator's checks, or these check
 * nothing (SECURITY, E6).
 *
 * @module
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { test } from "vitest"

interface Canary {
  readonly name: string
  readonly scenario: string
  readonly seeds: number
  readonly file: string
  readonly from: string
  readonly to: string
  /** What the checks must say: which of them is first depends on the seed. */
  readonly caught: RegExp
}

const CANARIES: readonly Canary[] = [
  {
    name: "a store that acknowledges before the flush",
    scenario: "bare",
    seeds: 40,
    file: "store/src/memory.ts",
    from: "await this.#commits.submit(ops, bytes)",
    to: "this.#commits.submit(ops, bytes).catch(() => undefined)",
    caught: /SIM_/,
  },
  {
    name: "a replica that goes on after a write whose outcome is not known",
    scenario: "bare",
    seeds: 40,
    file: "log/src/replica.ts",
    from: "    if (this.#staged) this.#uncertain.push(this.#staged)\n    this.#staged = undefined\n    this.#own = undefined",
    to: "    this.#staged = undefined",
    caught: /SIM_/,
  },
  {
    name: "an incarnation that is not drawn anew at each start",
    scenario: "bare",
    seeds: 40,
    file: "log/src/own-line.ts",
    from: "incarnationIdSchema.decode(random.bytes(16))",
    to: "incarnationIdSchema.decode(writer.begin().key.publicKey.slice(0, 16))",
    caught: /SIM_/,
  },
  {
    name: "a signature that is not checked",
    scenario: "bare",
    seeds: 40,
    file: "log/src/admission.ts",
    from: '    if (!isSigned(span)) return refuse("LOG_SIGNATURE")\n    if (head && compareBytes',
    to: "    if (head && compareBytes",
    caught: /SIM_FORGED/,
  },
  {
    name: "a device that does not look again after a failed write",
    scenario: "pair",
    seeds: 40,
    file: "engine/src/ledger.ts",
    from: "if (!this.#isUnsure) return",
    to: "return",
    caught: /SIM_/,
  },
]

test.for(CANARIES)("$name is caught", { timeout: 120_000 }, async (canary, { expect }) => {
  const { status, errors } = await simulate(canary)
  expect(errors).toMatch(canary.caught)
  expect(errors).toContain(`again: npm run sim -- --scenario ${canary.scenario} --seeds 1 --from`)
  expect(status).toBe(1)
})

async function simulate({ scenario, seeds, file, from, to }: Canary): Promise<{
  readonly status: number | null
  readonly errors: string
}> {
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      "--import",
      join(import.meta.dirname, "canary.ts"),
      join(import.meta.dirname, "../src/main.ts"),
      ...["--scenario", scenario, "--seeds", String(seeds)],
    ],
    {
      env: { ...process.env, SIM_CANARY: JSON.stringify({ file, from, to }) },
      stdio: ["ignore", "ignore", "pipe"],
    },
  )
  let errors = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text
  })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once("error", reject)
  child.once("close", resolve)
  return { status: await promise, errors }
}
