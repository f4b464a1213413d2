/**
 * Starts `busy-child.ts` and waits to be killed.
 *
 * @module
 */
import { fork } from "node:child_process"
import { join } from "node:path"

fork(join(import.meta.dirname, "busy-child.ts"), [], { stdio: ["ignore", 1, 2, "ipc"] })
