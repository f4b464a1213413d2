/**
 * Records as the engine makes and opens them.
 *
 * @module
 */
import { createPerson, joinPerson, openPerson } from "@fulcrum/engine/open-person"
import type { RecordMaker } from "./record-maker.ts"

export const engineRecords: RecordMaker = {
  open: (parts) => openPerson(parts),
  create: (parts, request) => createPerson({ ...parts, ...request }),
  join: (parts, request) => joinPerson({ ...parts, ...request }),
}
