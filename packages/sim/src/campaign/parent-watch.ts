/**
 * Ends a process once its parent has gone, even if it never comes back to its event loop, where it
 * would hear that the channel to its parent broke: a thread of its own looks.
 *
 * On Windows a process keeps its parent's number, and only the channel tells.
 *
 * @module
 */
import { Worker } from "node:worker_threads"

const EVERY_MS = 1_000
const WATCH = `
  const { workerData } = require("node:worker_threads")
  setInterval(() => {
    if (process.ppid !== workerData) process.kill(process.pid, "SIGKILL")
  }, ${EVERY_MS})
`

export function endWithParent(): void {
  process.on("disconnect", () => process.exit(0))
  // Nothing is preloaded into it: a canary has no business there.
  new Worker(WATCH, { eval: true, execArgv: [], workerData: process.ppid }).unref()
}
