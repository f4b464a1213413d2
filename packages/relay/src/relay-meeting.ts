/**
 * A client's side of a meeting: what came from the other side, and the wait for it.
 *
 * @module
 */
import { CLIENT_MET_MAX } from "./limits.ts"
import type { RelayPush } from "./protocol.ts"
import { RelayError } from "./relay-error.ts"

export interface RelayMeeting {
  /** What to tell the other side; absent if they meet at a name. */
  readonly nameplate: number | undefined
  /** Until a guest must have come; for a guest, until all is over. */
  readonly expiresInSeconds: number
  /**
   * Host: resolves when the guest has come. Guest: at once.
   *
   * @throws {RelayError} `RELAY_PEER_ABSENT`, `RELAY_CLOSED`.
   */
  readonly joined: Promise<void>
  /** @throws {RelayError} `RELAY_PEER_ABSENT`, `RELAY_MEET_EXPIRED`, and as any request. */
  send(bytes: Uint8Array): Promise<void>
  /** The other side's next message. @throws {RelayError} `RELAY_PEER_ABSENT`, `RELAY_CLOSED`. */
  receive(): Promise<Uint8Array>
  leave(): Promise<void>
}

/** Where a connection's pushes for its meeting go. */
export interface MeetingInbox {
  readonly joined: Promise<void>
  /** @throws {RelayError} `RELAY_PROTOCOL`: more than `CLIENT_MET_MAX` messages not yet taken. */
  take(push: RelayPush): void
  receive(): Promise<Uint8Array>
  fail(error: RelayError): void
}

export function createMeetingInbox(role: "host" | "guest"): MeetingInbox {
  const messages: Uint8Array[] = []
  const readers: { resolve(bytes: Uint8Array): void; reject(error: RelayError): void }[] = []
  const joined = Promise.withResolvers<void>()
  // Whoever does not wait for the guest need not hear that none came.
  joined.promise.catch(() => undefined)
  if (role === "guest") joined.resolve()
  let failure: RelayError | undefined

  function fail(error: RelayError): void {
    if (failure !== undefined) return
    failure = error
    joined.reject(error)
    for (const reader of readers.splice(0)) reader.reject(error)
  }

  return {
    joined: joined.promise,
    fail,
    take(push) {
      if (push.kind === "joined") joined.resolve()
      if (push.kind === "parted") {
        fail(new RelayError("RELAY_PEER_ABSENT", "the other side has gone"))
      }
      if (push.kind !== "met") return
      const reader = readers.shift()
      if (reader !== undefined) reader.resolve(push.value.bytes)
      else if (messages.length < CLIENT_MET_MAX) messages.push(push.value.bytes)
      else throw new RelayError("RELAY_PROTOCOL", "more messages than a meeting has")
    },
    receive() {
      const next = messages.shift()
      if (next !== undefined) return Promise.resolve(next)
      if (failure !== undefined) return Promise.reject(failure)
      return new Promise((resolve, reject) => readers.push({ resolve, reject }))
    },
  }
}
