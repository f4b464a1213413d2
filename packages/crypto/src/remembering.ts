/**
 * For a process in which signer and verifier are the same one, as in the simulator: a signature
 * that was made or verified here once is known again, and not verified a second time; nor is a
 * public key computed twice. What is not known is verified, so every verdict is what it would be.
 * Likewise of wraps: what was encapsulated here is not computed a second time, by whoever makes it
 * again or opens it.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { sha256 } from "./hash.ts"
import { type Kem, kem } from "./kem.ts"
import { primitives } from "./platform.ts"
import type { Primitives } from "./primitives.ts"

/** In each of two halves; the older one is forgotten when the newer one is full. */
const HALF_MAX = 8192

interface Signed {
  readonly publicKey: Uint8Array
  readonly message: Uint8Array
}

/** From here on, in this whole process. */
export function rememberSignatures(): void {
  if (remembered.has(primitives)) return
  remembered.add(primitives)
  Object.assign(primitives, remembering(primitives))
}

/** The same for wraps. */
export function rememberWraps(): void {
  if (remembered.has(kem)) return
  remembered.add(kem)
  Object.assign(kem, rememberingKem(kem))
}

const remembered = new WeakSet<Primitives | Kem>()

/** `over`, its signatures and public keys remembered. */
export function remembering(
  over: Primitives,
): Pick<Primitives, "ed25519PublicKey" | "ed25519Sign" | "ed25519Equation"> {
  const { ed25519PublicKey, ed25519Sign, ed25519Equation } = over
  const publicKeys = new Memory<Uint8Array>()
  const signed = new Memory<Signed>()

  function publicKeyOf(seed: Uint8Array): Uint8Array {
    const name = nameOf(seed)
    const known = publicKeys.get(name) ?? ed25519PublicKey(seed)
    publicKeys.set(name, known)
    // Whoever gets it may write into it.
    return known.slice()
  }

  return {
    ed25519PublicKey: publicKeyOf,
    ed25519Sign(key, message) {
      const signature = ed25519Sign(key, message)
      signed.set(nameOf(signature), {
        publicKey: publicKeyOf(key.seed),
        message: message.slice(),
      })
      return signature
    },
    ed25519Equation(publicKey, message, signature) {
      const name = nameOf(signature)
      const known = signed.get(name)
      if (known && equalBytes(known.publicKey, publicKey) && equalBytes(known.message, message)) {
        return true
      }
      const holds = ed25519Equation(publicKey, message, signature)
      if (holds) signed.set(name, { publicKey: publicKey.slice(), message: message.slice() })
      return holds
    },
  }
}

interface Encapsulated {
  readonly publicKey: Uint8Array
  readonly ciphertext: Uint8Array
  readonly shared: Uint8Array
}

/**
 * `over`, what it made remembered. Whoever opens with one key what was made for another gets 32 bytes
 * that nobody else has, as it would; only, other ones.
 */
export function rememberingKem(over: Kem): Kem {
  const { publicKey, encapsulate, encapsulateAnew, decapsulate } = over
  const publicKeys = new Memory<Uint8Array>()
  const made = new Memory<Encapsulated>()
  const byCiphertext = new Memory<Encapsulated>()

  function publicKeyOf(secret: Uint8Array): Uint8Array {
    const name = nameOf(secret)
    const known = publicKeys.get(name) ?? publicKey(secret)
    publicKeys.set(name, known)
    return known.slice()
  }

  return {
    publicKey: publicKeyOf,
    encapsulate(to, randomness) {
      const name = nameOf(randomness)
      const before = made.get(name)
      const known = before && equalBytes(before.publicKey, to) ? before : undefined
      const one = known ?? { publicKey: to.slice(), ...encapsulate(to, randomness) }
      const { ciphertext, shared } = one
      made.set(name, one)
      byCiphertext.set(ciphertextName(ciphertext), one)
      return { ciphertext: ciphertext.slice(), shared: shared.slice() }
    },
    encapsulateAnew,
    decapsulate(ciphertext, secret) {
      const known = byCiphertext.get(ciphertextName(ciphertext))
      if (!known || !equalBytes(known.ciphertext, ciphertext)) {
        return decapsulate(ciphertext, secret)
      }
      if (equalBytes(known.publicKey, publicKeyOf(secret))) return known.shared.slice()
      return sha256(secret, known.shared)
    },
  }
}

/** The newest of what was asked for, by name. */
class Memory<T> {
  #newer = new Map<string, T>()
  #older = new Map<string, T>()

  get(name: string): T | undefined {
    const known = this.#newer.get(name)
    if (known !== undefined) return known
    const older = this.#older.get(name)
    if (older !== undefined) this.set(name, older)
    return older
  }

  set(name: string, value: T): void {
    if (this.#newer.size >= HALF_MAX) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(name, value)
  }
}

/** Its X25519 part; the rest is compared. */
function ciphertextName(ciphertext: Uint8Array): string {
  return nameOf(ciphertext.subarray(-32))
}

/** One character for each byte. */
function nameOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}
