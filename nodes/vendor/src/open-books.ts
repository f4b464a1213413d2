/**
 * Opens the books in a folder, with the adapters of this program.
 *
 * @module
 */
import { systemClock } from "@fulcrum/crypto/clock"
import { systemRandom } from "@fulcrum/crypto/random"
import { createVendor, openVendor, type VendorOptions } from "@fulcrum/engine/open-vendor"
import type { Vendor } from "@fulcrum/engine/vendor"
import { systemDeflate } from "@fulcrum/log/deflate"
import type { Network } from "@fulcrum/net/contract"
import { lazyLibp2pNetwork } from "@fulcrum/net/lazy-libp2p"
import { openLevelStore } from "@fulcrum/store/level"
import { type Home, makeHome } from "./home.ts"
import { codeOf, ProgramError } from "./program-error.ts"
import { createKeys, loadKeys, passphraseFromFile, type VendorKeys } from "./vault-key.ts"
import { webhookPoster } from "./webhook-post.ts"

/** @throws {VendorError} `VENDOR_EXISTS`. @throws {ProgramError} `KEY_…`. */
export async function initBooks(
  home: Home,
  named: { readonly name: string; readonly domain?: string | undefined },
): Promise<Vendor> {
  await makeHome(home)
  const known = await loadKeys(home, () => passphraseFromFile())
  const keys = known ?? (await createKeys(home, systemRandom(), await passphraseFromFile()))
  return withStore(home, keys, lazyLibp2pNetwork(), (options) =>
    createVendor({ ...options, ...named }),
  )
}

/** The keys of a folder that has books. @throws {ProgramError} `VENDOR_ABSENT`, `KEY_…`. */
export async function keysOf(home: Home): Promise<VendorKeys> {
  const keys = await loadKeys(home, () => passphraseFromFile())
  if (keys !== undefined) return keys
  throw new ProgramError(
    "VENDOR_ABSENT",
    `there is no vendor in ${home.folder}`,
    "begin with `fulcrum-vendor init --name NAME`, or choose another folder with --home",
  )
}

export function openBooks(
  home: Home,
  keys: VendorKeys,
  network: Network = lazyLibp2pNetwork(),
): Promise<Vendor> {
  return withStore(home, keys, network, openVendor)
}

async function withStore(
  home: Home,
  keys: VendorKeys,
  network: Network,
  open: (options: VendorOptions) => Promise<Vendor>,
): Promise<Vendor> {
  const store = await openLevelStore({ folder: home.storeFolder })
  try {
    return await open({
      store,
      vaultKey: keys.vault,
      network,
      clock: systemClock(),
      random: systemRandom(),
      deflate: systemDeflate(),
      post: webhookPoster(),
      onFault: reportFault,
    })
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Says that there was a fault, by kind: messages and stacks could hold more than a log may. */
export function reportFault(error: unknown): void {
  const kind = error instanceof Error ? error.name : typeof error
  const todo = "it is tried again; if it goes on, please report it"
  process.stderr.write(`fulcrum-vendor: ${codeOf(error) ?? "FAULT"} ${kind}; ${todo}\n`)
}
