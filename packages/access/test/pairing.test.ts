import { bytesToHex } from "@fulcrum/codec/bytes"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { AccessError } from "../src/access-error.ts"
import { certifyDevice } from "../src/device.ts"
import { PAIRING_DAMAGED_MAX, resumeGuest } from "../src/pairing-guest.ts"
import {
  PAIRING_ANSWER_MS,
  PAIRING_APPROVAL_MS,
  PAIRING_CODE_MS,
  PAIRING_RESUME_MS,
  resumeHost,
} from "../src/pairing-host.ts"
import {
  encodePairingMessage,
  failedMessage,
  readFrame,
  readPayload,
} from "../src/pairing-messages.ts"
import { decodePairingPackage, encodePairingPackage } from "../src/pairing-package.ts"
import { device } from "./key-history.ts"
import {
  approvalOf,
  code,
  crowd,
  expectSafe,
  guestOf,
  hostOf,
  Line,
  labelOf,
  made,
  packageOf,
  wordsOf,
  wrongCode,
} from "./pairing-line.ts"

describe("two devices and one code", () => {
  test("[A22] become one record, with the same three words on both screens", () => {
    const line = new Line({}).connect()
    expect(wordsOf(line.hostActions)).toEqual(wordsOf(line.guestActions))
    expect(wordsOf(line.hostActions)).toHaveLength(3)
    expect(approvalOf(line.hostActions)).toEqual(certifyDevice(device("laptop")))
    expect(line.guest.host?.name).toBe("phone")
    line.approve()
    expect(packageOf(line.guestActions)).toEqual(made)
    expect(line.kinds.host).toEqual([
      "store-state",
      "send",
      "send",
      "show-check-words",
      "ask-approval",
      "store-state",
      "send",
      "clear-state",
      "done",
    ])
    expect(line.kinds.guest).toEqual([
      "send",
      "store-state",
      "send",
      "show-check-words",
      "store-state",
      "waiting-for-approval",
      "store-state",
      "send",
      "done",
    ])
    expect(line.sent).toHaveLength(6)
  })

  test("[A22] check words differ from one run to the next", () => {
    const runsOfWords = Array.from({ length: 5 }, () =>
      wordsOf(new Line({}).connect().hostActions)?.join(" "),
    )
    expect(new Set(runsOfWords).size).toBe(5)
  })

  test("[A22] nothing secret goes over the line in clear", () => {
    const line = new Line({}).connect().approve()
    const all = line.sent.map(([, bytes]) => bytesToHex(bytes)).join(" ")
    const { writer, wrap } = device("laptop")
    const secrets = [made.chainKey, made.meetingKey, writer.seed, wrap.secret, writer.publicKey]
    for (const secret of [...secrets, code.secret]) expect(all).not.toContain(bytesToHex(secret))
  })

  test("[A23] the person says no", () => {
    const line = new Line({}).connect().hostStep({ kind: "refused" })
    expect(line.kinds.host.at(-1)).toBe("PAIR_REFUSED")
    expect(line.kinds.guest.at(-1)).toBe("PAIR_REFUSED")
    expect(line.approve().kinds.guest).not.toContain("done")
  })
})

describe("a code", () => {
  test("[A24] [R13] is used up by one wrong word, and both are told the same", () => {
    const line = new Line({ guest: guestOf(wrongCode) }).connect()
    expect(line.kinds.guest.at(-1)).toBe("PAIR_CODE_WRONG")
    expect(line.kinds.host.at(-1)).toBe("PAIR_CODE_WRONG")
    const second = new Line({ host: line.host }).connect()
    expect(second.kinds.guest.at(-1)).toBe("PAIR_CODE_USED")
    expect(second.kinds.host).not.toContain("ask-approval")
  })

  test("[A24] [R13] is used up before its guess is answered", () => {
    const host = hostOf()
    const [hello] = guestOf(wrongCode).step({ kind: "connected" }, 0)
    if (hello?.kind !== "send") throw new TypeError("no hello")
    const actions = host.step({ kind: "message", peer: "guest", bytes: hello.bytes }, 0)
    expect(actions.map(({ kind }) => kind)).toEqual(["store-state", "send"])
  })

  test("[A24] [E13] of 1,000 who claim it at once one is let in", () => {
    const guests = Array.from({ length: 1000 }, (_, i) => guestOf(code, `device ${i % 4}`))
    const { asked, outcomes } = crowd(hostOf(), guests)
    expect(asked).toBe(1)
    expect(outcomes.filter((it) => it === "done")).toHaveLength(1)
    expect(outcomes.filter((it) => it === "PAIR_CODE_USED")).toHaveLength(999)
  }, 30_000)

  test("[A24] expires after two minutes", () => {
    const line = new Line({})
    expect(line.host.step({ kind: "tick" }, PAIRING_CODE_MS - 1)).toEqual([])
    line.connect(PAIRING_CODE_MS)
    expect(line.kinds.host.at(-1)).toBe("PAIR_CODE_EXPIRED")
    expect(line.kinds.guest.at(-1)).toBe("PAIR_CODE_EXPIRED")
    const idle = hostOf()
    expect(idle.step({ kind: "tick" }, PAIRING_CODE_MS).map(labelOf)).toContain("PAIR_CODE_EXPIRED")
  })

  test("[A25] an absent peer and another version are told apart", () => {
    const alone = new Line({ onWay: () => [] }).connect()
    expect(alone.guest.step({ kind: "tick" }, PAIRING_ANSWER_MS).map(labelOf)).toEqual([
      "PAIR_PEER_ABSENT",
    ])
    const lost = new Line({ onWay: (bytes, at) => (at === 2 ? [] : [bytes]) }).connect()
    expect(lost.host.step({ kind: "tick" }, PAIRING_ANSWER_MS).map(labelOf)).toContain(
      "PAIR_PEER_ABSENT",
    )
    // [version, least, …]: both written in one byte each, 1 and 1.
    const newer = (bytes: Uint8Array) => bytes.with(1, 9).with(2, 9)
    const future = new Line({ onWay: (bytes, at) => [at === 0 ? newer(bytes) : bytes] }).connect()
    expect(future.kinds.host.at(-1)).toBe("PAIR_VERSION")
    expect(future.kinds.guest.at(-1)).toBe("PAIR_VERSION")
    const other = new Line({ onWay: (bytes, at) => [at === 1 ? newer(bytes) : bytes] }).connect()
    expect(other.kinds.guest.at(-1)).toBe("PAIR_VERSION")
  })
})

describe("somebody in between", () => {
  test("[A26] [E13] who does not know the code and substitutes shares is noticed", () => {
    const inner = hostOf(wrongCode)
    const guest = guestOf()
    const real = new Line({ host: inner, guest }).connect()
    expect(real.kinds.guest.at(-1)).toBe("PAIR_CODE_WRONG")
    const outer = new Line({ guest: guestOf(wrongCode, "spy") }).connect()
    expect(outer.kinds.host.at(-1)).toBe("PAIR_CODE_WRONG")
    expect(outer.kinds.host).not.toContain("ask-approval")
  })

  test("[A26] [E13] who has overheard the code shows other check words", () => {
    const toGuest = new Line({ host: hostOf(code) }).connect()
    const toHost = new Line({ guest: guestOf(code, "spy") }).connect()
    expect(wordsOf(toGuest.guestActions)).not.toEqual(wordsOf(toHost.hostActions))
    expect(approvalOf(toHost.hostActions)?.name).toBe("spy")
  })

  test("[A27] changes any bit: no wrong key, no wrong device, no wrong package", () => {
    const honest = new Line({}).connect().approve()
    for (const [at, [, bytes]] of honest.sent.entries()) {
      const step = Math.max(1, Math.floor((bytes.length * 8) / 25))
      for (let bit = at; bit < bytes.length * 8; bit += step) {
        const flip = (sent: Uint8Array) =>
          sent.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
        const line = new Line({ onWay: (sent, i) => [i === at ? flip(sent) : sent] })
        expectSafe(line.connect().approve())
        if (at < 3) expect(line.kinds.guest).not.toContain("done")
      }
    }
  })

  test("[A27] drops or repeats any message", () => {
    for (let at = 0; at < 6; at++) {
      const dropping = new Line({ onWay: (bytes, i) => (i === at ? [] : [bytes]) })
      expectSafe(dropping.connect().approve())
      const repeating = new Line({ onWay: (bytes, i) => (i === at ? [bytes, bytes] : [bytes]) })
      expectSafe(repeating.connect().approve())
      expect(packageOf(repeating.guestActions)).toEqual(made)
      expect(repeating.kinds.host.at(-1)).toBe("done")
    }
  })

  test("[A27] sends back what a side said itself, or what another run said", () => {
    const honest = new Line({}).connect().approve()
    for (let at = 0; at < 6; at++) {
      for (const [, other] of honest.sent) {
        const line = new Line({ onWay: (bytes, i) => [i === at ? other : bytes] })
        expectSafe(line.connect().approve())
        if (at < 3) expect(line.kinds.guest).not.toContain("done")
      }
      const reflecting = new Line({ onWay: (bytes, i) => (i === at ? [] : [bytes]) }).connect()
      const [to, bytes] = reflecting.sent[at] ?? ["host", new Uint8Array(0)]
      if (to === "guest") {
        reflecting.takeHost(reflecting.host.step({ kind: "message", peer: "guest", bytes }, 0))
      } else reflecting.takeGuest(reflecting.guest.step({ kind: "message", bytes }, 0))
      expectSafe(reflecting.run().approve())
    }
  })

  test("[A27] a damaged package is asked for again, but not for ever", () => {
    const flip = (bytes: Uint8Array) => bytes.map((byte, i) => (i === 600 ? byte ^ 1 : byte))
    const once = new Line({ onWay: (bytes, at) => [at === 4 ? flip(bytes) : bytes] })
    expect(packageOf(once.connect().approve().guestActions)).toEqual(made)
    const always = new Line({
      onWay: (bytes, at) => [bytes.length > 1500 && at > 3 ? flip(bytes) : bytes],
    })
    always.connect().approve()
    expect(always.kinds.guest.at(-1)).toBe("PAIR_CODE_WRONG")
    expect(always.sent.length).toBeLessThan(8 + 2 * PAIRING_DAMAGED_MAX)
    // What was stored still completes over an honest line.
    const later = new Line({ host: always.host })
    later.guestState = always.guestState
    later.restart("guest").connect(1)
    expect(packageOf(later.guestActions)).toEqual(made)
  })

  test("[A27] nobody at the door ends it for the guest inside", () => {
    const line = new Line({}).connect()
    const claim = line.sent[2]?.[1] ?? new Uint8Array(0)
    for (const bytes of [failedMessage("PAIR_CODE_WRONG"), new Uint8Array(9), claim.with(40, 0)]) {
      line.host.step({ kind: "message", peer: "stranger", bytes }, 0)
    }
    expect(packageOf(line.approve().guestActions)).toEqual(made)
  })
})

describe("whoever is killed", () => {
  test("[A28] after approval, the guest completes by itself", () => {
    const line = new Line({ onWay: (bytes, at) => (at === 4 ? [] : [bytes]) }).connect().approve()
    expect(packageOf(line.guestActions)).toBeUndefined()
    line.restart("guest").connect(PAIRING_RESUME_MS - 1)
    expect(packageOf(line.guestActions)).toEqual(made)
    expect(line.kinds.host.at(-1)).toBe("done")
  })

  test.for([false, true])(
    "[A41] before the words were compared, the guest tells the host that it joins only then (killed: %s)",
    (isKilled) => {
      const line = new Line({ saysYes: false }).connect().approve()
      if (isKilled) line.restart("guest").connect(1)
      expect(line.guest.isKept).toBe(true)
      expect(packageOf(line.guestActions)).toBeUndefined()
      expect(line.kinds.host).not.toContain("done")
      line.confirm().run()
      expect(packageOf(line.guestActions)).toEqual(made)
      expect(line.kinds.host.at(-1)).toBe("done")
    },
  )

  test("[A28] after approval, the host sends the same bytes again", () => {
    const line = new Line({ onWay: (bytes, at) => (at === 4 ? [] : [bytes]) }).connect().approve()
    line.restart("host").restart("guest").connect(1)
    expect(packageOf(line.guestActions)).toEqual(made)
    const [first, again] = line.sent.filter(([to, bytes]) => to === "guest" && bytes.length > 1300)
    expect(first).toEqual(again)
    expect(line.kinds.host.at(-1)).toBe("done")
  })

  test("[A28] before the acknowledgement arrives: it is sent again", () => {
    const line = new Line({ onWay: (bytes, at) => (at === 5 ? [] : [bytes]) }).connect().approve()
    expect(line.kinds.host).not.toContain("done")
    line.restart("guest")
    expect(line.kinds.guest.filter((kind) => kind === "done")).toHaveLength(2)
    line.connect(1)
    expect(line.kinds.host.at(-1)).toBe("done")
  })

  test("[A28] or the new device is met in the record: then it has its package", () => {
    const line = new Line({ onWay: (bytes, at) => (at === 5 ? [] : [bytes]) }).connect().approve()
    expect(line.hostStep({ kind: "met" }).kinds.host.at(-1)).toBe("done")
  })

  test("[A28] a guest that waits for approval goes on waiting", () => {
    const line = new Line({}).connect()
    line.restart("guest").connect(1)
    expect(wordsOf(line.guestActions)).toEqual(wordsOf(line.hostActions))
    expect(packageOf(line.approve(2).guestActions)).toEqual(made)
  })

  test("[A28] a guest reconnects elsewhere while it waits", () => {
    const line = new Line({}).connect()
    line.host.step({ kind: "disconnected", peer: "guest" }, 1)
    line.guest.step({ kind: "disconnected" }, 1)
    line.approve(2)
    expect(packageOf(line.guestActions)).toBeUndefined()
    expect(packageOf(line.connect(3).guestActions)).toEqual(made)
  })

  test("[A29] before approval, the host says that the code is used up", () => {
    const line = new Line({}).connect().restart("host")
    expect(line.kinds.host.at(-1)).toBe("PAIR_CODE_USED")
    line.restart("guest").connect(1)
    expect(line.kinds.guest.at(-1)).toBe("PAIR_CODE_USED")
    expect(new Line({ host: line.host }).connect().kinds.guest.at(-1)).toBe("PAIR_CODE_USED")
  })

  test("[A29] a package that nobody fetches is given up after a week", () => {
    const line = new Line({ onWay: (bytes, at) => (at === 4 ? [] : [bytes]) }).connect().approve(5)
    line.restart("host").hostStep({ kind: "tick" }, 5 + PAIRING_RESUME_MS)
    expect(line.kinds.host.slice(-2)).toEqual(["clear-state", "PAIR_PEER_ABSENT"])
  })

  test("[A29] an approval that never comes ends the waiting on both sides", () => {
    const line = new Line({}).connect().hostStep({ kind: "tick" }, PAIRING_APPROVAL_MS)
    expect(line.kinds.host.at(-1)).toBe("PAIR_PEER_ABSENT")
    expect(line.guest.step({ kind: "tick" }, PAIRING_APPROVAL_MS).map(labelOf)).toEqual([
      "PAIR_PEER_ABSENT",
    ])
  })
})

describe("bytes from outside", () => {
  test("[A20] any message leaves any phase standing or ended, never broken", () => {
    const honest = new Line({}).connect().approve()
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc
        .tuple(
          fc.constantFrom(...honest.sent.map(([, bytes]) => bytes)),
          fc.nat(),
          fc.nat({ max: 255 }),
        )
        .map(([bytes, at, value]) => bytes.with(at % bytes.length, value)),
    )
    fc.assert(
      fc.property(anyBytes, fc.nat({ max: 3 }), (bytes, at) => {
        const line = new Line({ onWay: (sent, i) => (i === at ? [bytes, sent] : [sent]) })
        expectSafe(line.connect().approve())
      }),
      { numRuns: 40 },
    )
  })

  test("[A20] decoders raise coded errors only", () => {
    const encoded = encodePairingPackage(made)
    expect(decodePairingPackage(encoded)).toEqual(made)
    const readers = [readFrame, decodePairingPackage, resumeGuest, resumeHost]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const read of readers) {
          try {
            read(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(AccessError)
          }
        }
      }),
    )
    const message = encodePairingMessage({
      kind: "acknowledged",
      value: { proof: new Uint8Array(32) },
    })
    expect(readPayload(readFrame(message))?.kind).toBe("acknowledged")
    expect(readPayload({ ...readFrame(message), kind: 200 })).toBeUndefined()
  })
})
