/**
 * Reading bytes from outside: whatever is wrong with them becomes one coded error of this package.
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import { bytes, decodeAs, type Schema } from "@fulcrum/codec/schema"
import { CpaceError } from "@fulcrum/crypto/cpace"
import { isPublicKey, PUBLIC_KEY_BYTES, type PublicKey } from "@fulcrum/crypto/ed25519"
import { SealError } from "@fulcrum/crypto/seal-error"
import { isWrapPublicKey, WRAP_PUBLIC_KEY_BYTES, type WrapPublicKey } from "@fulcrum/crypto/wrap"
import { AccessError, type AccessErrorCode } from "./access-error.ts"

/** @throws {AccessError} With `code`: the bytes are not of this format. */
export function readAs<T>(
  schema: Schema<T>,
  encoded: Uint8Array,
  limits: { readonly bytesMax: number; readonly code?: AccessErrorCode },
): T {
  try {
    return decodeAs(schema, encoded, limits)
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new AccessError(limits.code ?? "ACCESS_MALFORMED", "bytes of another format", { cause })
  }
}

/** What foreign bytes or a wrong word make fail is `undefined`; our own mistakes stay errors. */
export function orRefuse<T>(attempt: () => T): T | undefined {
  try {
    return attempt()
  } catch (error) {
    const isForeign =
      error instanceof AccessError || error instanceof CpaceError || error instanceof SealError
    if (isForeign) return undefined
    throw error
  }
}

/** An Ed25519 key: canonical, and not of small order. */
export const publicKeySchema: Schema<PublicKey> = checked(bytes(PUBLIC_KEY_BYTES), isPublicKey)

/** An X-Wing key of the right length. */
export const wrapPublicKeySchema: Schema<WrapPublicKey> = checked(
  bytes(WRAP_PUBLIC_KEY_BYTES),
  isWrapPublicKey,
)

function checked<T extends Uint8Array>(
  schema: Schema<Uint8Array>,
  isGood: (value: Uint8Array) => value is T,
): Schema<T> {
  return {
    encode: (value) => schema.encode(value),
    decode(value, path) {
      const decoded = schema.decode(value, path)
      if (isGood(decoded)) return decoded
      throw new CodecError("SCHEMA_VALUE", "not a key", { path: path ?? "" })
    },
  }
}
