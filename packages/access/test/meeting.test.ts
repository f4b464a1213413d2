import { hmac } from "@fulcrum/crypto/hash"
import { seededRandom } from "@fulcrum/crypto/random"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { certifyDevice } from "../src/device.ts"
import {
  createMeeting,
  discoveryTag,
  MEETING_MS,
  type Meeting,
  type MeetingAction,
  type MeetingRole,
} from "../src/meeting.ts"
import type { MembershipEntry } from "../src/member-state.ts"
import { provisionalMembership, reduceMembership } from "../src/membership.ts"
import { add, device, entry, epoch, remove } from "./key-history.ts"

const meetingKey = seededRandom("meeting").bytes(32)
const notice = new TextEncoder().encode("sealed under the old epoch")
const ends = { phone: seededRandom("a").bytes(32), other: seededRandom("b").bytes(32) }
const start = [entry("a by phone", add("phone"), add("laptop"), add("tablet"))]
const without = [...start, entry("b < a by phone", remove("tablet"))]

interface Side {
  readonly name: string
  readonly entries?: readonly MembershipEntry[]
  readonly key?: Uint8Array
  readonly transport: Uint8Array
  readonly sees?: Uint8Array
}

function meetingOf(role: MeetingRole, side: Side, other: Side): Meeting {
  return createMeeting({
    role,
    meetingKey: side.key ?? meetingKey,
    self: device(side.name),
    localTransport: side.transport,
    remoteTransport: side.sees ?? other.transport,
    membership: reduceMembership(side.entries ?? start, epoch("a")),
    noticeFor: () => notice,
    nowMs: 0,
  })
}

interface Heard {
  readonly dialer: readonly MeetingAction[]
  readonly listener: readonly MeetingAction[]
  /** Every message, in order. */
  readonly sent: readonly Uint8Array[]
}

/** Lets both talk until nobody has anything to say; `onWay` may change messages. */
function talk(
  dialer: Meeting,
  listener: Meeting,
  onWay: (bytes: Uint8Array, at: number) => readonly Uint8Array[] = (bytes) => [bytes],
): Heard {
  const heard = { dialer: [] as MeetingAction[], listener: [] as MeetingAction[] }
  const sent: Uint8Array[] = []
  const queue: (readonly ["dialer" | "listener", Uint8Array])[] = []
  const take = (from: "dialer" | "listener", actions: readonly MeetingAction[]) => {
    heard[from].push(...actions)
    const to = from === "dialer" ? "listener" : "dialer"
    for (const action of actions) {
      if (action.kind !== "send") continue
      for (const bytes of onWay(action.bytes, sent.push(action.bytes) - 1)) queue.push([to, bytes])
    }
  }
  take("dialer", dialer.start())
  for (const [to, bytes] of queue) {
    const machine = to === "dialer" ? dialer : listener
    take(to, machine.step({ kind: "message", bytes }, 1))
  }
  return { ...heard, sent }
}

const kindsOf = (actions: readonly MeetingAction[]) =>
  actions
    .filter(({ kind }) => kind !== "send")
    .map((it) => (it.kind === "close" ? it.why : it.kind))
const phone: Side = { name: "phone", transport: ends.phone }
const laptop: Side = { name: "laptop", transport: ends.other }
const meet = (a: Side, b: Side) => talk(meetingOf("dialer", a, b), meetingOf("listener", b, a))

describe("two own devices", () => {
  test("[A16] recognise each other in five short messages", () => {
    const { dialer, listener, sent } = meet(phone, laptop)
    expect(dialer.at(-1)).toMatchObject({ kind: "met", device: { name: "laptop" } })
    expect(listener.at(-1)).toMatchObject({ kind: "met", device: { name: "phone" } })
    expect(sent).toHaveLength(5)
    expect(Math.max(...sent.map(({ length }) => length))).toBeLessThan(128)
  })

  test("[A16] a device that was away is still recognised", () => {
    const away = { ...laptop, entries: start }
    const { dialer } = meet({ ...phone, entries: without }, away)
    expect(kindsOf(dialer)).toEqual(["met"])
  })

  test("[R12] a copy of oneself is noticed", () => {
    const { dialer, listener } = meet(phone, { ...laptop, name: "phone" })
    expect(kindsOf(listener)).toEqual(["met-self", "self"])
    expect(kindsOf(dialer)).toEqual([])
  })
})

test("[A16] a new device meets others by its pairing package, before it has the log", () => {
  const members = ["phone", "laptop"].map((name) => certifyDevice(device(name)))
  const dialer = createMeeting({
    role: "dialer",
    meetingKey,
    self: device("phone"),
    localTransport: ends.phone,
    remoteTransport: ends.other,
    membership: provisionalMembership(members, epoch("a")),
    noticeFor: () => undefined,
    nowMs: 0,
  })
  expect(kindsOf(talk(dialer, meetingOf("listener", laptop, phone)).dialer)).toEqual(["met"])
})

describe("a stranger", () => {
  test("[A17] without the meeting key gets silence", () => {
    const spy = { name: "laptop", transport: ends.other, key: seededRandom("spy").bytes(32) }
    const { listener, sent } = meet(spy, phone)
    expect(listener).toEqual([{ kind: "close", why: "stranger" }])
    expect(sent).toHaveLength(1)
    const other = meet(phone, spy)
    expect(other.sent).toHaveLength(1)
  })

  test("[A17] whatever it says first", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const listener = meetingOf("listener", phone, laptop)
        expect(listener.step({ kind: "message", bytes }, 1)).toEqual([
          { kind: "close", why: "stranger" },
        ])
      }),
    )
  })

  test("[A17] who knows the meeting key but is in no key entry proves nothing", () => {
    const { dialer, listener } = meet({ ...phone, name: "spy" }, laptop)
    expect(kindsOf(listener)).toEqual(["unknown"])
    expect(kindsOf(dialer)).toEqual([])
  })

  test("[A17] who claims another's id does not hold its key", () => {
    const spy = createMeeting({
      role: "dialer",
      meetingKey,
      self: { id: device("laptop").id, writer: device("spy").writer },
      localTransport: ends.other,
      remoteTransport: ends.phone,
      membership: reduceMembership(start, epoch("a")),
      noticeFor: () => undefined,
      nowMs: 0,
    })
    const { listener } = talk(spy, meetingOf("listener", phone, laptop))
    expect(kindsOf(listener)).toEqual(["stranger"])
  })
})

describe("a removed device", () => {
  test("[A18] that dials is told so and learns nothing else", () => {
    const tablet = { name: "tablet", transport: ends.other, entries: start }
    const { dialer, listener } = meet(tablet, { ...phone, entries: without })
    expect(kindsOf(listener)).toEqual(["met-removed", "removed"])
    expect(kindsOf(dialer)).toEqual(["told-removed", "removed"])
    expect(dialer).toContainEqual({ kind: "told-removed", notice })
  })

  test("[A18] that is dialed is told so before anything is said", () => {
    const tablet = { name: "tablet", transport: ends.other, entries: start }
    const { dialer, listener } = meet({ ...phone, entries: without }, tablet)
    expect(kindsOf(dialer)).toEqual(["met-removed", "removed"])
    expect(kindsOf(listener)).toEqual(["told-removed", "removed"])
  })
})

describe("somebody in between", () => {
  test("[A19] cannot replay a meeting to other transport keys", () => {
    const { sent } = meet(phone, laptop)
    const elsewhere = { ...phone, sees: seededRandom("c").bytes(32) }
    const listener = meetingOf("listener", elsewhere, laptop)
    const [knock = new Uint8Array(0)] = sent
    expect(kindsOf(listener.step({ kind: "message", bytes: knock }, 1))).toEqual(["stranger"])
  })

  test("[A19] cannot relay between two connections of its own", () => {
    const spy = seededRandom("spy").bytes(32)
    const { dialer, listener } = talk(
      meetingOf("dialer", { ...phone, sees: spy }, laptop),
      meetingOf("listener", { ...laptop, sees: spy }, phone),
    )
    expect(kindsOf(listener)).toEqual(["stranger"])
    expect(kindsOf(dialer)).toEqual([])
  })

  test("[A19] cannot reflect what a device says back to it", () => {
    const dialer = meetingOf("dialer", phone, laptop)
    const [knock] = dialer.start()
    if (knock?.kind !== "send") throw new TypeError("no knock")
    expect(kindsOf(dialer.step({ kind: "message", bytes: knock.bytes }, 1))).toEqual(["stranger"])
    const again = meetingOf("dialer", phone, laptop)
    const { sent } = meet(phone, laptop)
    again.step({ kind: "message", bytes: sent[1] ?? new Uint8Array(0) }, 1)
    const own = again.step({ kind: "message", bytes: sent[2] ?? new Uint8Array(0) }, 1)
    expect(own.map(({ kind }) => kind)).not.toContain("met")
  })

  test("[A19] changes, drops or repeats any message and is never met", () => {
    const changes: readonly ((bytes: Uint8Array, bit: number) => readonly Uint8Array[])[] = [
      (bytes, bit) => [bytes.map((b, i) => (i === bit >> 3 ? b ^ (1 << (bit & 7)) : b))],
      () => [],
      (bytes) => [bytes, bytes],
    ]
    for (const [kind, change] of changes.entries()) {
      for (const at of [0, 1, 2, 3]) {
        for (let bit = 0; bit < (kind === 0 ? 8 * 90 : 1); bit += 37) {
          const { dialer, listener, sent } = talk(
            meetingOf("dialer", phone, laptop),
            meetingOf("listener", laptop, phone),
            (bytes, i) => (i === at ? change(bytes, bit) : [bytes]),
          )
          if (bit >> 3 >= (sent[at]?.length ?? 0)) continue
          // A repeated message changes nothing for who has met already.
          if (kind < 2) expect(kindsOf(at % 2 === 0 ? listener : dialer)).not.toContain("met")
          for (const action of [...dialer, ...listener]) {
            if (action.kind === "met") expect(["phone", "laptop"]).toContain(action.device.name)
          }
        }
      }
    }
  })

  test("a meeting ends by itself", () => {
    const listener = meetingOf("listener", phone, laptop)
    expect(listener.step({ kind: "tick" }, MEETING_MS - 1)).toEqual([])
    expect(listener.step({ kind: "tick" }, MEETING_MS)).toEqual([{ kind: "close", why: "timeout" }])
    expect(listener.isOpen).toBe(false)
  })
})

test("[A21] the tag on the local network changes daily and tells nothing", () => {
  const day = 86_400_000
  const tag = discoveryTag({ meetingKey, nowMs: 20_000 * day })
  expect(tag).toMatch(/^[0-9a-f]{32}$/)
  expect(discoveryTag({ meetingKey, nowMs: 20_001 * day - 1 })).toBe(tag)
  expect(discoveryTag({ meetingKey, nowMs: 20_001 * day })).not.toBe(tag)
  const other = hmac("fulcrum/v1/discovery-tag", seededRandom("x").bytes(32))
  expect(discoveryTag({ meetingKey: other, nowMs: 20_000 * day })).not.toBe(tag)
})
