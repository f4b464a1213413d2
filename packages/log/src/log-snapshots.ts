/**
 * Snapshots of one space: sealed by this device, and opened as they come from others.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { PublicKey, SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "./deflate.ts"
import { openSnapshot, type Snapshot, sealSnapshot } from "./snapshot.ts"
import type { SpaceKeyring } from "./space-keyring.ts"
import { verifySpan } from "./span.ts"
import type { VectorRow } from "./vector.ts"

export interface SnapshotOptions {
  readonly keyring: SpaceKeyring
  readonly random: Random
  readonly deflate: Deflate
}

/** Where this device's line has come to, and what it signs with. */
export interface OwnPlace {
  readonly node: VectorRow
  readonly signer: SigningKey
}

export class LogSnapshots {
  readonly #options: SnapshotOptions
  readonly #own: () => OwnPlace | undefined

  constructor(options: SnapshotOptions, own: () => OwnPlace | undefined) {
    this.#options = options
    this.#own = own
  }

  /**
   * @returns `undefined`: this device wrote nothing yet, or there is no epoch.
   * @throws {RangeError} It does not fit a span.
   */
  seal(snapshot: Snapshot): Uint8Array | undefined {
    const { keyring, random, deflate } = this.#options
    const own = this.#own()
    const epoch = keyring.current
    if (own === undefined || epoch === undefined) return undefined
    const { node: at, signer } = own
    return sealSnapshot({ space: keyring.tag, signer, at, epoch, snapshot, random, deflate })
  }

  /**
   * @returns `undefined`: it is of another space, or of an epoch that is not known.
   * @throws {LogError} `LOG_MALFORMED`, `LOG_VERSION`, `LOG_SIGNATURE`, `LOG_SEAL`.
   */
  open(
    encoded: Uint8Array,
  ): { readonly writer: PublicKey; readonly snapshot: Snapshot } | undefined {
    const { keyring, deflate } = this.#options
    const span = verifySpan(encoded)
    const { space, epoch, writer } = span.header
    const epochKey = keyring.epochKey(epoch)
    if (epochKey === undefined || !equalBytes(space, keyring.tag)) return undefined
    return { writer, snapshot: openSnapshot(span, { epochKey, deflate }) }
  }
}
