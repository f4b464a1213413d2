/**
 * `fulcrum-vendor`: a company's node. Reads the command line and nothing else; what a command needs
 * is imported when that command runs, so that `--help` answers at once.
 *
 * @module
 */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander"
import manifest from "../package.json" with { type: "json" }
import { DONE, describeFailure, FAILED, notYet, WRONG_USAGE } from "./program-error.ts"

const isJson = process.argv.includes("--json")
// Whoever reads has read enough: `--help | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
  process.exit()
})

const program = shared(new Command("fulcrum-vendor"))
  .description(
    "A company's side: takes in what its customers disclose, and answers with signed receipts.",
  )
  .version(manifest.version)
  .option("--home <dir>", "data folder (default: FULCRUM_HOME, else the platform's own)", readHome)
  .option("--json", "print JSON documents, and nothing else, on standard output")
  .addHelpText(
    "after",
    "\nExample:\n  fulcrum-vendor init --name 'Bookshop'\n" +
      "  fulcrum-vendor request edit request.json\n  fulcrum-vendor up",
  )

command(program, "init", "Make a new vendor in the data folder.", "init --name 'Bookshop'")
  .requiredOption("--name <name>", "what the company calls itself")
  .option("--domain <domain>", "the domain by which people can check who asks")
  .option("--relay <addr>", "a relay that keeps the front door; may be given again", collect, [])
  .action(async (options) => finish((await run()).runInit(global(), options)))

const request = group("request", "What the company asks of its customers.", "request show")
command(request, "edit", "Publish a request.", "request edit request.json")
  .argument("[file]", "JSON, `-` for standard input; left out: an editor opens")
  .action(async (file) => finish((await run()).runRequest(global(), "request-edit", file)))
command(request, "show", "Print the request as it is.", "request show > request.json").action(() =>
  simple("request-show"),
)
command(request, "lint", "Say what should be mended.", "request lint request.json")
  .argument("[file]", "JSON, `-` for standard input; left out: the published one")
  .action(async (file) => finish((await run()).runRequest(global(), "request-lint", file)))

const terms = group("terms", "The agreements that the company accepts.", "terms list")
command(terms, "accept", "Accept agreements, too.", "terms accept SD-BASE SD-BASE-A")
  .argument("<id...>", "as `terms list` names them")
  .action((ids: string[]) => simple("terms-accept", { ids }))
command(terms, "drop", "Accept agreements no more.", "terms drop SD-BASE-A")
  .argument("<id...>", "as `terms list` names them")
  .action((ids: string[]) => simple("terms-drop", { ids }))
command(terms, "list", "All agreements, and which are accepted.", "terms list", true).action(() =>
  simple("terms-list"),
)

command(program, "invite", "Print an invitation.", "invite --for 'order 4711'")
  .option("--public", "for anybody, as often as they like")
  .option("--for <text>", "whom it is for; shown with the customer")
  .option("--qr <file>", "also write it as a QR code, in SVG")
  .option("--wait <seconds>", "how long to wait for the relays (default: 10)", readSeconds)
  .action(async (options) => finish((await run()).runInvite(global(), options)))

command(
  program,
  "up",
  "Keep the books in step until told to end.",
  "up --listen /ip4/0.0.0.0/tcp/4001",
)
  .option("--relay <addr>", "a relay that keeps the front door; may be given again", collect, [])
  .addOption(noRelay())
  .option("--listen <addr>", "where the relay listens; may be given again", collect)
  .option("--http <host:port>", "the admin API and /health, on this machine only", "127.0.0.1:0")
  .option("--store <url>", "(not yet) a database")
  .action(async ({ store, ownRelay = true, ...options }) => {
    if (store !== undefined && store !== "level") return refuse("--store")
    return finish((await run()).runUp(global(), { ...options, ownRelay }))
  })

command(program, "customers", "Who has a relationship.", "customers").action(() =>
  simple("customers"),
)
command(program, "disclosures", "What is disclosed, for what, until when.", "disclosures 4f2a")
  .argument("[customer]", "an id, or what its invitation was for")
  .action((customer?: string) => simple("disclosures", customer === undefined ? {} : { customer }))
command(program, "agreements", "What both sides signed.", "agreements --json").action(() =>
  simple("agreements"),
)
command(program, "queue", "Events on their way, and those that were given up.", "queue").action(
  () => simple("queue"),
)
command(program, "status", "How the relays and the queue stand.", "status").action(() =>
  simple("status"),
)
command(program, "export", "All of the books in one document.", "export books.json")
  .argument("[file]", "a new file; left out: standard output")
  .action(async (file) => finish((await run()).runExport(global(), file)))

const hook = group("hook", "Where events are posted.", "hook list")
command(
  hook,
  "add",
  "Post every event there; prints the secret.",
  "hook add https://crm.example/in",
)
  .argument("<url>", "https, or http on this machine")
  .action((url: string) => simple("hook-add", { url }))
command(hook, "list", "All hooks.", "hook list", true).action(() => simple("hook-list"))
command(hook, "replay", "Try an event again.", "hook replay --all")
  .argument("[id]", "as `queue` names it")
  .option("--all", "all that wait or were given up")
  .action((id: string | undefined, { all = false }: { all?: boolean }) => {
    if (all === (id !== undefined)) throw wrongUsage("give an id, or --all")
    return simple("hook-replay", all ? { all } : { id: id ?? "" })
  })

for (const [name, summary] of [
  ["crm", "Push changes into a CRM."],
  ["deletions", "What was erased."],
  ["lookup", "What a support code shows."],
] as const) {
  command(program, name, `${summary} (not yet)`, name)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => refuse(name))
}

if (process.argv.length <= 2) program.outputHelp()
else {
  try {
    await program.parseAsync()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === DONE ? DONE : WRONG_USAGE
  }
}

function run(): Promise<typeof import("./run.ts")> {
  return import("./run.ts")
}

function global(): { readonly home?: string; readonly json: boolean } {
  const { home, json = false } = program.opts<{ home?: string; json?: boolean }>()
  return { ...(home !== undefined && { home }), json }
}

async function simple(
  name: string,
  given: Readonly<Record<string, string | boolean | readonly string[]>> = {},
): Promise<void> {
  return finish((await run()).runCommand(global(), name, given))
}

async function finish(status: Promise<number>): Promise<void> {
  process.exitCode = await status
}

function refuse(what: string): void {
  process.stderr.write(`${describeFailure(notYet(what), isJson)}\n`)
  process.exitCode = FAILED
}

function wrongUsage(message: string): CommanderError {
  const failure = { code: "USAGE", message, todo: "see `fulcrum-vendor --help`" }
  process.stderr.write(`${describeFailure(failure, isJson)}\n`)
  return new CommanderError(WRONG_USAGE, "USAGE", message)
}

/** Beside `--relay ADDR`, which the parser would take for its opposite. */
function noRelay(): Option {
  const option = new Option("--no-relay", "run no relay in this process")
  option.attributeName = () => "ownRelay"
  return option
}

function command(
  parent: Command,
  name: string,
  summary: string,
  example: string,
  isDefault = false,
): Command {
  return shared(parent.command(name, { isDefault }))
    .description(summary)
    .addHelpText("after", `\nExample:\n  fulcrum-vendor ${example}`)
}

function group(name: string, summary: string, example: string): Command {
  return shared(program.command(name))
    .description(summary)
    .addHelpText("after", `\nExample:\n  fulcrum-vendor ${example}`)
}

/** What holds for every command: errors in one line, status 2, global options in the help. */
function shared(one: Command): Command {
  return one
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError(text, write) {
        const message = text.replace(/^error: /, "").trim()
        // A group without its command: commander shows the help instead of an error.
        if (message.startsWith("Usage:")) return write(`${message}\n`)
        const missing = /^required option '(.+)' not specified$/.exec(message)?.[1]
        const help = `see \`${nameOf(one)} --help\``
        const todo = missing === undefined ? help : `add ${missing}; ${help}`
        const failure = { code: "USAGE", message, todo }
        write(`${describeFailure(failure, isJson)}\n`)
      },
    })
}

function nameOf(one: Command): string {
  return one.parent ? `${nameOf(one.parent)} ${one.name()}` : one.name()
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

/** A shell's variable that is not set must not mean the default folder. */
function readHome(path: string): string {
  if (path === "") throw new InvalidArgumentError("give a folder.")
  return path
}

function readSeconds(text: string): number {
  const seconds = Number(text)
  if (!/^\d{1,3}$/.test(text) || seconds > 600) {
    throw new InvalidArgumentError("a whole number of seconds, 0 to 600.")
  }
  return seconds
}
