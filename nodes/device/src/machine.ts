/**
 * This machine's own parts: disk, network, clock, randomness, keychain. Chosen here and nowhere
 * else.
 *
 * @module
 */
import { systemClock } from "@fulcrum/crypto/clock"
import { systemRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import { lazyLibp2pNetwork } from "@fulcrum/net/lazy-libp2p"
import { blobFolder } from "@fulcrum/store/blob-folder"
import { openLevelStore } from "@fulcrum/store/level"
import type { PassphraseSource } from "./device-key.ts"
import { engineRecords } from "./engine-records.ts"
import type { Home } from "./home.ts"
import { systemKeychain } from "./keychain.ts"
import { lazyDiscovery, openWorkerThread } from "./lazy-adapters.ts"
import { thisMachineKind } from "./machine-kind.ts"
import type { DeviceParts } from "./open-device.ts"
import { passphraseSource } from "./passphrase.ts"

export function machineParts(options: {
  readonly home: Home
  /** Look for own devices on the local network. */
  readonly mdns: boolean
  note(text: string): void
}): DeviceParts {
  const { home, mdns, note } = options
  const random = systemRandom()
  const { env } = process
  return {
    home,
    records: engineRecords,
    network: lazyLibp2pNetwork(),
    ...(mdns && { discovery: lazyDiscovery() }),
    openDocuments: openWorkerThread,
    openStore: (folder) => openLevelStore({ folder }),
    async openScratch() {
      const { openMemoryStore } = await import("@fulcrum/store/memory")
      return await openMemoryStore()
    },
    blobs: blobFolder(home.attachmentsFolder),
    async rebuildStore(folder, rebuild) {
      const { rebuildStore } = await import("@fulcrum/store/level-rebuilding")
      return await rebuildStore(folder, rebuild)
    },
    random,
    clock: systemClock(),
    deflate: systemDeflate(),
    kind: thisMachineKind(),
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    keepers: {
      random,
      keychain: systemKeychain(),
      note,
      passphrase: passphrasesFrom(env.FULCRUM_PASSPHRASE_FILE, note),
    },
  }
}

/** @param file - As a variable of the environment names it. */
export function passphrasesFrom(
  file: string | undefined,
  note: (text: string) => void,
): PassphraseSource {
  const { stdin, stderr } = process
  const hasTerminal = stdin.isTTY && stderr.isTTY
  const terminal = { input: stdin, write: (text: string) => void stderr.write(text) }
  return passphraseSource({
    file: file || undefined,
    terminal: hasTerminal ? terminal : undefined,
    note,
  })
}
