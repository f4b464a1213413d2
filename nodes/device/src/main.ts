/**
 * `fulcrum`: a person's own device. Reads the command line and nothing else; what a command needs is
 * imported when that command runs, so that `--help` answers at once.
 *
 * @module
 */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander"
import manifest from "../package.json" with { type: "json" }
import { CATALOG, GROUPS } from "./catalog.ts"
import type { CatalogCommand, CatalogParameter } from "./catalog-entry.ts"
import { DONE, describeFailure, FAILED, failureOf, WRONG_USAGE } from "./program-error.ts"

const isJson = process.argv.includes("--json")
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever reads has read enough: `--help | head`.
  if (error.code === "EPIPE") process.exit()
  process.stderr.write(`${describeFailure(failureOf(error), isJson)}\n`)
  process.exit(FAILED)
})

const program = shared(new Command("fulcrum"))
  .description("Your record on your own devices, and the companies you deal with.")
  .version(manifest.version)
  .option("--home <dir>", "data folder (default: FULCRUM_HOME, else the platform's own)", readHome)
  .option("--json", "print JSON documents, and nothing else, on standard output")
  .option("--no-mdns", "do not look for your devices on the local network")
  .addHelpText("after", "\nExample:\n  fulcrum init --name laptop\n  fulcrum import me.vcf")

const groups = new Map<string, Command>()
for (const entry of CATALOG) declare(entry)

if (process.argv.length <= 2) program.outputHelp()
else {
  try {
    await program.parseAsync()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === DONE ? DONE : WRONG_USAGE
  }
}

function declare(entry: CatalogCommand): void {
  const words = entry.name.split(" ")
  const [group = "", name = group] = words
  const parent = words.length > 1 ? groupNamed(group) : program
  // `fulcrum terms` alone is `fulcrum terms list`.
  const command = parent.command(name, { isDefault: entry.name === "terms list" })
  groups.set(entry.name, shared(command))
  const notYet = entry.where === "not-yet"
  command.description(notYet ? `${entry.summary} (not yet)` : entry.summary)
  command.addHelpText(
    "after",
    `\nExample:\n${entry.examples.map((line) => `  ${line}`).join("\n")}`,
  )
  if (notYet) {
    command
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => refuse(entry))
    return
  }
  for (const parameter of entry.parameters) {
    if (parameter.syntax.startsWith("-")) command.addOption(optionOf(parameter))
    else command.argument(parameter.syntax, parameter.help)
  }
  command.action(async () => {
    const { runFromCommandLine } = await import("./run.ts")
    const { home, json = false, mdns = true } = program.opts()
    process.exitCode = await runFromCommandLine({
      command: entry,
      operands: command.processedArgs,
      options: command.opts(),
      home,
      json,
      mdns,
    })
  })
}

function groupNamed(name: string): Command {
  const known = groups.get(name)
  if (known !== undefined) return known
  const group = shared(program.command(name)).description(GROUPS.get(name) ?? "")
  const first = CATALOG.find((entry) => entry.name.startsWith(`${name} `))
  group.addHelpText("after", `\nExample:\n  ${first?.examples[0] ?? ""}`)
  groups.set(name, group)
  return group
}

/** What holds for every command: errors in one line, status 2, global options in the help. */
function shared(command: Command): Command {
  return command
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError(text, write) {
        const message = text.replace(/^error: /, "").trim()
        // A group without its command: commander shows the help instead of an error.
        if (message.startsWith("Usage:")) return write(`${message}\n`)
        const failure = { code: "USAGE", message, todo: `see \`${nameOf(command)} --help\`` }
        write(`${describeFailure(failure, isJson)}\n`)
      },
    })
}

function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name()
}

function optionOf(parameter: CatalogParameter): Option {
  const option = new Option(parameter.syntax, withDefault(parameter))
  if (parameter.kind === "number") option.argParser(readNumber)
  // One value an option, given again for more: `--relay A B` would swallow operands.
  if (parameter.kind === "texts") {
    return new Option(parameter.syntax.replace("...", ""), parameter.help).argParser(
      (value: string, before: readonly string[] = []) => [...before, value],
    )
  }
  return option
}

function withDefault({ help, default: fallback }: CatalogParameter): string {
  return fallback === undefined ? help : `${help} (default: ${fallback})`
}

/** A shell's variable that is not set must not mean the default record. */
function readHome(path: string): string {
  if (path === "") throw new InvalidArgumentError("Give a folder.")
  return path
}

function readNumber(text: string): number {
  const value = Number(text)
  if (text.trim() === "" || !Number.isFinite(value) || value < 0 || value > 86_400) {
    throw new InvalidArgumentError("Give seconds, from 0 to 86400.")
  }
  return value
}

function refuse(entry: CatalogCommand): void {
  const failure = {
    code: "NOT_YET",
    message: `\`fulcrum ${entry.name}\` is not built yet`,
    todo: "see `fulcrum --help` for what is",
  }
  process.stderr.write(`${describeFailure(failure, isJson)}\n`)
  process.exitCode = FAILED
}
