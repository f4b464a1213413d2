/**
 * For a process in which signer and verifier are the same one, as in the simulator: a signature
 * that was made or verified here once is known again, and not verified a second time; nor is a
 * public key computed twice. What is not known is verified, so every verdict is what it would be.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
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

const remembered = new WeakSet<Primitives>()

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

/** One character for each byte. */
function nameOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}
