/**
 * What a device is opened with, without network, documents or keychain: its store is in memory, and
 * its record is what a test says.
 *
 * @module
 */
import { seededRandom } from "@fulcrum/crypto/random"
import { portableDeflate } from "@fulcrum/log/deflate"
import { openMemoryStore } from "@fulcrum/store/memory"
import { findHome } from "../src/home.ts"
import type { DeviceParts } from "../src/open-device.ts"

export function memoryParts(folder: string, records: Partial<DeviceParts["records"]>): DeviceParts {
  const random = seededRandom("memory parts")
  const nothing = async () => Promise.reject(new TypeError("not in this test"))
  return {
    home: findHome(folder),
    ...{ random, deflate: portableDeflate(), zone: "Europe/Berlin" },
    clock: { now: () => 0, sleep: async () => undefined },
    network: { host: nothing },
    ...{ openDocuments: nothing, rebuildStore: nothing },
    openStore: () => openMemoryStore(),
    openScratch: () => openMemoryStore(),
    keepers: {
      ...{ random, note: () => undefined },
      keychain: { keep: async () => false, find: async () => undefined, forget: async () => false },
      passphrase: { isFile: false, read: async () => undefined },
    },
    records: {
      ...{ isWhole: async () => true, repair: nothing, open: nothing },
      ...{
        create: nothing,
        join: nothing,
        recover: nothing,
        restoreAttachments: nothing,
        ...records,
      },
    },
  }
}
