/**
 * `fulcrum-relay`: keeps and forwards ciphertext that it cannot read. Reads the command line and nothing else; what a command needs is
 * imported when that command runs, so that `--help` answers at once.
 *
 * @module
 */

import { Command } from "commander"
import manifest from "../package.json" with { type: "json" }

const program = new Command("fulcrum-relay")
  .description("Keeps sealed messages for whoever is offline, and cannot read them.")
  .version(manifest.version)
  .addHelpText("after", "\nExample:\n  fulcrum-relay --help")

program.action(() => program.help())

await program.parseAsync()
