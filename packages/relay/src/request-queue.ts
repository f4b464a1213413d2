/**
 * The requests of a client: numbered, sent within bounds, matched with their answers, and given
 * up together when the relay falls silent.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { CLIENT_PENDING_MAX, CLIENT_SILENCE_MS, CLIENT_WAITING_MAX } from "./limits.ts"
import { encodeRequest, type RelayMethod, type RelayResult } from "./protocol.ts"
import { RelayError } from "./relay-error.ts"

export interface RequestQueue {
  /**
   * @throws {RelayError} What the relay answers; `RELAY_TIMEOUT`, `RELAY_CLOSED`, `RELAY_BUSY`.
   */
  ask(method: RelayMethod): Promise<RelayResult>
  /** @throws {RelayError} `RELAY_PROTOCOL`: nothing was asked under this number. */
  answer(id: number, outcome: RelayResult | RelayError): void
  /** Fails all that is under way, and all that is asked later. */
  fail(error: RelayError): void
}

interface Pending {
  resolve(result: RelayResult): void
  reject(error: unknown): void
}

export function createRequestQueue(options: {
  readonly clock: Clock
  send(message: Uint8Array): Promise<void>
  /** Called once when the relay has fallen silent, or sending fails. */
  lost(error: RelayError): void
}): RequestQueue {
  const { clock } = options
  const pending = new Map<number, Pending>()
  const waiting: (() => void)[] = []
  let failure: RelayError | undefined
  let lastId = 0
  let heardAt = 0
  let silence: AbortController | undefined

  function lose(error: RelayError): void {
    if (failure === undefined) options.lost(error)
  }

  /** Runs only while something is under way, so an idle client sets no timers. */
  async function listenForSilence(): Promise<void> {
    const stop = new AbortController()
    silence = stop
    heardAt = clock.now()
    try {
      for (;;) {
        const now = clock.now()
        // It cannot have been heard later than now: the clock was put back.
        heardAt = Math.min(heardAt, now)
        const left = heardAt + CLIENT_SILENCE_MS - now
        if (left <= 0) break
        await clock.sleep(left, stop.signal)
      }
    } catch (error) {
      if (stop.signal.aborted) return
      throw error
    }
    lose(new RelayError("RELAY_TIMEOUT", "the relay does not answer"))
  }

  function start(method: RelayMethod, settle: Pending): void {
    const id = ++lastId
    pending.set(id, settle)
    if (pending.size === 1) void listenForSilence()
    options.send(encodeRequest({ id, method })).catch((cause: unknown) => {
      lose(new RelayError("RELAY_CLOSED", "the connection to the relay ended", { cause }))
    })
  }

  return {
    ask(method) {
      return new Promise<RelayResult>((resolve, reject) => {
        const begin = (): void => {
          if (failure !== undefined) reject(failure)
          else start(method, { resolve, reject })
        }
        if (failure !== undefined || pending.size < CLIENT_PENDING_MAX) begin()
        else if (waiting.length < CLIENT_WAITING_MAX) waiting.push(begin)
        else reject(new RelayError("RELAY_BUSY", "too many requests wait for this relay"))
      })
    },
    answer(id, outcome) {
      const settle = pending.get(id)
      if (settle === undefined) {
        throw new RelayError("RELAY_PROTOCOL", "an answer to nothing that was asked")
      }
      heardAt = clock.now()
      pending.delete(id)
      if (outcome instanceof RelayError) settle.reject(outcome)
      else settle.resolve(outcome)
      waiting.shift()?.()
      if (pending.size === 0) silence?.abort(new Error("nothing is under way"))
    },
    fail(error) {
      if (failure !== undefined) return
      failure = error
      silence?.abort(error)
      for (const settle of pending.values()) settle.reject(error)
      pending.clear()
      for (const begin of waiting.splice(0)) begin()
    },
  }
}
