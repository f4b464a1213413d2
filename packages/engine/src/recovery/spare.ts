/**
 * What this device needs to be made anew if its vault is lost: its keys, the record's, and where to
 * turn. Kept beside the vault, in a file of its own, under a key drawn from the vault's, and written
 * again whenever it is not as it should be.
 *
 * The file is a sealed record of canonical CBOR: `[1, device state, epochs, hints]`. An old one lacks
 * epochs and addresses, which others bring; it gives nobody anything that the vault's key does not.
 *
 * @module
 */
import { compareBytes, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { decodeAs, encodeAs, literal, type Schema, struct } from "@fulcrum/codec/schema"
import { openRecord, sealRecord } from "@fulcrum/crypto/aead"
import { contexts } from "@fulcrum/crypto/contexts"
import { hkdf } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import { SealError } from "@fulcrum/crypto/seal-error"
import { errorCode } from "../failures/error-code.ts"
import { type Hints, hintsOf, hintsSchema } from "../ledger/hints.ts"
import type { Ledger } from "../ledger/ledger.ts"
import { type DeviceState, deviceStateSchema } from "../membership/device-state.ts"
import { type EpochSecret, epochSecretsSchema } from "../membership/membership.ts"
import { Mutex } from "../waiting/mutex.ts"
import type { Underway } from "../waiting/underway.ts"

/** Where it lies. */
export interface SpareFile {
  /** `undefined`: there is none. */
  read(): Promise<Uint8Array | undefined>
  /** Durable, and whole or as before. */
  write(sealed: Uint8Array): Promise<void>
}

export interface Spare {
  readonly version: 1
  readonly device: DeviceState
  readonly epochs: readonly EpochSecret[]
  readonly hints: Hints
}

const spareSchema: Schema<Spare> = struct({
  version: literal(1),
  device: deviceStateSchema,
  epochs: epochSecretsSchema,
  hints: hintsSchema,
})

const AAD = utf8ToBytes("spare")
const BYTES_MAX = 1024 * 1024
const EMPTY = new Uint8Array(0)

/** @returns `undefined`: there is none, or it does not open. */
export async function readSpare(file: SpareFile, vaultKey: Uint8Array): Promise<Spare | undefined> {
  const sealed = await file.read().catch((error: unknown) => {
    // What cannot be read is as if it were not there: the store may have all that it says.
    if (errorCode(error) === undefined) throw error
    return undefined
  })
  const plaintext = open(sealed, keyOf(vaultKey))
  return plaintext && decode(plaintext)
}

/** Kinds of items after which it may be another. */
const SPARED: ReadonlySet<string> = new Set(["recordRelay", "addresses"])

/** Keeps it from now on, as the record changes. @returns `undefined`: it is kept nowhere. */
export function keepSpare(
  options: {
    readonly spare?: SpareFile | undefined
    readonly vaultKey: Uint8Array
    readonly random: Random
    readonly device: DeviceState
  },
  { ledger, hints, underway }: KeptFrom,
): SpareKeeper | undefined {
  const { spare: file, vaultKey, random, device } = options
  if (file === undefined) return undefined
  const make = () => {
    const { membership, state } = ledger
    const epochs = membership.epochs.toSorted((a, b) => compareBytes(a.id, b.id))
    // What one that is behind has of the record may be older than what it was told.
    const { hasJoined, certificates } = membership
    return { device, epochs, hints: hasJoined ? hintsOf(certificates, state, hints) : hints }
  }
  const keeper = new SpareKeeper({ file, vaultKey, random, make })
  ledger.onChange(({ membership, items }) => {
    const isDue = membership || items.some(({ kind }) => SPARED.has(kind))
    if (isDue) void underway.run(() => keeper.keep())
  })
  return keeper
}

interface KeptFrom {
  readonly ledger: Ledger
  readonly hints: Hints
  readonly underway: Underway
}

export class SpareKeeper {
  readonly #file: SpareFile
  readonly #key: Uint8Array
  readonly #random: Random
  readonly #make: () => Omit<Spare, "version">
  readonly #mutex = new Mutex()
  #kept: Uint8Array | undefined

  /** @param options - `make` says what it should be now. */
  constructor(options: {
    readonly file: SpareFile
    readonly vaultKey: Uint8Array
    readonly random: Random
    readonly make: () => Omit<Spare, "version">
  }) {
    this.#file = options.file
    this.#key = keyOf(options.vaultKey)
    this.#random = options.random
    this.#make = options.make
  }

  /** Writes it if it is not as it should be. What fails is tried again with the next change. */
  keep(): Promise<void> {
    return this.#mutex.run(async () => {
      try {
        const plaintext = encodeAs(spareSchema, { version: 1, ...this.#make() })
        this.#kept ??= open(await this.#file.read(), this.#key)
        if (this.#kept && equalBytes(this.#kept, plaintext)) return
        const sealed = sealRecord({ key: this.#key, aad: AAD, plaintext, random: this.#random })
        await this.#file.write(sealed)
        this.#kept = plaintext
      } catch (error) {
        if (errorCode(error) === undefined) throw error
      }
    })
  }
}

function keyOf(vaultKey: Uint8Array): Uint8Array {
  return hkdf(contexts.deviceSpare, vaultKey, EMPTY, AAD, 32)
}

function open(sealed: Uint8Array | undefined, key: Uint8Array): Uint8Array | undefined {
  try {
    return sealed && openRecord({ key, aad: AAD, sealed })
  } catch (error) {
    if (error instanceof SealError) return undefined
    throw error
  }
}

function decode(plaintext: Uint8Array): Spare | undefined {
  try {
    return decodeAs(spareSchema, plaintext, { bytesMax: BYTES_MAX })
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
}
