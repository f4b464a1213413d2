/**
 * Opens the data folder: the lock, the key, then the record.
 *
 * @module
 */
import type { Person } from "@fulcrum/engine/person"
import type { SpareFile } from "@fulcrum/engine/spare"
import type { Store } from "@fulcrum/store"
import {
  createDeviceKey,
  type KeyKeeper,
  type KeyKeepers,
  keeperOf,
  readDeviceKey,
} from "./device-key.ts"
import { type SettingsKeeper, settingsKeeper } from "./device-settings.ts"
import { describeHolder, type FolderHolder, folderHolder } from "./folder-holder.ts"
import { type Home, isStoreLost, makeHome, requireKey, requireStore, unmakeHome } from "./home.ts"
import { readPrivateFile, writePrivateFile } from "./private-file.ts"
import { codeOf, ProgramError } from "./program-error.ts"
import type {
  CreateRequest,
  JoinRequest,
  NewRecord,
  RecordMaker,
  RecordParts,
  Recovered,
  RecoverRequest,
  RepairReport,
} from "./record-maker.ts"

export interface DeviceParts extends Omit<RecordParts, "store" | "vaultKey" | "spare"> {
  readonly home: Home
  readonly keepers: KeyKeepers
  readonly records: RecordMaker
  openStore(folder: string): Promise<Store>
  /** Makes a damaged store anew and keeps the damaged one. */
  rebuildStore<T>(
    folder: string,
    rebuild: (damaged: Store, into: Store) => Promise<T>,
  ): Promise<{ readonly result: T; readonly kept: string }>
}

export interface OpenDevice {
  readonly person: Person
  readonly settings: SettingsKeeper
}

/** Another command may just be ending. */
const LOCK_WAIT_MS = 3_000
const LOCK_RETRY_MS = 100

/**
 * @param known - The folder's key; read here unless it is known.
 * @throws {ProgramError} `RECORD_ABSENT`, `KEY_MISSING`, `STORE_LOCKED`, and what `readDeviceKey` says.
 * @throws What store, vault and engine say.
 */
export async function openDevice(parts: DeviceParts, known?: Uint8Array): Promise<OpenDevice> {
  const key = known ?? (await requireDeviceKey(parts))
  await requireStore(parts.home)
  const store = await lockStore(parts)
  return await withStore(parts, store, key, (record) => parts.records.open(record))
}

/**
 * Makes the folder's store anew from what can be read of it.
 *
 * @returns What became of it, and where the damaged files are; `undefined`: nothing is damaged.
 * @throws {ProgramError} as {@link openDevice}. @throws What store, vault and engine say.
 */
export async function repairDevice(
  parts: DeviceParts,
): Promise<{ readonly result: RepairReport; readonly kept: string } | undefined> {
  const { home, records, openDocuments, random, clock, deflate, zone } = parts
  const vaultKey = await requireDeviceKey(parts)
  if (await isWhole(parts, vaultKey)) return undefined
  return await parts.rebuildStore(home.storeFolder, (damaged, into) =>
    records.repair({
      ...{ damaged, into, vaultKey, openDocuments, random, clock, deflate, zone },
      spare: spareFile(home),
    }),
  )
}

async function isWhole(parts: DeviceParts, vaultKey: Uint8Array): Promise<boolean> {
  if (await isStoreLost(parts.home)) return false
  try {
    const store = await lockStore(parts)
    return await parts.records.isWhole({ store, vaultKey, random: parts.random })
  } catch (error) {
    // LevelDB also calls it a failing disk when it cannot make sense of a file.
    if (codeOf(error) === "STORE_CORRUPT" || codeOf(error) === "STORE_IO") return false
    throw error
  }
}

/** @throws {ProgramError} `RECORD_ABSENT`, `KEY_MISSING`, and what `readDeviceKey` says. */
export async function requireDeviceKey({
  home,
  keepers,
}: Pick<DeviceParts, "home" | "keepers">): Promise<Uint8Array> {
  const key = await readDeviceKey(home.keyFile, keepers)
  if (key !== undefined) return key
  return await noRecord(home)
}

/** How the folder's key is kept. @throws {ProgramError} `RECORD_ABSENT`, `KEY_MISSING`, `KEY_FILE_DAMAGED`. */
export async function requireKeyKeeper(home: Home): Promise<KeyKeeper> {
  return (await keeperOf(home.keyFile)) ?? (await noRecord(home))
}

async function noRecord(home: Home): Promise<never> {
  await requireKey(home)
  throw new ProgramError(
    "RECORD_ABSENT",
    "there is no record in this folder yet",
    "begin with `fulcrum init`, or `fulcrum join CODE` on a second device",
  )
}

/** Makes the folder and its key where there are none, and begins a record in it. */
export async function createDevice(
  parts: DeviceParts,
  request: CreateRequest,
  options: { readonly plainKey: boolean },
): Promise<OpenDevice & NewRecord> {
  let words: Omit<NewRecord, "person"> = { words: [], wordsSeen: async () => undefined }
  const device = await beginDevice(parts, options, async (record, progress) => {
    progress.isKept = true
    const { person, ...made } = await parts.records.create(record, request)
    words = made
    return person
  })
  return { ...device, ...words }
}

/** Likewise, with the record of another device; what it made goes again if that comes to nothing. */
export async function joinDevice(
  parts: DeviceParts,
  request: JoinRequest,
  options: { readonly plainKey: boolean },
): Promise<OpenDevice> {
  return await beginDevice(parts, options, (record, progress) =>
    parts.records.join(record, keepsUnlessTold(request, progress)),
  )
}

/** Likewise, with a record whose devices are gone. */
export async function recoverDevice(
  parts: DeviceParts,
  request: RecoverRequest,
  options: { readonly plainKey: boolean },
): Promise<OpenDevice & Recovered> {
  let recovered: Omit<Recovered, "person"> = { missingEpochs: 0, isNewest: false, wasHere: false }
  const device = await beginDevice(parts, options, async (record, progress) => {
    const { person, ...rest } = await parts.records.recover(
      record,
      keepsUnlessTold(request, progress),
    )
    recovered = rest
    return person
  })
  return { ...device, ...recovered }
}

/** Whether there may be something in the folder that is to stay, however this ends. */
interface Progress {
  isKept: boolean
}

/** What was begun is to stay, unless it turns out that there is nothing to go on from. */
function keepsUnlessTold<T extends { leftNothing?(): void }>(request: T, progress: Progress): T {
  progress.isKept = true
  const leftNothing = (): void => {
    progress.isKept = false
  }
  return { ...request, leftNothing }
}

async function beginDevice(
  parts: DeviceParts,
  options: { readonly plainKey: boolean },
  begin: (record: RecordParts, progress: Progress) => Promise<Person>,
): Promise<OpenDevice> {
  const { home, keepers } = parts
  await requireKey(home)
  await requireStore(home)
  const fresh = await makeHome(home)
  // The lock first: of two that begin at once only one draws a key.
  const store = await lockStore(parts)
  const progress: Progress = { isKept: false }
  try {
    const key =
      (await readDeviceKey(home.keyFile, keepers)) ??
      (await createDeviceKey(home.keyFile, keepers, { plain: options.plainKey }))
    return await withStore(parts, store, key, (record) => begin(record, progress))
  } catch (error) {
    await store.close()
    // What cannot be taken away is in nobody's way: the same command goes on with it.
    if (fresh && !progress.isKept) await unmakeHome(home, fresh).catch(() => undefined)
    throw error
  }
}

async function withStore(
  parts: DeviceParts,
  store: Store,
  key: Uint8Array,
  use: (record: RecordParts) => Promise<Person>,
): Promise<OpenDevice> {
  const { home, network, discovery, openDocuments, random, clock, deflate, zone, blobs } = parts
  const { kind, openScratch } = parts
  const spare = spareFile(home)
  const adapters = {
    network,
    openDocuments,
    openScratch,
    random,
    clock,
    deflate,
    zone,
    kind,
    blobs,
    spare,
  }
  try {
    const person = await use({
      ...adapters,
      ...(discovery !== undefined && { discovery }),
      store,
      vaultKey: key,
    })
    return { person, settings: settingsKeeper({ file: home.settingsFile, key, random }) }
  } catch (error) {
    await store.close()
    throw error
  }
}

function spareFile({ spareFile: path }: Home): SpareFile {
  return {
    read: () => readPrivateFile(path),
    write: (sealed) => writePrivateFile(path, sealed),
  }
}

/** @throws {ProgramError} `STORE_LOCKED` */
export async function lockStore({ home, clock, openStore }: DeviceParts): Promise<Store> {
  const deadline = clock.now() + LOCK_WAIT_MS
  for (;;) {
    try {
      return await openStore(home.storeFolder)
    } catch (error) {
      if (codeOf(error) !== "STORE_LOCKED") throw error
      if (clock.now() >= deadline) throw inUse(await folderHolder(home.storeFolder), error)
      await clock.sleep(LOCK_RETRY_MS)
    }
  }
}

export function inUse(holder: FolderHolder | undefined, cause?: unknown): ProgramError {
  return new ProgramError(
    "STORE_LOCKED",
    `this folder is in use by ${holder ? describeHolder(holder) : "another command"}`,
    "wait for it or end it, then try again",
    { cause },
  )
}
