/**
 * What only a device that belongs to the record can do.
 *
 * @module
 */
import { EngineError } from "@fulcrum/engine/engine-error"
import type { Person } from "@fulcrum/engine/person"

/** @throws {EngineError} `DEVICE_REMOVED` */
export function requireMember(person: Pick<Person, "isRemoved">): void {
  if (!person.isRemoved) return
  throw new EngineError("DEVICE_REMOVED", "this device was removed from the record")
}
