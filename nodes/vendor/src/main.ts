/**
 * `fulcrum-vendor`: a company's node. Reads the command line and nothing else; what a command needs is
 * imported when that command runs, so that `--help` answers at once.
 *
 * @module
 */

import { Command } from "commander"
import manifest from "../package.json" with { type: "json" }

const program = new Command("fulcrum-vendor")
  .description(
    "A company's side: takes in what its customers disclose, and answers with signed receipts.",
  )
  .version(manifest.version)
  .addHelpText("after", "\nExample:\n  fulcrum-vendor --help")

program.action(() => program.help())

await program.parseAsync()
