/**
 * The primitives as Node has them: 5 to 25 times as fast as in JavaScript.
 *
 * Asked for at run time and never imported, so that bundles for a browser have
 * no trace of it. Node gets keys as KeyObjects: a raw key costs it 12 µs more a
 * call. HMAC is two of its one-shot hashes: an Hmac object costs 2 µs more. A hash
 * comes as a string, of which 32 bytes are made in a third of the time that a Buffer
 * of its own takes (0.7 µs for 2.1; all measured, Node 24).
 *
 * @module
 */
import { base64urlToBytes, concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { noblePrimitives } from "./noble-primitives.ts"
import type { Primitives } from "./primitives.ts"

/** Imported public keys that are remembered: some 200 kB. */
const PUBLIC_KEYS_MAX = 1024
const TAG_BYTES = 16
/** Of SHA-256, which HMAC fills up to. */
const BLOCK_BYTES = 64
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c
/** Of more, a copy costs more than an Hmac object. */
const COPIED_BYTES_MAX = 8 * 1024
const CHACHA = "chacha20-poly1305"
const CHACHA_OPTIONS = { authTagLength: TAG_BYTES } as const

/** DER up to the 32 key bytes (RFC 8410): `AlgorithmIdentifier` and a string. */
const ED25519_PRIVATE = Uint8Array.from([
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
])
const ED25519_PUBLIC = Uint8Array.from([
  0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
])
const ML_KEM_768_PUBLIC = Uint8Array.from([
  0x30, 0x82, 0x04, 0xb2, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04,
  0x02, 0x03, 0x82, 0x04, 0xa1, 0x00,
])
const X25519_PRIVATE = Uint8Array.from([
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
])
const X25519_PUBLIC = Uint8Array.from([
  0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00,
])

/** `undefined` where there is no Node. Before 24.7 it has no Argon2, which is then noble's. */
export function nativePrimitives(): Primitives | undefined {
  const crypto = globalThis.process?.getBuiltinModule?.("node:crypto")
  if (typeof crypto?.hash !== "function") return undefined
  const secret = (key: Uint8Array) => crypto.createSecretKey(key)
  const publicKey = (prefix: Uint8Array, key: Uint8Array) =>
    crypto.createPublicKey(pem("PUBLIC KEY", der(prefix, key)))

  type KeyObject = ReturnType<typeof secret>
  /** By the array that was given, and what was in it: importing costs more than signing. */
  const imported = new WeakMap<Uint8Array, { readonly key: KeyObject; readonly der: Uint8Array }>()

  function importOnce(prefix: Uint8Array, key: Uint8Array): KeyObject {
    const whole = der(prefix, key)
    const known = imported.get(key)
    if (known !== undefined && equalBytes(known.der, whole)) return known.key
    const made = crypto.createPrivateKey(pem("PRIVATE KEY", whole))
    imported.set(key, { key: made, der: whole })
    return made
  }

  /** As a JWK (RFC 8037), which is written in a tenth of the time that DER takes. */
  function publicHalf(key: KeyObject): Uint8Array {
    const { x = "" } = crypto.createPublicKey(key).export({ format: "jwk" })
    return base64urlToBytes(x)
  }

  const signingKeys = new WeakMap<object, KeyObject>()
  /** Used by one call at a time: making it anew costs as much as a hash. */
  const paddedBytes = new Uint8Array(BLOCK_BYTES + COPIED_BYTES_MAX)
  const verifyingKeys = new Map<string, KeyObject>()

  function signingKey(key: { readonly seed: Uint8Array }): KeyObject {
    const known = signingKeys.get(key)
    if (known !== undefined) return known
    const made = importOnce(ED25519_PRIVATE, key.seed)
    signingKeys.set(key, made)
    return made
  }

  function verifyingKey(key: Uint8Array): KeyObject {
    const name = String.fromCharCode(...key)
    const imported = verifyingKeys.get(name) ?? publicKey(ED25519_PUBLIC, key)
    // The map keeps the order of insertion: the first is the one longest unused.
    verifyingKeys.delete(name)
    verifyingKeys.set(name, imported)
    if (verifyingKeys.size > PUBLIC_KEYS_MAX) {
      for (const oldest of verifyingKeys.keys()) {
        verifyingKeys.delete(oldest)
        break
      }
    }
    return imported
  }

  const argon2id: Primitives["argon2id"] = ({ password, salt, memoryKiB, passes, length }) =>
    new Promise((resolve, reject) => {
      const input = {
        message: password,
        nonce: salt,
        memory: memoryKiB,
        passes,
        parallelism: 1,
        tagLength: length,
      }
      crypto.argon2("argon2id", input, (error, derived) => {
        if (error) reject(error)
        else resolve(plain(derived))
      })
    })

  const sha256 = (message: Uint8Array) => bytesOf(crypto.hash("sha256", message, "binary"))

  return {
    sha256,
    sha3_256: (message) => bytesOf(crypto.hash("sha3-256", message, "binary")),
    hmacSha256(key, message) {
      if (message.length > COPIED_BYTES_MAX) {
        return plain(crypto.createHmac("sha256", key).update(message).digest())
      }
      const short = key.length > BLOCK_BYTES ? sha256(key) : key
      const inner = sha256(padded(paddedBytes, short, INNER_PAD, message))
      return sha256(padded(paddedBytes, short, OUTER_PAD, inner))
    },
    chachaSeal({ key, nonce, aad }, plaintext) {
      const cipher = crypto.createCipheriv(CHACHA, secret(key), nonce, CHACHA_OPTIONS)
      cipher.setAAD(aad, { plaintextLength: plaintext.length })
      const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
      sealed.set(cipher.update(plaintext))
      // A stream cipher keeps nothing back: it is all out by now.
      cipher.final()
      sealed.set(cipher.getAuthTag(), plaintext.length)
      return sealed
    },
    chachaOpen({ key, nonce, aad }, sealed) {
      const length = sealed.length - TAG_BYTES
      if (length < 0) return undefined
      const cipher = crypto.createDecipheriv(CHACHA, secret(key), nonce, CHACHA_OPTIONS)
      cipher.setAAD(aad, { plaintextLength: length })
      cipher.setAuthTag(sealed.subarray(length))
      const plaintext = cipher.update(sealed.subarray(0, length))
      try {
        cipher.final()
      } catch {
        return undefined
      }
      return plain(plaintext)
    },
    ed25519PublicKey: (seed) => publicHalf(importOnce(ED25519_PRIVATE, seed)),
    ed25519Sign: (key, message) => plain(crypto.sign(null, message, signingKey(key))),
    ed25519Equation: (key, message, signature) =>
      crypto.verify(null, message, verifyingKey(key), signature),
    x25519PublicKey: (scalar) => publicHalf(importOnce(X25519_PRIVATE, scalar)),
    x25519(scalar, point) {
      try {
        return plain(
          crypto.diffieHellman({
            privateKey: importOnce(X25519_PRIVATE, scalar),
            publicKey: publicKey(X25519_PUBLIC, point),
          }),
        )
      } catch {
        // OpenSSL refuses an all-zero result; the lengths were checked.
        return undefined
      }
    },
    argon2id: typeof crypto.argon2 === "function" ? argon2id : noblePrimitives.argon2id,
    ...(typeof crypto.encapsulate === "function" && {
      mlKemEncapsulate(key) {
        const made = crypto.encapsulate(publicKey(ML_KEM_768_PUBLIC, key))
        return { cipherText: plain(made.ciphertext), sharedSecret: plain(made.sharedKey) }
      },
    }),
  }
}

/**
 * The key under one of HMAC's pads (RFC 2104, section 2), then the message.
 *
 * @returns What of `bytes` holds it.
 */
function padded(bytes: Uint8Array, key: Uint8Array, pad: number, message: Uint8Array): Uint8Array {
  bytes.fill(pad, key.length, BLOCK_BYTES)
  for (let i = 0; i < key.length; i++) bytes[i] = (key[i] ?? 0) ^ pad
  bytes.set(message, BLOCK_BYTES)
  return bytes.subarray(0, BLOCK_BYTES + message.length)
}

function der(prefix: Uint8Array, key: Uint8Array): Buffer {
  const bytes = concatBytes([prefix, key])
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** RFC 7468. Of a key as an object Node asks by four exceptions what it is: 40 µs more than of a text. */
function pem(label: string, bytes: Buffer): string {
  return `-----BEGIN ${label}-----\n${bytes.toString("base64")}\n-----END ${label}-----\n`
}

/** Each character is a byte. */
function bytesOf(binary: string): Uint8Array {
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

/** A Buffer's bytes as a plain Uint8Array: `slice` of the two means different things. */
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}
