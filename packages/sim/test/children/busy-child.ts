/**
 * A process that hangs for good, and would outlive its parent.
 *
 * @module
 */
import { writeSync } from "node:fs"
import { endWithParent } from "../../src/campaign/parent-watch.ts"

/** Longer than the test waits, and no longer than that. */
const BUSY_MS = 30_000

endWithParent()
// The watch begins once this process has come to its event loop.
setTimeout(() => {
  writeSync(1, "busy\n")
  for (const endMs = Date.now() + BUSY_MS; Date.now() < endMs; );
}, 1_000)
