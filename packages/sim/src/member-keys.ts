/**
 * Keys of scenario *members*: of devices, of recovery words and of wraps, the same ones in every run.
 *
 * Which device has which of them a seed decides, and no key is used for two things in one run. That
 * they come again in other runs lets a process remember what it encapsulated (`rememberWraps`):
 * X-Wing would take nearly all of its time.
 *
 * @module
 */
import {
  certifyDevice,
  certifyRecovery,
  type DeviceCertificate,
  type DeviceSecrets,
  generateDevice,
  type RecoveryCertificate,
} from "@fulcrum/access/device"
import { type RecoveryKeys, recoveryKeysFromEntropy } from "@fulcrum/access/recovery-words"
import { type Random, seededRandom } from "@fulcrum/crypto/random"
import { rememberWraps } from "@fulcrum/crypto/remembering"

const NAMES = ["ada", "ben", "cleo", "dora", "emil", "fred", "gita", "hugo"] as const

/** Devices that a person may have had in one run. */
export const DEVICES_MAX: number = NAMES.length
/** Times that she may write down words. */
export const WORDS_MAX = 4

export interface DeviceKeys {
  readonly secrets: DeviceSecrets
  readonly certificate: DeviceCertificate
}

export interface WordsKeys {
  readonly keys: RecoveryKeys
  readonly certificate: RecoveryCertificate
}

const devices: DeviceKeys[] = []
const words: WordsKeys[] = []

/** Makes all keys, once in a process: a run may not wait for it. */
export function prepareKeys(): void {
  rememberWraps()
  for (const name of NAMES.slice(devices.length)) {
    const secrets = generateDevice({ name, random: seededRandom(`members: device ${name}`) })
    devices.push({ secrets, certificate: certifyDevice(secrets) })
  }
  while (words.length < WORDS_MAX) {
    const entropy = seededRandom(`members: words ${words.length}`).bytes(32)
    const keys = recoveryKeysFromEntropy(entropy)
    words.push({ keys, certificate: certifyRecovery(keys) })
  }
}

export function deviceKeys(index: number): DeviceKeys {
  const found = devices[index]
  if (found === undefined) throw new RangeError("no such device")
  return found
}

export function wordsKeys(index: number): WordsKeys {
  const found = words[index]
  if (found === undefined) throw new RangeError("no such words")
  return found
}

/** What one key span draws, its epoch's key among it. @param index - Never twice in a run. */
export function keySpanRandom(index: number): Random {
  return seededRandom(`members: key span ${index}`)
}
