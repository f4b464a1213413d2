/**
 * A whole engine as the program opens it: on disk, over libp2p, its documents in a worker.
 *
 * @module
 */
import { systemClock } from "@fulcrum/crypto/clock"
import { systemRandom } from "@fulcrum/crypto/random"
import type { PersonOptions } from "@fulcrum/engine/open-person"
import { systemDeflate } from "@fulcrum/log/deflate"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { openWorkerDocuments } from "@fulcrum/record/worker-threads"
import { openLevelStore } from "@fulcrum/store/level"
import type { SeededEdit } from "./seeded-record.ts"

/** Answered with a new pairing code, as text. */
export const CODE_PROTOCOL = "/fulcrum/bench/code/1"

export async function wholeEngine(folder: string): Promise<PersonOptions> {
  return {
    store: await openLevelStore({ folder }),
    vaultKey: systemRandom().bytes(32),
    network: libp2pNetwork(),
    openDocuments: async (reload) => openWorkerDocuments({ reload }),
    random: systemRandom(),
    clock: systemClock(),
    deflate: systemDeflate(),
    zone: "Europe/Berlin",
  }
}

/** The path that a person types. */
export function typedPath({ document, path }: SeededEdit): string {
  return [document, ...path].join("/")
}
