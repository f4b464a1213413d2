/**
 * `fulcrum lock` and `unlock`: a running `fulcrum up` forgets the key and the record, and is given the key
 * again. It is read where the command runs, since that is where somebody can be asked for a passphrase.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { systemClock } from "@fulcrum/crypto/clock"
import type { Outcome } from "./command.ts"
import type { DaemonClient } from "./daemon-client.ts"
import { type KeyKeeper, keeperOf } from "./device-key.ts"
import type { FolderContext } from "./folder-command.ts"
import { folderHolder } from "./folder-holder.ts"
import type { Home } from "./home.ts"
import { machineParts } from "./machine.ts"
import { inUse, requireDeviceKey, requireKeyKeeper } from "./open-device.ts"
import { ProgramError } from "./program-error.ts"
import { lines } from "./text.ts"

/** @returns `undefined`: no `fulcrum up` runs on this folder. */
type Reach = () => Promise<DaemonClient | undefined>

/** How long locking may take: what runs is ended, and the process starts again. */
const LOCK_MS_MAX = 15_000
const LOOK_MS = 50

/** @throws {ProgramError} `STORE_LOCKED`, `LOCK_FAILED`; where no `fulcrum up` runs, what its key file is not. */
export async function lock(context: FolderContext, reach: Reach): Promise<Outcome> {
  const { home, signal } = context
  const clock = systemClock()
  const deadline = clock.now() + LOCK_MS_MAX
  while (clock.now() < deadline) {
    const client = await reach()
    if (client === undefined) {
      const keeper = await requireKeyKeeper(home)
      await requireNobody(home)
      return lockedOutcome(keeper, { isUp: false })
    }
    if (await isLockedAfter(client, context, "lock", {})) {
      // Whatever has become of the key file, it is locked.
      const keeper = await keeperOf(home.keyFile).catch(() => undefined)
      return lockedOutcome(keeper, { isUp: true })
    }
    await clock.sleep(LOOK_MS, signal)
  }
  throw new ProgramError(
    "LOCK_FAILED",
    "`fulcrum up` still has the record open",
    "end it; it is locked then",
  )
}

/** @throws {ProgramError} `DAEMON_ABSENT`, and what reading the key and opening the record say. */
export async function unlock(context: FolderContext, reach: Reach): Promise<Outcome> {
  const { home, io, mdns } = context
  await requireKeyKeeper(home)
  if (!(await isLockedAfter(await requireDaemon(reach), context, "unlock", {}))) {
    return { document: { locked: false }, text: "It is not locked." }
  }
  const key = await requireDeviceKey(machineParts({ home, mdns, note: (text) => io.note(text) }))
  io.progress("Opening the record")
  // Whoever listens there proves itself once more: a passphrase takes its time.
  await isLockedAfter(await requireDaemon(reach), context, "unlock", { key: bytesToHex(key) })
  return {
    document: { locked: false },
    text: "Unlocked: `fulcrum up` has the record open again.",
  }
}

async function requireDaemon(reach: Reach): Promise<DaemonClient> {
  const client = await reach()
  if (client !== undefined) return client
  throw new ProgramError(
    "DAEMON_ABSENT",
    "there is nothing to unlock: `fulcrum up` does not run on this folder",
    "run `fulcrum up`; without it each command asks for what it needs",
  )
}

async function isLockedAfter(
  client: DaemonClient,
  { io, signal }: FolderContext,
  command: "lock" | "unlock",
  args: { readonly key?: string },
): Promise<boolean> {
  try {
    const outcome = await client.call({ command, args, io, signal })
    return Object(outcome?.document).locked === true
  } finally {
    client.close()
  }
}

/** @throws {ProgramError} `STORE_LOCKED`: a command has the record open. */
async function requireNobody({ storeFolder }: Home): Promise<void> {
  const holder = await folderHolder(storeFolder)
  if (holder !== undefined) throw inUse(holder)
}

/** Who can open it again. */
const OPENED_BY: Readonly<Record<KeyKeeper, string>> = {
  passphrase: "Only the passphrase opens it.",
  keychain:
    "The key stays in your system's keychain: whoever uses this machine as you can unlock it.",
  plain:
    "But its key lies in the folder in the clear: whoever can read that can unlock it. `fulcrum passphrase` seals it.",
}

function lockedOutcome(
  keeper: KeyKeeper | undefined,
  { isUp }: { readonly isUp: boolean },
): Outcome {
  const held =
    keeper === undefined
      ? "Its device.key cannot be read: put it back before you unlock it."
      : OPENED_BY[keeper]
  return {
    document: { locked: true, up: isUp },
    text: lines(
      isUp
        ? "Locked: `fulcrum up` forgot the key, and sends and receives nothing until `fulcrum unlock`."
        : "There is nothing to lock: no `fulcrum up` runs on this folder, and nothing else has it open.",
      held,
    ),
  }
}
