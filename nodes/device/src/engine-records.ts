/**
 * Records as the engine makes and opens them.
 *
 * @module
 */
import { createPerson, openPerson } from "@fulcrum/engine/open-person"
import type { RecordMaker } from "./record-maker.ts"

export const engineRecords: RecordMaker = {
  open: (parts) => openPerson(parts),
  async isWhole(parts) {
    const { isVaultWhole } = await import("@fulcrum/engine/repair-person")
    return await isVaultWhole(parts)
  },
  async repair(parts) {
    const { repairPerson } = await import("@fulcrum/engine/repair-person")
    return await repairPerson(parts)
  },
  create: (parts, request) => createPerson({ ...parts, ...request }),
  async recover(parts, request) {
    const { recoverPerson } = await import("@fulcrum/engine/recover-person")
    return await recoverPerson({ ...parts, ...request })
  },
  async restoreAttachments(person, from) {
    const { restoreAttachments } = await import("@fulcrum/engine/recover-person")
    return await restoreAttachments(person, from)
  },
  async join(parts, request) {
    const { joinPerson } = await import("@fulcrum/engine/join-person")
    return await joinPerson({ ...parts, ...request })
  },
}
