/**
 * The 32-byte secret of a vendor's folder, from which the keys of its books and of its own relay
 * derive, and how it is kept.
 *
 * `vault.key` (mode 0600) is canonical CBOR: `["fulcrum-vendor-key", 1, [tag, held]]`, where
 *
 * | tag | held by    | fields                                                                |
 * | --: | ---------- | --------------------------------------------------------------------- |
 * |   1 | passphrase | salt (16), memory KiB, passes, the secret as a sealed record          |
 * |   2 | plain      | the secret: a server starts by itself, and its disk is encrypted      |
 *
 * The passphrase, from `FULCRUM_PASSPHRASE_FILE`, is stretched with Argon2id; HKDF makes of it the
 * key that seals. Salt and settings are the sealed record's associated data.
 *
 * @module
 */
import { readFile, stat } from "node:fs/promises"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { encodeCbor } from "@fulcrum/codec/cbor"
import { CodecError } from "@fulcrum/codec/codec-error"
import {
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  literal,
  type Schema,
  struct,
  uint,
  variant,
} from "@fulcrum/codec/schema"
import { openRecord, sealRecord } from "@fulcrum/crypto/aead"
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
import { SealError } from "@fulcrum/crypto/seal-error"
import { type Home, hasStore } from "./home.ts"
import { readPrivateFile, writePrivateFile } from "./private-file.ts"
import { ProgramError } from "./program-error.ts"

const SECRET_BYTES = 32
const PASSPHRASE_BYTES_MAX = 4096
const EMPTY = new Uint8Array(0)

export interface VendorKeys {
  readonly vault: Uint8Array
  /** Seed of the transport key of its own relay, which is that relay's address. */
  readonly relayTransport: Uint8Array
  readonly relayVault: Uint8Array
}

interface Sealed {
  readonly salt: Uint8Array
  readonly memoryKiB: number
  readonly passes: number
  readonly sealed: Uint8Array
}

type Held =
  | { readonly kind: "passphrase"; readonly value: Sealed }
  | { readonly kind: "plain"; readonly value: Uint8Array }

interface KeyFile {
  readonly magic: "fulcrum-vendor-key"
  readonly version: 1
  readonly held: Held
}

const keyFile: Schema<KeyFile> = struct({
  magic: literal("fulcrum-vendor-key"),
  version: literal(1),
  held: variant({
    passphrase: [
      1,
      struct({
        salt: bytes(PASSWORD_SALT_BYTES),
        memoryKiB: uint(PASSWORD_MEMORY_KIB_MAX),
        passes: uint(PASSWORD_PASSES_MAX),
        sealed: bytesMax(256),
      }),
    ],
    plain: [2, bytes(SECRET_BYTES)],
  }),
})

/** Draws a new secret, under a passphrase if one is given. */
export async function createKeys(
  home: Home,
  random: Random,
  passphrase: string | undefined,
): Promise<VendorKeys> {
  if (await hasStore(home)) {
    throw new ProgramError(
      "KEY_MISSING",
      "there are books here, but not their vault.key",
      "put the key file back, or choose an empty folder with --home",
    )
  }
  const secret = random.bytes(SECRET_BYTES)
  const held: Held =
    passphrase === undefined
      ? { kind: "plain", value: secret }
      : { kind: "passphrase", value: await sealSecret(secret, passphrase, random) }
  const file: KeyFile = { magic: "fulcrum-vendor-key", version: 1, held }
  await writePrivateFile(home.keyFile, encodeAs(keyFile, file))
  return derive(secret)
}

/**
 * @returns `undefined` if there is no key file.
 * @throws {ProgramError} `KEY_MALFORMED`, `KEY_EXPOSED`, `KEY_WRONG`, `PASSPHRASE_ABSENT`.
 */
export async function loadKeys(
  home: Home,
  readPassphrase: () => Promise<string | undefined>,
): Promise<VendorKeys | undefined> {
  const stored = await readPrivateFile(home.keyFile)
  if (stored === undefined) return undefined
  const { mode } = await stat(home.keyFile)
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    throw new ProgramError(
      "KEY_EXPOSED",
      "others on this machine may read vault.key",
      `chmod 600 ${home.keyFile}`,
    )
  }
  const { held } = decodeKeyFile(stored)
  if (held.kind === "plain") return derive(held.value)
  const passphrase = await readPassphrase()
  if (passphrase === undefined) {
    throw new ProgramError(
      "PASSPHRASE_ABSENT",
      "these books open with a passphrase",
      "name its file in FULCRUM_PASSPHRASE_FILE",
    )
  }
  return derive(await openSecret(held.value, passphrase))
}

/** What the file named by `FULCRUM_PASSPHRASE_FILE` holds, without its line end. */
export async function passphraseFromFile(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | undefined> {
  const path = env.FULCRUM_PASSPHRASE_FILE
  if (path === undefined || path === "") return undefined
  const text = await readFile(path, "utf8")
  const passphrase = text.replace(/\r?\n$/, "")
  if (passphrase === "" || text.length > PASSPHRASE_BYTES_MAX) {
    throw new ProgramError(
      "PASSPHRASE_INVALID",
      "the passphrase's file is empty or too long",
      "put one line into it",
    )
  }
  return passphrase
}

async function sealSecret(secret: Uint8Array, passphrase: string, random: Random): Promise<Sealed> {
  const salt = random.bytes(PASSWORD_SALT_BYTES)
  const settings = { salt, memoryKiB: PASSWORD_MEMORY_KIB, passes: PASSWORD_PASSES }
  const key = await sealingKey(passphrase, settings)
  return {
    ...settings,
    sealed: sealRecord({ key, aad: aadOf(settings), plaintext: secret, random }),
  }
}

async function openSecret(held: Sealed, passphrase: string): Promise<Uint8Array> {
  const key = await sealingKey(passphrase, held)
  try {
    return openRecord({ key, aad: aadOf(held), sealed: held.sealed })
  } catch (cause) {
    if (!(cause instanceof SealError)) throw cause
    throw new ProgramError("KEY_WRONG", "this passphrase does not open vault.key", "try another", {
      cause,
    })
  }
}

async function sealingKey(
  password: string,
  { salt, memoryKiB, passes }: Omit<Sealed, "sealed">,
): Promise<Uint8Array> {
  const stretched = await stretchPassword({ password, salt, memoryKiB, passes })
  return hkdf(contexts.nodeVendorKeyFile, stretched, EMPTY, EMPTY, SECRET_BYTES)
}

function aadOf({ salt, memoryKiB, passes }: Omit<Sealed, "sealed">): Uint8Array {
  return encodeCbor([salt, memoryKiB, passes])
}

function decodeKeyFile(stored: Uint8Array): KeyFile {
  try {
    return decodeAs(keyFile, stored, { bytesMax: 1024 })
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new ProgramError("KEY_MALFORMED", "vault.key is not a key", "restore it from a backup", {
      cause,
    })
  }
}

function derive(secret: Uint8Array): VendorKeys {
  const key = (context: Parameters<typeof hkdf>[0]) =>
    hkdf(context, secret, EMPTY, utf8ToBytes(""), SECRET_BYTES)
  return {
    vault: key(contexts.nodeVendorVault),
    relayTransport: key(contexts.nodeVendorRelayTransport),
    relayVault: key(contexts.nodeVendorRelayVault),
  }
}
