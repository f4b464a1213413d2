/**
 * The 32-byte key that seals everything in a device's folder, and how it is kept itself.
 *
 * `device.key` is canonical CBOR: `["fulcrum-device-key", 1, [tag, held]]`, where
 *
 * | tag | held by    | fields                                                            |
 * | --: | ---------- | ----------------------------------------------------------------- |
 * |   1 | passphrase | salt (16), memory KiB, passes, the key as a sealed record         |
 * |   2 | keychain   | account, under which the system's keychain keeps the key          |
 * |   3 | plain      | the key; only ever on request, since whoever has the file has all |
 *
 * A plain one that others on the machine may read is refused.
 *
 * The passphrase is stretched with Argon2id; HKDF with the context `deviceKey` makes of it the key
 * that seals. The salt and settings are the sealed record's associated data.
 *
 * @module
 */
import { stat } from "node:fs/promises"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { encodeCbor } from "@fulcrum/codec/cbor"
import {
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  type Infer,
  literal,
  type Schema,
  struct,
  text,
  uint,
  variant,
} from "@fulcrum/codec/schema"
import { openRecord, RECORD_OVERHEAD_BYTES, sealRecord } from "@fulcrum/crypto/aead"
import { contexts } from "@fulcrum/crypto/contexts"
import { hkdf } from "@fulcrum/crypto/hash"
import {
  PASSWORD_MEMORY_KIB,
  PASSWORD_MEMORY_KIB_MAX,
  PASSWORD_PASSES,
  PASSWORD_PASSES_MAX,
  PASSWORD_SALT_BYTES,
  stretchPassword,
} from "@fulcrum/crypto/password"
import type { Random } from "@fulcrum/crypto/random"
import { ATTEMPTS } from "./command.ts"
import type { Keychain } from "./keychain.ts"
import { readPrivateFile, writePrivateFile } from "./private-file.ts"
import { ProgramError } from "./program-error.ts"

/** Where passphrases come from: a file, or somebody at a terminal. */
export interface PassphraseSource {
  /** @returns `undefined` if there is neither file nor terminal. */
  read(purpose: "new" | "known"): Promise<string | undefined>
  /** A file was named, so no keychain is asked. */
  readonly isFile: boolean
}

export interface KeyKeepers {
  readonly passphrase: PassphraseSource
  readonly keychain: Keychain
  readonly random: Random
  /** Told to the person, one line each. */
  note(text: string): void
}

export type KeyKeeper = "passphrase" | "keychain" | "plain"

const KEY_BYTES = 32
const FILE_BYTES_MAX = 4096
const ACCOUNT_BYTES = 16
/** What a file's mode lets others do. */
export const OTHERS = 0o077
const NO_SALT = new Uint8Array(0)

type KeyFile = Infer<typeof keyFile>
const keyFile: Schema<{
  readonly format: "fulcrum-device-key"
  readonly version: 1
  readonly held:
    | {
        readonly kind: "passphrase"
        readonly value: {
          readonly salt: Uint8Array
          readonly memoryKiB: number
          readonly passes: number
          readonly sealed: Uint8Array
        }
      }
    | { readonly kind: "keychain"; readonly value: { readonly account: string } }
    | { readonly kind: "plain"; readonly value: { readonly key: Uint8Array } }
}> = struct({
  format: literal("fulcrum-device-key"),
  version: literal(1),
  held: variant({
    passphrase: [
      1,
      struct({
        salt: bytes(PASSWORD_SALT_BYTES),
        memoryKiB: uint(PASSWORD_MEMORY_KIB_MAX),
        passes: uint(PASSWORD_PASSES_MAX),
        sealed: bytesMax(KEY_BYTES + RECORD_OVERHEAD_BYTES),
      }),
    ],
    keychain: [2, struct({ account: text(64) })],
    plain: [3, struct({ key: bytes(KEY_BYTES) })],
  }),
})

/**
 * Reads the key.
 *
 * @returns `undefined` if there is no key file.
 * @throws {ProgramError} `KEY_WRONG`, `KEY_EXPOSED`, `KEY_FILE_DAMAGED`, `PASSPHRASE_NEEDED`,
 * `KEYCHAIN_FAILED`.
 */
export async function readDeviceKey(
  path: string,
  keepers: KeyKeepers,
): Promise<Uint8Array | undefined> {
  const file = await readPrivateFile(path)
  if (file === undefined) return undefined
  const { held } = decodeKeyFile(file)
  switch (held.kind) {
    case "plain":
      await requirePrivate(path)
      return held.value.key
    case "keychain":
      return await readKeychain(keepers.keychain, held.value.account)
    case "passphrase":
      return await askedKey(held.value, keepers)
  }
}

/** Whoever types may mistype. */
async function askedKey(
  held: StretchSettings & { readonly sealed: Uint8Array },
  keepers: KeyKeepers,
): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await unsealKey(held, await passphraseFrom(keepers, "known"))
    } catch (error) {
      const isWrong = error instanceof ProgramError && error.code === "KEY_WRONG"
      if (!isWrong || keepers.passphrase.isFile || attempt === ATTEMPTS) throw error
      keepers.note("That is not this folder's passphrase; try again.")
    }
  }
}

/** @returns `undefined` if there is no key file. @throws {ProgramError} `KEY_FILE_DAMAGED`. */
export async function keeperOf(path: string): Promise<KeyKeeper | undefined> {
  const file = await readPrivateFile(path)
  return file && decodeKeyFile(file).held.kind
}

/**
 * Draws a key and keeps it: with a passphrase from a file if one is named, else in the system's
 * keychain, else with a passphrase that is asked for. Plain only when asked to.
 *
 * @throws {ProgramError} `PASSPHRASE_NEEDED`.
 */
export async function createDeviceKey(
  path: string,
  keepers: KeyKeepers,
  options: { readonly plain: boolean },
): Promise<Uint8Array> {
  const key = keepers.random.bytes(KEY_BYTES)
  const held = options.plain ? keptPlain(key, keepers) : await keptSealed(key, keepers)
  const file = encodeAs(keyFile, { format: "fulcrum-device-key", version: 1, held })
  await writePrivateFile(path, file)
  return key
}

/**
 * Seals the key with another passphrase, whatever kept it before. The record stays as it is: a copy of the
 * folder from before opens as it did.
 *
 * @param passphrase - Where the new one comes from.
 * @throws {ProgramError} What {@link readDeviceKey} says, `PASSPHRASE_NEEDED`.
 */
export async function changePassphrase(
  path: string,
  keepers: KeyKeepers,
  passphrase: PassphraseSource,
): Promise<void> {
  const key = await readDeviceKey(path, keepers)
  const before = await readPrivateFile(path)
  if (key === undefined || before === undefined) throw new TypeError("a folder without a key")
  const given = await passphraseFrom({ ...keepers, passphrase }, "new")
  const held = await sealKey(key, given, keepers.random)
  await writePrivateFile(
    path,
    encodeAs(keyFile, { format: "fulcrum-device-key", version: 1, held }),
  )
  const { held: was } = decodeKeyFile(before)
  if (was.kind !== "keychain") return
  if (await keepers.keychain.forget(was.value.account)) return
  keepers.note("Your system's keychain keeps the key as well: it could not be taken out of it.")
}

function keptPlain(key: Uint8Array, { note }: KeyKeepers): KeyFile["held"] {
  note("No passphrase: whoever gets a copy of this folder can read your record.")
  return { kind: "plain", value: { key } }
}

async function keptSealed(key: Uint8Array, keepers: KeyKeepers): Promise<KeyFile["held"]> {
  if (!keepers.passphrase.isFile) {
    const account = hexOf(keepers.random.bytes(ACCOUNT_BYTES))
    if (await keepers.keychain.keep(account, key)) {
      keepers.note("The key of this folder is in your system's keychain.")
      return { kind: "keychain", value: { account } }
    }
  }
  return await sealKey(key, await passphraseFrom(keepers, "new"), keepers.random)
}

async function sealKey(
  key: Uint8Array,
  passphrase: string,
  random: Random,
): Promise<KeyFile["held"]> {
  const settings = {
    salt: random.bytes(PASSWORD_SALT_BYTES),
    memoryKiB: PASSWORD_MEMORY_KIB,
    passes: PASSWORD_PASSES,
  }
  const sealed = sealRecord({
    key: await sealingKey(passphrase, settings),
    aad: settingsBytes(settings),
    plaintext: key,
    random,
  })
  return { kind: "passphrase", value: { ...settings, sealed } }
}

interface StretchSettings {
  readonly salt: Uint8Array
  readonly memoryKiB: number
  readonly passes: number
}

async function unsealKey(
  held: StretchSettings & { readonly sealed: Uint8Array },
  passphrase: string,
): Promise<Uint8Array> {
  // Argon2id needs 8 KiB and one pass at least; a file that asks for less was tampered with.
  if (held.memoryKiB < 8 || held.passes < 1) throw damaged()
  const key = await sealingKey(passphrase, held)
  try {
    return openRecord({ key, aad: settingsBytes(held), sealed: held.sealed })
  } catch (cause) {
    throw new ProgramError(
      "KEY_WRONG",
      "that is not this folder's passphrase",
      "try again with the one that you chose last for this device",
      { cause },
    )
  }
}

async function sealingKey(passphrase: string, settings: StretchSettings): Promise<Uint8Array> {
  const { salt, memoryKiB, passes } = settings
  const stretched = await stretchPassword({ password: passphrase, salt, memoryKiB, passes })
  return hkdf(contexts.deviceKey, stretched, NO_SALT, utf8ToBytes("seal"), KEY_BYTES)
}

function settingsBytes({ salt, memoryKiB, passes }: StretchSettings): Uint8Array {
  return encodeCbor([salt, memoryKiB, passes])
}

async function passphraseFrom(keepers: KeyKeepers, purpose: "new" | "known"): Promise<string> {
  const passphrase = await keepers.passphrase.read(purpose)
  if (passphrase !== undefined) return passphrase
  throw new ProgramError(
    "PASSPHRASE_NEEDED",
    purpose === "new"
      ? "there is no keychain here, and no terminal to ask for a passphrase"
      : "this folder has a passphrase, and there is no terminal to ask for it",
    purpose === "new"
      ? "name a file with FULCRUM_PASSPHRASE_FILE, or choose --no-passphrase"
      : "name a file with FULCRUM_PASSPHRASE_FILE",
  )
}

async function readKeychain(keychain: Keychain, account: string): Promise<Uint8Array> {
  const key = await keychain.find(account)
  if (key?.length === KEY_BYTES) return key
  throw new ProgramError(
    "KEYCHAIN_FAILED",
    "the system's keychain does not give this folder's key",
    "unlock the keychain and try again, as the user who began this folder",
  )
}

async function requirePrivate(path: string): Promise<void> {
  const { mode } = await stat(path)
  if (process.platform === "win32" || (mode & OTHERS) === 0) return
  throw new ProgramError(
    "KEY_EXPOSED",
    "others on this machine may read device.key, which no passphrase seals",
    `chmod 600 ${path}`,
  )
}

function decodeKeyFile(file: Uint8Array): KeyFile {
  try {
    return decodeAs(keyFile, file, { bytesMax: FILE_BYTES_MAX })
  } catch (cause) {
    throw damaged(cause)
  }
}

function damaged(cause?: unknown): ProgramError {
  return new ProgramError(
    "KEY_FILE_DAMAGED",
    "the file device.key is damaged",
    "put back a copy of it; without one, join again from another device",
    { cause },
  )
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}
