/**
 * Histories of key entries for tests: epochs named by letters, devices by names.
 *
 * @module
 */

import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { sha256 } from "@fulcrum/crypto/hash"
import { seededRandom } from "@fulcrum/crypto/random"
import {
  type EpochId,
  type EpochKey,
  epochIdSchema,
  epochKeySchema,
  type IncarnationId,
  incarnationIdSchema,
} from "@fulcrum/log/ids"
import {
  certifyDevice,
  certifyRecovery,
  type DeviceSecrets,
  generateDevice,
} from "../src/device.ts"
import type { MembershipChange } from "../src/key-body.ts"
import type { MembershipEntry } from "../src/member-state.ts"
import type { Membership } from "../src/membership.ts"
import { type RecoveryKeys, recoveryKeysFromEntropy } from "../src/recovery-words.ts"

const devices = new Map<string, DeviceSecrets>()

export function device(name: string): DeviceSecrets {
  const known = devices.get(name) ?? generateDevice({ name, random: seededRandom(name) })
  devices.set(name, known)
  return known
}

export function recovery(name: string): RecoveryKeys {
  return recoveryKeysFromEntropy(seededRandom(name).bytes(32))
}

export function epoch(name: string): EpochId {
  return epochIdSchema.decode(sha256(utf8ToBytes(name)))
}

export function epochKey(name: string): EpochKey {
  return epochKeySchema.decode(sha256(utf8ToBytes(`key ${name}`)))
}

export function incarnation(name: string): IncarnationId {
  return incarnationIdSchema.decode(sha256(utf8ToBytes(name)).slice(0, 16))
}

export function add(name: string): MembershipChange {
  return { kind: "add", value: { certificate: certifyDevice(device(name)) } }
}

export function remove(name: string): MembershipChange {
  return { kind: "remove", value: { device: device(name).id, on: [] } }
}

export function rename(name: string, to: string): MembershipChange {
  return { kind: "rename", value: { device: device(name).id, name: to } }
}

export function words(name: string): MembershipChange {
  return { kind: "recovery", value: { certificate: certifyRecovery(recovery(name)) } }
}

export const rotate: MembershipChange = { kind: "rotate", value: {} }

/** `"c < a b by phone"` is epoch c, which follows a and b, made by the phone. */
export function entry(line: string, ...changes: readonly MembershipChange[]): MembershipEntry {
  const [, name = "", follows = "", by = ""] = /^(\S+)(?: <((?: \S+)*))? by (.+)$/.exec(line) ?? []
  const writer = by.startsWith("words ") ? recovery(by).writer : device(by).writer
  return {
    epoch: epoch(name),
    follows: follows.split(" ").filter(Boolean).map(epoch),
    writer: writer.publicKey,
    incarnation: incarnation(by),
    sequence: name.charCodeAt(0),
    changes,
  }
}

export function namesOf(membership: Membership): readonly string[] {
  return membership.devices.map(({ name }) => name)
}

/** A phone, which let in a laptop, which let in a tablet. */
export const start: readonly MembershipEntry[] = [
  entry("a by phone", add("phone"), words("words one")),
  entry("b < a by phone", add("laptop")),
  entry("c < b by laptop", add("tablet")),
]
