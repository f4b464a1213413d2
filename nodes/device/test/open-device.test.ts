import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { seededRandom } from "@fulcrum/crypto/random"
import { portableDeflate } from "@fulcrum/log/deflate"
import { type Store, StoreError } from "@fulcrum/store"
import { openMemoryStore } from "@fulcrum/store/memory"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { findHome } from "../src/home.ts"
import {
  createDevice,
  type DeviceParts,
  joinDevice,
  openDevice,
  repairDevice,
} from "../src/open-device.ts"
import { CodedError, MemoryPerson } from "./memory-person.ts"

let folder: string
let now: number
/** Every store that was opened, and how many of them are closed. */
let stores: { opened: number; closed: number }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fulcrum-open-"))
  now = 0
  stores = { opened: 0, closed: 0 }
})
afterEach(() => rm(folder, { recursive: true }))

const newRecord = () => ({
  person: new MemoryPerson(),
  words: ["apple"],
  wordsSeen: async () => undefined,
})

const RECORDS: DeviceParts["records"] = {
  async isWhole({ store }) {
    await store.close()
    return true
  },
  repair: async () => Promise.reject(new TypeError("nothing is damaged here")),
  open: async () => new MemoryPerson(),
  create: async () => newRecord(),
  join: async () => new MemoryPerson(),
  restoreAttachments: async () => ({ restored: 0, wrong: [], isCut: false }),
  recover: async () => ({
    person: new MemoryPerson(),
    missingEpochs: 0,
    isNewest: true,
    wasHere: false,
  }),
}

function parts(changes: Partial<DeviceParts> = {}): DeviceParts {
  const random = seededRandom("open device")
  return {
    home: findHome(join(folder, "home")),
    random,
    deflate: portableDeflate(),
    zone: "Europe/Berlin",
    clock: {
      now: () => now,
      async sleep(ms) {
        now += ms
      },
    },
    network: { host: async () => Promise.reject(new TypeError("no network here")) },
    openDocuments: async () => Promise.reject(new TypeError("no documents here")),
    openStore: countedStore,
    openScratch: () => openMemoryStore(),
    rebuildStore: async () => Promise.reject(new TypeError("nothing is damaged here")),
    keepers: {
      random,
      note: () => undefined,
      keychain: { keep: async () => false, find: async () => undefined, forget: async () => false },
      passphrase: { isFile: false, read: async () => undefined },
    },
    records: RECORDS,
    ...changes,
  }
}

async function countedStore(): Promise<Store> {
  const store = await openMemoryStore()
  stores.opened++
  const close = store.close.bind(store)
  store.close = async () => {
    stores.closed++
    await close()
  }
  return store
}

test("a record begun here opens again with the same key", async () => {
  const keys: Uint8Array[] = []
  const { records } = parts()
  const given = parts({
    records: {
      ...records,
      async create(record) {
        keys.push(record.vaultKey)
        return newRecord()
      },
      async open(record) {
        keys.push(record.vaultKey)
        return new MemoryPerson()
      },
    },
  })
  const begun = await createDevice(given, { name: "laptop", relays: [] }, { plainKey: true })
  expect(begun.words).toEqual(["apple"])
  await openDevice(given)
  expect(keys[0]).toHaveLength(32)
  expect(keys[0]).toEqual(keys[1])
})

test("where there is no record nothing is made", async () => {
  await expect(openDevice(parts())).rejects.toMatchObject({ code: "RECORD_ABSENT" })
  expect(await readdir(folder)).toEqual([])
})

test("a record without its key is told as that, and nothing is written beside it", async () => {
  const given = parts()
  await createDevice(given, { name: "laptop", relays: [] }, { plainKey: true })
  await rm(given.home.keyFile)
  // What a store on disk has once something was written to it.
  await mkdir(given.home.storeFolder)
  await writeFile(join(given.home.storeFolder, "000003.log"), "records")
  const missing = { code: "KEY_MISSING" }
  await expect(openDevice(given)).rejects.toMatchObject(missing)
  const begun = createDevice(given, { name: "laptop", relays: [] }, { plainKey: true })
  await expect(begun).rejects.toMatchObject(missing)
  await expect(joinDevice(given, joining, { plainKey: true })).rejects.toMatchObject(missing)
  expect(await readdir(given.home.folder)).toEqual(["store"])
  expect(await readdir(given.home.storeFolder)).toEqual(["000003.log"])
})

test("without passphrase, keychain or terminal nothing is begun, and the folder is let go", async () => {
  const begun = createDevice(parts(), { name: "laptop", relays: [] }, { plainKey: false })
  await expect(begun).rejects.toMatchObject({ code: "PASSPHRASE_NEEDED" })
  expect(stores).toEqual({ opened: 1, closed: 1 })
  expect(await readdir(folder)).toEqual([])
  await expect(openDevice(parts())).rejects.toMatchObject({ code: "RECORD_ABSENT" })
})

const joining = {
  name: "phone",
  code: "1-a-b-c",
  confirm: async () => true,
  signal: new AbortController().signal,
}

test("a join that fails lets go of the folder, and the next one goes on with its key", async () => {
  const { records } = parts()
  const wrong = new CodedError("PAIR_PEER_ABSENT", "cut off")
  const failing = parts({ records: { ...records, join: async () => Promise.reject(wrong) } })
  await expect(joinDevice(failing, joining, { plainKey: true })).rejects.toBe(wrong)
  expect(stores.closed).toBeGreaterThan(0)
  const key = await readFile(failing.home.keyFile)
  await joinDevice(parts(), joining, { plainKey: true })
  expect(await readFile(failing.home.keyFile)).toEqual(key)
})

test("a join that came to nothing leaves nothing of what it made", async () => {
  const { records } = parts()
  const wrong = new CodedError("PAIR_CODE_WRONG", "the code is not the one shown")
  const failed: DeviceParts["records"]["join"] = async (_record, { leftNothing }) => {
    leftNothing?.()
    throw wrong
  }
  const openStore = async (at: string): Promise<Store> => {
    await mkdir(at, { recursive: true })
    await writeFile(join(at, "000003.log"), "a try")
    return await countedStore()
  }
  const failing = { records: { ...records, join: failed }, openStore }
  const deep = parts({ ...failing, home: findHome(join(folder, "a", "b")) })
  await expect(joinDevice(deep, joining, { plainKey: true })).rejects.toBe(wrong)
  expect(await readdir(folder)).toEqual([])
  // A folder that was there stays, and so does what was begun in it before.
  const there = parts({ ...failing, home: findHome(join(folder, "there")) })
  await mkdir(there.home.folder)
  await expect(joinDevice(there, joining, { plainKey: true })).rejects.toBe(wrong)
  expect(await readdir(there.home.folder)).toEqual([])
  await createDevice(there, { name: "laptop", relays: [] }, { plainKey: true })
  await expect(joinDevice(there, joining, { plainKey: true })).rejects.toBe(wrong)
  expect((await readdir(there.home.folder)).sort()).toEqual(["device.key", "store"])
})

test("a folder in use is waited for a little, then told", async () => {
  let attempts = 0
  const locked = async (): Promise<Store> => {
    attempts++
    throw new StoreError("STORE_LOCKED", "locked")
  }
  await createDevice(parts(), { name: "laptop", relays: [] }, { plainKey: true })
  await expect(openDevice(parts({ openStore: locked }))).rejects.toMatchObject({
    code: "STORE_LOCKED",
    message: "this folder is in use by another command",
  })
  expect(attempts).toBeGreaterThan(10)
  attempts = 0
  const freed = async (): Promise<Store> => (attempts++ < 3 ? await locked() : await countedStore())
  await openDevice(parts({ openStore: freed }))
})

describe("a repair", () => {
  const report = { damage: [], entries: 3, missing: 0, others: 1 }
  const rebuilding: Partial<DeviceParts> = {
    async rebuildStore(_, rebuild) {
      const result = await rebuild(await openMemoryStore(), await openMemoryStore())
      return { result, kept: "kept" }
    },
    records: { ...RECORDS, repair: async () => report },
  }

  test("changes nothing where nothing is damaged, or where there is no record", async () => {
    await expect(repairDevice(parts())).rejects.toMatchObject({ code: "RECORD_ABSENT" })
    await createDevice(parts(), { name: "laptop", relays: [] }, { plainKey: true })
    expect(await repairDevice(parts())).toBeUndefined()
  })

  test("is made of a store that does not open, and of one whose records do not", async () => {
    await createDevice(parts(), { name: "laptop", relays: [] }, { plainKey: true })
    const corrupt = async () => Promise.reject(new StoreError("STORE_CORRUPT", "damaged"))
    expect(await repairDevice(parts({ ...rebuilding, openStore: corrupt }))).toEqual({
      result: report,
      kept: "kept",
    })
    const records = { ...RECORDS, isWhole: async () => false, repair: async () => report }
    expect(await repairDevice(parts({ ...rebuilding, records }))).toMatchObject({ kept: "kept" })
  })

  test("is not made of a folder in use", async () => {
    await createDevice(parts(), { name: "laptop", relays: [] }, { plainKey: true })
    const openStore = async () => Promise.reject(new StoreError("STORE_LOCKED", "in use"))
    await expect(repairDevice(parts({ ...rebuilding, openStore }))).rejects.toMatchObject({
      code: "STORE_LOCKED",
    })
  })
})

test("a folder with spare keys and without its store is a record's, whatever else is gone", async () => {
  await createDevice(parts(), { name: "laptop", relays: [] }, { plainKey: true })
  const { spareFile, keyFile } = parts().home
  await writeFile(spareFile, "sealed")
  const begin = () => createDevice(parts(), { name: "laptop", relays: [] }, { plainKey: true })
  for (const act of [() => openDevice(parts()), begin])
    await expect(act()).rejects.toMatchObject({ code: "STORE_LOST" })
  await rm(keyFile)
  for (const act of [() => openDevice(parts()), begin, () => repairDevice(parts())])
    await expect(act()).rejects.toMatchObject({ code: "KEY_MISSING" })
})
