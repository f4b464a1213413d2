/**
 * The operating system's keychain, as the little that is needed of it.
 *
 * On Linux only the Secret Service counts: the kernel's keyring forgets at the next start of the
 * machine, and with it the record on this device would be gone.
 *
 * @module
 */

export interface Keychain {
  /** @returns Whether it is kept, and can be read back. */
  keep(account: string, key: Uint8Array): Promise<boolean>
  /** @returns `undefined` if the keychain is not there, is locked, or has no such account. */
  find(account: string): Promise<Uint8Array | undefined>
  /** @returns Whether it is kept there no more. */
  forget(account: string): Promise<boolean>
}

const SERVICE = "fulcrum"
/** People take a while to unlock it; a machine without a screen answers at once. */
const ANSWER_MS_MAX = 60_000

/** The machine's own. Where there is none nothing is kept. */
export function systemKeychain(): Keychain {
  const find = async (account: string): Promise<Uint8Array | undefined> => {
    const secret = await attempt(async (signal) => (await entryOf(account)).getSecret(signal))
    return secret ? Uint8Array.from(secret) : undefined
  }
  return {
    find,
    async forget(account) {
      const gone = await attempt(async (signal) =>
        (await entryOf(account)).deleteCredential(signal),
      )
      return gone === true
    },
    async keep(account, key) {
      const kept = await attempt(async (signal) => {
        await (await entryOf(account)).setSecret(key, signal)
        return true
      })
      if (kept === undefined) return false
      const found = await find(account)
      return found !== undefined && Buffer.from(found).equals(key)
    },
  }
}

async function entryOf(account: string) {
  const { AsyncEntry } = await import("@napi-rs/keyring")
  return new AsyncEntry(SERVICE, account, { linux: { store: "secret-service" } })
}

/** The library throws for a missing keychain, a locked one and a refusal alike: all mean no. */
async function attempt<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  try {
    return await act(AbortSignal.timeout(ANSWER_MS_MAX))
  } catch {
    return undefined
  }
}
