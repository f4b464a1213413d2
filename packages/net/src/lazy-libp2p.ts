/**
 * libp2p once somebody asks for a host: many a command needs no network, and half of all that a
 * program may load is libp2p.
 *
 * @module
 */
import type { Network } from "./contract.ts"

export function lazyLibp2pNetwork(): Network {
  let network: Promise<Network> | undefined
  return {
    async host(options) {
      network ??= import("./libp2p.ts").then(({ libp2pNetwork }) => libp2pNetwork())
      return await (await network).host(options)
    },
  }
}
