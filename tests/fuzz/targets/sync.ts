/**
 * The sync session: messages one by one, and in sequence into the state machine, with what its
 * driver does in between.
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import type { VersionVector } from "@fulcrum/log/vector"
import { decodeMessage, encodeMessage, spaceReference, WINDOW_BYTES } from "@fulcrum/sync/messages"
import { createSession, type SyncAction, type SyncSpace } from "@fulcrum/sync/session"
import {
  append,
  openDevice,
  type SpaceSecrets,
  spaceSecrets,
} from "../../../packages/sync/test/device.ts"
import { openPeer, talk } from "../../../packages/sync/test/peer.ts"
import { joinMessages, splitMessages } from "../messages.ts"
import { type FuzzTarget, holds } from "../target.ts"

/** A space as a session sees it, with all that it would ever read of it. */
interface FuzzSyncSpace extends SyncSpace {
  readonly spans: readonly Uint8Array[]
}

async function spaceOf(secrets: SpaceSecrets, entries: number): Promise<FuzzSyncSpace> {
  const device = await openDevice(secrets, "fuzz")
  for (let i = 0; i < entries; i++) await append(device, `entry ${i}`)
  const { replica } = device
  const { spans } = await replica.spansAfter([], { bytesMax: WINDOW_BYTES })
  const { vector, digest, tree } = replica
  return { tag: secrets.tag, chainKey: secrets.chainKey, log: { vector, digest, tree }, spans }
}

/** What two honest devices say to each other, each side's messages in order. */
async function conversations(secrets: readonly SpaceSecrets[]): Promise<readonly Uint8Array[]> {
  const [a, b] = [await openPeer("a", ...secrets), await openPeer("b", ...secrets)]
  for (const peer of [a, b]) {
    for (const { device } of peer.spaces) await append(device, "one", "two")
  }
  const inputs: Uint8Array[] = []
  for (let round = 0; round < 3; round++) {
    const [first] = a.spaces
    if (round === 2 && first) await append(first.device, "later")
    for (const peer of [a, b]) {
      peer.sent.length = 0
      peer.connect()
    }
    await talk(a, b)
    inputs.push(joinMessages(withTurns(a.sent)), joinMessages(withTurns(b.sent)))
  }
  return inputs
}

/** A turn of the driver after each message. */
function withTurns(sent: readonly Uint8Array[]): readonly Uint8Array[] {
  return sent.flatMap((message) => [message, TURN])
}

const LOCAL = new Uint8Array(0)
const TURN = new Uint8Array(2)

const session: FuzzTarget = {
  name: "sync-session",
  form: "cbor",
  isSequence: true,
  open: async () => {
    const secrets = ["fuzz one", "fuzz two"].map(spaceSecrets)
    const spaces: FuzzSyncSpace[] = []
    for (const [i, one] of secrets.entries()) spaces.push(await spaceOf(one, 1 + i * 10))
    const [late, ...others] = spaces
    if (late === undefined) throw new TypeError("there is a space")
    const hello = { kind: "hello", value: { version: 1, least: 1 } } as const
    const haves = spaces.map(({ chainKey, tag, log }) => {
      const value = { space: spaceReference(chainKey, tag), digest: log.digest, rows: log.vector }
      return { kind: "have", value } as const
    })
    return {
      seeds: [
        ...(await conversations(secrets)),
        joinMessages([encodeMessage([hello, ...haves]), TURN, Uint8Array.of(200), LOCAL]),
        joinMessages([encodeMessage([hello, { kind: "bye", value: { code: "X" } }])]),
      ],
      errors: [],
      run: (input) => drive(splitMessages(input), late, others),
    }
  },
}

/** Empty is something new here, one byte the time, two bytes a turn of the driver. */
function drive(
  messages: readonly Uint8Array[],
  late: FuzzSyncSpace,
  spaces: readonly FuzzSyncSpace[],
): string {
  let agreed: VersionVector | undefined
  const machine = createSession<FuzzSyncSpace>({ spaces, agreed: () => agreed })
  const pending: SyncAction<FuzzSyncSpace>[] = []
  const kinds = new Set<string>()
  let nowMs = 0
  let isOver = false
  const take = (actions: readonly SyncAction<FuzzSyncSpace>[]) => {
    holds(!isOver || actions.length === 0, "a session that is over says nothing")
    for (const action of actions) {
      kinds.add(action.type === "fail" ? action.code : action.type)
      if (action.type === "send") decodeMessage(action.bytes)
      else if (action.type === "fail") isOver = true
      else if (action.type === "peerHas") agreed = action.vector
      else pending.push(action)
    }
  }
  const turn = () => {
    for (const action of pending.splice(0)) {
      if (action.type === "read") {
        const { space } = action
        const reached = space.log.vector
        take(machine.step({ type: "read", space, spans: space.spans, reached }))
      } else if (action.type === "admit") {
        take(machine.step({ type: "admitted", space: action.space }))
      }
    }
  }
  take(machine.step({ type: "connected" }))
  for (const bytes of messages) {
    if (bytes.length === 0) take(machine.step({ type: "local", space: late }))
    else if (bytes.length === 1) {
      nowMs += (bytes[0] ?? 0) * 100
      take(machine.step({ type: "tick", nowMs }))
    } else if (bytes.length === 2) turn()
    else take(machine.step({ type: "message", bytes }))
  }
  turn()
  return [...kinds].toSorted().join(" ")
}

const message: FuzzTarget = {
  name: "sync-message",
  form: "cbor",
  open: async () => ({
    seeds: (await conversations([spaceSecrets("fuzz one")]))
      .flatMap(splitMessages)
      .filter(({ length }) => length > 2),
    errors: [CodecError],
    run: (input) => [...new Set(decodeMessage(input).map(({ kind }) => kind))].join(" "),
  }),
}

export const syncTargets: readonly FuzzTarget[] = [message, session]
