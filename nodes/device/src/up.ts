/**
 * `fulcrum up`: the daemon. Keeps the record in step and serves the other commands, until it is
 * told to end. Locked, it has neither the key nor the record, and serves `fulcrum unlock` alone.
 *
 * @module
 */
import type { Person } from "@fulcrum/engine/person"
import type { Outcome } from "./command.ts"
import { COPIED, REMOVED } from "./commands/devices.ts"
import { startDaemon } from "./daemon.ts"
import { DaemonClient } from "./daemon-client.ts"
import { findDaemon, removeDaemonFile, writeDaemonFile } from "./daemon-file.ts"
import type { FolderContext } from "./folder-command.ts"
import { HeldRecord, lockedMeanwhile, type OpenedRecord } from "./held-record.ts"
import type { Home } from "./home.ts"
import { LISTEN_DEFAULT, listen } from "./listening.ts"
import { machineParts } from "./machine.ts"
import { type DeviceParts, lockStore, openDevice, requireKeyKeeper } from "./open-device.ts"
import { codeOf, ProgramError } from "./program-error.ts"
import { canStartAgain, startAgainWith } from "./start-again.ts"
import { lines, tone } from "./text.ts"

/** How long locking waits for what runs; if that hangs, nothing acknowledged is lost. */
const LOCK_MS_MAX = 3_000

const START_LOOK_MS = 100

const LOCKED: Outcome = {
  document: { ready: true, locked: true },
  text: "Locked: nothing is sent or received until `fulcrum unlock`. End it with Ctrl-C.",
}

export async function up(context: FolderContext): Promise<Outcome | undefined> {
  const { home, args, io, mdns } = context
  const parts = machineParts({ home, mdns, note: (text) => io.note(text) })
  await requireNoOther(home, parts)
  let isLocked = args.flag("locked")
  // To be locked takes no key, and no key file either.
  await requireKeyKeeper(home).catch((error: unknown) => {
    if (!isLocked || codeOf(error) === "RECORD_ABSENT") throw error
  })
  // Where this process cannot begin again, it goes on without what it had.
  while ((await serve(context, parts, isLocked)) === "lock") isLocked = true
  return undefined
}

/** @throws {ProgramError} `DAEMON_RUNNING`, also if one just takes its own place. */
async function requireNoOther(home: Home, { random, clock }: DeviceParts): Promise<void> {
  for (;;) {
    const running = await findDaemon(home)
    if (running === undefined || running.pid === process.pid) return
    const client = new DaemonClient(running, random)
    const isThere = await client.isThere()
    client.close()
    if (isThere) throw alreadyUp(running.pid)
    if (running.isStarting !== true) return
    await clock.sleep(START_LOOK_MS)
  }
}

/** One start. @returns What it was told to do. */
async function serve(
  context: FolderContext,
  parts: DeviceParts,
  isLocked: boolean,
): Promise<"end" | "lock"> {
  const { home, signal, io } = context
  const { random, clock } = parts
  let url: string | undefined
  let stopTelling = (): void => undefined
  const announce = (outcome: Outcome, http: string, person?: Person): void => {
    io.print({ ...outcome, document: { ...Object(outcome.document), http } })
    if (person !== undefined) stopTelling = tellChanges(context, person)
  }
  // Nobody else has the folder, though nothing in it can be read.
  let held = isLocked ? await lockStore(parts) : undefined
  const letGo = async (): Promise<void> => {
    const store = held
    held = undefined
    await store?.close()
  }
  const record = new HeldRecord(async (key) => {
    await letGo()
    const opened = await open(context, parts, key)
    if (url !== undefined) announce(opened.ready, url, opened.person)
    return opened
  })
  let told: "end" | "lock" = "end"
  try {
    const opened = isLocked ? undefined : await record.unlock()
    await using daemon = await startDaemon({ record, random, clock })
    url = daemon.url
    const file = { pid: process.pid, port: daemon.port, token: daemon.token }
    try {
      await writeDaemonFile(home, file)
      announce(opened?.ready ?? LOCKED, url, opened?.person)
      await Promise.race([untilAborted(signal), record.lockAsked])
      stopTelling()
      if (!signal.aborted) told = "lock"
    } finally {
      // Whoever comes while it locks waits for the start that takes this one's place.
      if (told === "end") await removeDaemonFile(home, file.token)
      else await writeDaemonFile(home, { ...file, isStarting: true })
    }
    if (told === "lock") {
      const locked = daemon.close(lockedMeanwhile()).then(() => record.close())
      await (canStartAgain() ? Promise.race([locked, clock.sleep(LOCK_MS_MAX)]) : locked)
      if (signal.aborted) {
        await removeDaemonFile(home, file.token)
        return "end"
      }
      startAgainWith("--locked")
    }
  } finally {
    await letGo()
    await record.close()
  }
  return told
}

async function open(
  { args }: FolderContext,
  parts: DeviceParts,
  key: Uint8Array | undefined,
): Promise<OpenedRecord> {
  const { person, settings } = await openDevice(parts, key)
  try {
    const asked = args.texts("listen").length > 0 ? args.texts("listen") : LISTEN_DEFAULT
    const addresses = await listen(person, asked, settings)
    return { person, ready: readyOutcome(person, addresses) }
  } catch (error) {
    await person.close()
    throw error
  }
}

/** @returns Ends that. */
function tellChanges({ io, json }: FolderContext, person: Person): () => void {
  let [wasRemoved, wasCopied] = [person.isRemoved, person.isCopied]
  if (wasRemoved) io.note(REMOVED)
  if (wasCopied) io.note(COPIED)
  return person.onChange((changed) => {
    if (json) io.print({ document: { changed }, text: "" })
    if (person.isRemoved && !wasRemoved) io.note(REMOVED)
    wasRemoved ||= person.isRemoved
    if (person.isCopied && !wasCopied) io.note(COPIED)
    wasCopied ||= person.isCopied
  })
}

function readyOutcome(person: Person, addresses: readonly string[]): Outcome {
  return {
    document: { ready: true, addresses, ...(person.isRemoved && { removed: true }) },
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
