/**
 * Records as the engine makes and opens them.
 *
 * @module
 */
import { createPerson, openPerson } from "@fulcrum/engine/open-person"
import type { RecordMaker } from "./record-maker.ts"

export const engineRecords: RecordMaker = {
  open: (parts) => openPerson(parts),
  create: (parts, request) => createPerson({ ...parts, ...request }),
  async join(parts, request) {
    const { joinPerson } = await import("@fulcrum/engine/join-person")
    return await joinPerson({ ...parts, ...request })
  },
}
