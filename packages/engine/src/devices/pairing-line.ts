/**
 * The line that a pairing is spoken over: a channel between two devices, or a meeting on a relay.
 *
 * @module
 */
import { AccessError } from "@fulcrum/access/access-error"
import type { Channel } from "@fulcrum/net/contract"
import { RelayError } from "@fulcrum/relay/relay-error"
import type { RelayMeeting } from "@fulcrum/relay/relay-meeting"

/** Direct pairing, between devices that reach each other. */
export const PAIRING_PROTOCOL = "/fulcrum/pair/1"

export interface PairingLine {
  send(bytes: Uint8Array): Promise<void>
  /** Ends when the other side has gone. */
  messages(): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

export function channelLine(channel: Channel): PairingLine {
  return {
    send: (bytes) => channel.send(bytes),
    messages: () => channel.messages(),
    close: () => channel.close(),
  }
}

export function meetingLine(meeting: RelayMeeting): PairingLine {
  return {
    send: (bytes) => meeting.send(bytes),
    async *messages() {
      for (;;) {
        try {
          yield await meeting.receive()
        } catch (error) {
          if (error instanceof RelayError) return
          throw error
        }
      }
    },
    close: () => meeting.leave(),
  }
}

/** What a relay's refusal means to whoever pairs. */
export function pairingError(error: unknown): unknown {
  if (!(error instanceof RelayError)) return error
  switch (error.code) {
    case "RELAY_FULL":
    case "RELAY_RATE":
      return new AccessError("PAIR_RELAY_FULL", "the relay has no room now")
    case "RELAY_MEET_USED":
      return new AccessError("PAIR_CODE_USED", "this code was used")
    case "RELAY_MEET_EXPIRED":
      return new AccessError("PAIR_CODE_EXPIRED", "this code is over")
    case "RELAY_PEER_ABSENT":
      return new AccessError("PAIR_PEER_ABSENT", "nobody waits at this code")
    default:
      return error
  }
}
