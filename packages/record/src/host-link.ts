/**
 * The way to the host of the documents, which may be lost and is then started anew, with nothing in it.
 *
 * @module
 */
import type { HostCall, HostCalls } from "./document-host.ts"
import { RecordError } from "./record-error.ts"

/** Where the host is. */
export interface HostLink extends AsyncDisposable {
  /** Goes up with each start. */
  readonly generation: number
  /** @throws {RecordError} `RECORD_WORKER` if the host was lost; it is started again. */
  call<K extends HostCall>(name: K, input: HostCalls[K][0]): Promise<HostCalls[K][1]>
}

/** Tries once more what failed because the host was lost. */
export async function twiceIfLost<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt()
  } catch (error) {
    if (!isLost(error)) throw error
    return attempt()
  }
}

/** What was lost with its host needs not be forgotten there. */
export async function unlessLost(call: Promise<undefined>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!isLost(error)) throw error
  }
}

export function lost(): RecordError {
  return new RecordError("RECORD_WORKER", "the documents' worker had to be started again")
}

export function isLost(error: unknown): boolean {
  return error instanceof RecordError && error.code === "RECORD_WORKER"
}
