/**
 * `fulcrum`: a person's own device. Reads the command line and nothing else; what a command needs is
 * imported when that command runs, so that `--help` answers at once.
 *
 * @module
 */

import { Command } from "commander"
import manifest from "../package.json" with { type: "json" }

const program = new Command("fulcrum")
  .description("Your record on your own devices, and the companies you deal with.")
  .version(manifest.version)
  .addHelpText("after", "\nExample:\n  fulcrum --help")

program.action(() => program.help())

await program.parseAsync()
