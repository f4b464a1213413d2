/**
 * Meetings: two connections that find each other by a nameplate, and pass messages through.
 *
 * A nameplate is a number of 16 bits that the relay draws. One guest may come to it, within its
 * time; whoever comes later learns whether it was used, is over, or never was. Two that know a
 * secret already meet at a name of 32 bytes that they derive from it. Nothing of a meeting is
 * stored, and the relay does not read what passes.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { type Random, randomBelow } from "@fulcrum/crypto/random"
import type { RelayLimits } from "./limits.ts"
import type { MeetingPlace, RelayPush } from "./protocol.ts"
import { RelayError } from "./relay-error.ts"

const NAMEPLATES = 0x1_0000
/** Seconds for which a place is remembered once its meeting is over, to tell latecomers why. */
const REMEMBERED_SECONDS = 600

/** One side of a meeting. */
export interface MeetingEnd {
  push(push: RelayPush): Promise<void>
}

export interface Meetings {
  /** @throws {RelayError} `RELAY_FULL`, `RELAY_MEET_USED`: somebody meets at that name already. */
  begin(host: MeetingEnd, name: Uint8Array | undefined): MeetingPlaceFields
  /** @throws {RelayError} `RELAY_PEER_ABSENT`, `RELAY_MEET_EXPIRED`, `RELAY_MEET_USED`. */
  join(guest: MeetingEnd, place: MeetingPlace): MeetingPlaceFields
  /**
   * Passes a message to the other side; resolves once its connection has taken it.
   *
   * @throws {RelayError} `RELAY_PEER_ABSENT`, `RELAY_MEET_EXPIRED`, `RELAY_RATE`.
   */
  send(from: MeetingEnd, bytes: Uint8Array): Promise<void>
  /** Ends the meeting that this side is in, if it is in one, for both. */
  leave(end: MeetingEnd): void
}

export interface MeetingPlaceFields {
  readonly nameplate?: number
  readonly expiresInSeconds: number
}

interface Meeting {
  readonly place: string
  readonly host: MeetingEnd
  guest: MeetingEnd | undefined
  /** Milliseconds by the clock: until when a guest may come, then until when it lasts. */
  until: number
  isOver: boolean
  messages: number
}

export function createMeetings(options: {
  readonly clock: Clock
  readonly random: Random
  readonly limits: RelayLimits
}): Meetings {
  const { clock, random, limits } = options
  const byPlace = new Map<string, Meeting>()
  const byEnd = new Map<MeetingEnd, Meeting>()

  function end(meeting: Meeting): void {
    if (meeting.isOver) return
    meeting.isOver = true
    for (const side of [meeting.host, meeting.guest]) {
      if (side === undefined) continue
      byEnd.delete(side)
      // A side whose connection is gone needs no word.
      side.push({ kind: "parted", value: {} }).catch(() => undefined)
    }
  }

  /** Ends what is past its time and forgets what nobody needs to be told about any more. */
  function tidy(): void {
    const now = clock.now()
    for (const [place, meeting] of byPlace) {
      if (now >= meeting.until) end(meeting)
      if (now >= meeting.until + REMEMBERED_SECONDS * 1000) byPlace.delete(place)
    }
  }

  function drawNameplate(): number {
    for (;;) {
      const nameplate = randomBelow(random, NAMEPLATES)
      if (!byPlace.has(placeKey({ kind: "nameplate", value: nameplate }))) return nameplate
    }
  }

  function leave(side: MeetingEnd): void {
    const meeting = byEnd.get(side)
    if (meeting !== undefined) end(meeting)
  }

  return {
    leave,
    begin(host, name) {
      leave(host)
      tidy()
      if (byPlace.size >= limits.nameplatesMax) {
        throw new RelayError("RELAY_FULL", "all nameplates are in use", { retryAfterSeconds: 60 })
      }
      const nameplate = name === undefined ? drawNameplate() : undefined
      const place =
        name === undefined
          ? placeKey({ kind: "nameplate", value: nameplate ?? 0 })
          : placeKey({ kind: "name", value: name })
      const there = byPlace.get(place)
      if (there !== undefined && !there.isOver) {
        throw new RelayError("RELAY_MEET_USED", "somebody meets at this name already")
      }
      const until = clock.now() + limits.nameplateSeconds * 1000
      const meeting: Meeting = { place, host, guest: undefined, until, isOver: false, messages: 0 }
      byPlace.set(place, meeting)
      byEnd.set(host, meeting)
      return {
        ...(nameplate !== undefined && { nameplate }),
        expiresInSeconds: limits.nameplateSeconds,
      }
    },
    join(guest, place) {
      leave(guest)
      const meeting = byPlace.get(placeKey(place))
      if (meeting === undefined) throw absent()
      if (meeting.guest !== undefined) {
        throw new RelayError("RELAY_MEET_USED", "somebody came to this nameplate before")
      }
      if (clock.now() >= meeting.until) {
        end(meeting)
        throw new RelayError("RELAY_MEET_EXPIRED", "the nameplate's time is over")
      }
      if (meeting.isOver) throw absent()
      meeting.guest = guest
      meeting.until = clock.now() + limits.meetingSeconds * 1000
      byEnd.set(guest, meeting)
      meeting.host.push({ kind: "joined", value: {} }).catch(() => end(meeting))
      return { expiresInSeconds: limits.meetingSeconds }
    },
    async send(from, bytes) {
      const meeting = byEnd.get(from)
      const other = meeting?.host === from ? meeting.guest : meeting?.host
      if (meeting === undefined || other === undefined) throw absent()
      if (clock.now() >= meeting.until) {
        end(meeting)
        throw new RelayError("RELAY_MEET_EXPIRED", "the meeting's time is over")
      }
      if (++meeting.messages > 2 * limits.meetMessagesMax) {
        throw new RelayError("RELAY_RATE", "a meeting is for a few messages")
      }
      try {
        await other.push({ kind: "met", value: { bytes } })
      } catch (cause) {
        end(meeting)
        throw new RelayError("RELAY_PEER_ABSENT", "the other side has gone", { cause })
      }
    },
  }
}

function placeKey(place: MeetingPlace): string {
  return place.kind === "nameplate" ? `#${place.value}` : bytesToHex(place.value)
}

function absent(): RelayError {
  return new RelayError("RELAY_PEER_ABSENT", "nobody waits there")
}
