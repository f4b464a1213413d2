/**
 * What sort of machine this is, in the few words by which its person knows it again among her devices.
 * It is the same at each start, whoever starts the program and how.
 *
 * @module
 */
import { readFileSync } from "node:fs"
import { platform } from "node:os"

const SYSTEMS: ReadonlyMap<string, string> = new Map([
  ["android", "Android"],
  ["darwin", "macOS"],
  ["freebsd", "FreeBSD"],
  ["linux", "Linux"],
  ["openbsd", "OpenBSD"],
  ["win32", "Windows"],
])

/** By the chassis types of SMBIOS 3.7, section 7.4.1. */
const BODIES: ReadonlyMap<number, string> = new Map([
  ...[3, 4, 5, 6, 7, 13, 15, 16, 35].map((type) => [type, "desktop"] as const),
  ...[8, 9, 10, 14, 31, 32].map((type) => [type, "laptop"] as const),
  ...[17, 23, 28, 29].map((type) => [type, "server"] as const),
  ...[11, 30].map((type) => [type, "tablet"] as const),
])

/** @param chassis - Its SMBIOS type; `undefined`: the system does not say. */
export function machineKind(system: string, chassis: number | undefined): string {
  const name = SYSTEMS.get(system) ?? "another system"
  const body = chassis === undefined ? undefined : BODIES.get(chassis)
  return body === undefined ? name : `${name}, ${body}`
}

export function thisMachineKind(): string {
  return machineKind(platform(), readChassis())
}

/** Only Linux has it in a file. */
function readChassis(): number | undefined {
  try {
    return Number(readFileSync("/sys/class/dmi/id/chassis_type", "utf8"))
  } catch {
    return undefined
  }
}
