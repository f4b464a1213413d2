/**
 * Carries out a meeting of own devices over a channel; afterwards the channel is the session's.
 *
 * @module
 */
import {
  createMeeting,
  MEETING_MS,
  type MeetingAction,
  type MeetingSetup,
} from "@fulcrum/access/meeting"
import type { MemberDevice } from "@fulcrum/access/member-state"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Channel } from "@fulcrum/net/contract"

/** How a meeting came out. */
export type Met =
  | { readonly kind: "met"; readonly device: MemberDevice }
  /** Both ends have the same keys: a copied folder. */
  | { readonly kind: "self" }
  /** The other end says that this device was removed. */
  | { readonly kind: "told-removed"; readonly notice: Uint8Array }
  | { readonly kind: "nobody" }

/** Never throws: whoever is no member gets nothing, and the channel is closed. */
export async function meet(
  channel: Channel,
  setup: Omit<MeetingSetup, "remoteTransport" | "nowMs" | "role">,
  clock: Clock,
): Promise<Met> {
  const meeting = createMeeting({
    ...setup,
    role: channel.outbound ? "dialer" : "listener",
    remoteTransport: channel.remotePublicKey,
    nowMs: clock.now(),
  })
  const stop = new AbortController()
  clock.sleep(MEETING_MS, stop.signal).then(
    () => channel.abort(new Error("a meeting that took too long")),
    () => undefined,
  )
  try {
    let met = await carryOut(channel, meeting.start())
    if (met === undefined) {
      // Leaving the loop closes nothing: the session reads on where the meeting stops.
      for await (const bytes of channel.messages()) {
        met = await carryOut(channel, meeting.step({ kind: "message", bytes }, clock.now()))
        if (met !== undefined) break
      }
    }
    if (met?.kind === "met") return met
    await channel.close()
    return met ?? { kind: "nobody" }
  } catch {
    // The line broke, or was cut off: nobody was met.
    channel.abort(new Error("no meeting"))
    return { kind: "nobody" }
  } finally {
    stop.abort()
  }
}

async function carryOut(
  channel: Channel,
  actions: readonly MeetingAction[],
): Promise<Met | undefined> {
  let met: Met | undefined
  for (const action of actions) {
    if (action.kind === "send") await channel.send(action.bytes)
    if (action.kind === "met") met = { kind: "met", device: action.device }
    if (action.kind === "met-self") met = { kind: "self" }
    if (action.kind === "told-removed") met = { kind: "told-removed", notice: action.notice }
    if (action.kind === "close") met ??= { kind: "nobody" }
  }
  return met
}
