/**
 * `fulcrum up`: the daemon. Keeps the record in step and serves the other commands, until it is
 * told to end.
 *
 * @module
 */
import type { Person } from "@fulcrum/engine/person"
import type { Outcome } from "./command.ts"
import { REMOVED } from "./commands/devices.ts"
import { startDaemon } from "./daemon.ts"
import { DaemonClient } from "./daemon-client.ts"
import { findDaemon, removeDaemonFile, writeDaemonFile } from "./daemon-file.ts"
import type { FolderContext } from "./folder-command.ts"
import { LISTEN_DEFAULT, listen } from "./listening.ts"
import { machineParts } from "./machine.ts"
import { openDevice } from "./open-device.ts"
import { ProgramError } from "./program-error.ts"
import { lines, tone } from "./text.ts"

export async function up(context: FolderContext): Promise<Outcome | undefined> {
  const { home, args, io, json, mdns, signal } = context
  const parts = machineParts({ home, mdns, note: (text) => io.note(text) })
  const running = await findDaemon(home)
  if (running !== undefined) {
    const client = new DaemonClient(running, parts.random)
    const isThere = await client.isThere()
    client.close()
    if (isThere) throw alreadyUp(running.pid)
  }
  const { person, settings } = await openDevice(parts)
  try {
    const asked = args.texts("listen").length > 0 ? args.texts("listen") : LISTEN_DEFAULT
    const addresses = await listen(person, asked, settings)
    await using daemon = await startDaemon({ person, random: parts.random, clock: parts.clock })
    await writeDaemonFile(home, { pid: process.pid, port: daemon.port, token: daemon.token })
    try {
      io.print(readyOutcome(person, addresses, daemon.url))
      let wasRemoved = person.isRemoved
      if (wasRemoved) io.note(REMOVED)
      const stopListening = person.onChange((changed) => {
        if (json) io.print({ document: { changed }, text: "" })
        if (person.isRemoved && !wasRemoved) io.note(REMOVED)
        wasRemoved ||= person.isRemoved
      })
      await untilAborted(signal)
      stopListening()
    } finally {
      await removeDaemonFile(home)
    }
  } finally {
    await person.close()
  }
  return undefined
}

function readyOutcome(person: Person, addresses: readonly string[], http: string): Outcome {
  return {
    document: { ready: true, addresses, http, ...(person.isRemoved && { removed: true }) },
    text: lines(
      `${tone("strong", person.device.name)} is up. End it with Ctrl-C.`,
      ...addresses.map((address) => `  ${address}`),
    ),
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener("abort", () => resolve(), { once: true })
  })
}

function alreadyUp(pid: number): ProgramError {
  return new ProgramError(
    "DAEMON_RUNNING",
    `\`fulcrum up\` runs already on this folder, as process ${pid}`,
    "use it, or end it first",
  )
}
