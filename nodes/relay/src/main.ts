/**
 * `fulcrum-relay`: keeps and forwards ciphertext that it cannot read. Reads the command line and
 * nothing else; what a command needs is imported when that command runs, so that `--help` answers
 * at once.
 *
 * @module
 */

import { Command, CommanderError, InvalidArgumentError } from "commander"
import manifest from "../package.json" with { type: "json" }

const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

interface UpFlags {
  readonly home?: string
  readonly listen?: readonly string[]
  readonly http?: string
  readonly store?: string
  readonly quota?: number
  readonly retain?: number
  readonly json?: boolean
}

// Whoever reads has read enough: `--help | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
  process.exit()
})

const program = new Command("fulcrum-relay")
  .description("Keeps sealed messages for whoever is offline, and cannot read them.")
  .version(manifest.version)
  .exitOverride()
  .addHelpText("after", "\nExample:\n  fulcrum-relay up --listen /ip4/0.0.0.0/tcp/4001")

program
  .command("up")
  .description("Run the relay until it is told to end.")
  .option("--listen <addr>", "multiaddr to listen at; may be given again", collect)
  .option("--http <host:port>", "where /health and /metrics are", "127.0.0.1:0")
  .option("--store <url>", "level, in the data folder (the default)")
  .option("--quota <bytes>", "most that one mailbox holds, such as 512MiB", readBytes)
  .option("--retain <days>", "how long a drop keeps what nobody fetched", readDays)
  .option("--home <dir>", "data folder (default: the platform's own)", readHome)
  .option("--json", "one JSON document a line")
  .addHelpText(
    "after",
    "\nPort 0 draws one at the first start and keeps it.\n" +
      "\nExample:\n  fulcrum-relay up --listen /ip4/0.0.0.0/tcp/4001 --http 127.0.0.1:9090 --json",
  )
  .action(async (flags: UpFlags) => {
    const { store, json = false, ...rest } = flags
    if (store !== undefined && store !== "level") {
      const { describeFailure, ProgramError } = await import("./program-error.ts")
      const missing = new ProgramError(
        "NOT_YET",
        "a relay has only its own store so far",
        "leave --store out",
      )
      process.stderr.write(`${describeFailure(missing)}\n`)
      process.exitCode = FAILED
      return
    }
    const { up } = await import("./up.ts")
    process.exitCode = await up({ ...rest, json })
  })

if (process.argv.length <= 2) program.outputHelp()
else {
  try {
    await program.parseAsync()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === DONE ? DONE : WRONG_USAGE
  }
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

/** A shell's variable that is not set must not mean another folder. */
function readHome(path: string): string {
  if (path === "") throw new InvalidArgumentError("give a folder.")
  return path
}

function readBytes(text: string): number {
  const match = /^(\d+)\s*([KMGT]iB)?$/.exec(text)
  const bytes = Number(match?.[1]) * (UNITS[match?.[2] ?? ""] ?? Number.NaN)
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new InvalidArgumentError("a whole number of bytes, or of KiB, MiB, GiB or TiB.")
  }
  return bytes
}

function readDays(text: string): number {
  const days = Number(text)
  if (!/^\d+$/.test(text) || days < 1 || days > 36_500) {
    throw new InvalidArgumentError("a whole number of days, 1 to 36500.")
  }
  return days
}
