/**
 * The relay's protocol: a relay that hears anything, and a client that is answered with anything.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { capabilityEnd, signCapability } from "@fulcrum/log/mailbox"
import type { Channel } from "@fulcrum/net"
import { connectRelay, type RelayClient } from "@fulcrum/relay/client"
import {
  decodeFromRelay,
  decodeRequest,
  encodeRequest,
  type RelayChannel,
} from "@fulcrum/relay/protocol"
import { verifyReceipt } from "@fulcrum/relay/receipt"
import { RelayError } from "@fulcrum/relay/relay-error"
import { manualClock } from "../../../packages/relay/test/manual-clock.ts"
import { newSpan, openRig, type Rig } from "../../../packages/relay/test/rig.ts"
import { joinMessages, splitMessages } from "../messages.ts"
import { fixedRandom } from "../space.ts"
import { type FuzzTarget, holds } from "../target.ts"

const errors = [RelayError]

interface Recorded {
  readonly sent: Uint8Array[]
  readonly heard: Uint8Array[]
}

/** A channel that notes what goes over it. */
function tapped(channel: Channel, { sent, heard }: Recorded): RelayChannel {
  return {
    remotePublicKey: channel.remotePublicKey,
    closed: channel.closed,
    async send(message) {
      sent.push(message)
      await channel.send(message)
    },
    async *messages() {
      for await (const message of channel.messages()) {
        heard.push(message)
        yield message
      }
    },
    close: () => channel.close(),
    abort: (reason) => channel.abort(reason),
  }
}

/** All that a client can ask, on a rig that is the same each time. */
async function useAll(client: RelayClient, clock: { now(): number }): Promise<void> {
  const random = fixedRandom("relay client")
  const maker = { key: generateSigningKey(random), holder: generateSigningKey(random) }
  const open = (right: "append" | "read" | "manage") =>
    client.open({
      capability: signCapability({
        ...{ mailboxKey: maker.key, right, holder: maker.holder.publicKey },
        ...{ notAfter: capabilityEnd(clock.now()), serial: random.bytes(16) },
      }),
      ...{ mailbox: maker.key.publicKey, holder: maker.holder },
    })
  await client.create({ key: maker.key, kind: "archive" })
  const writer = await open("append")
  const reader = await open("read")
  await writer.append(newSpan(random, { start: 1 }))
  await writer.append(newSpan(random, { start: 2, bytes: 300 }))
  await reader.read({ from: 1 })
  const meeting = await client.meet()
  await meeting.leave()
  await client.remove(maker.key)
}

/** What an honest client sends and hears. */
async function conversation(): Promise<Recorded> {
  const recorded: Recorded = { sent: [], heard: [] }
  const rig = await openRig()
  const { channel, host } = await rig.dial()
  const client = await connectRelay(tapped(channel, recorded), {
    ...{ clock: rig.clock, dialerKey: host.publicKey },
  })
  await useAll(client, rig.clock)
  await client.close()
  await rig.close()
  return recorded
}

/** A whole relay, new for each input, so that proofs over its first nonce stay right. */
const requests: FuzzTarget = {
  name: "relay-requests",
  form: "cbor",
  isSequence: true,
  batch: 32,
  open: async () => {
    const { sent } = await conversation()
    const place = { kind: "nameplate", value: 1 } as const
    const odd = [
      encodeRequest({ id: 1, method: { kind: "meetJoin", value: { place } } }),
      encodeRequest({ id: 2, method: { kind: "meetSend", value: { bytes: new Uint8Array(9) } } }),
    ]
    return {
      seeds: [sent, odd, sent.slice(0, 4)].map(joinMessages),
      errors: [],
      run: (input) => serve(splitMessages(input)),
    }
  },
}

async function serve(messages: readonly Uint8Array[]): Promise<string> {
  const rig: Rig = await openRig()
  try {
    const { channel } = await rig.dial()
    const heard: string[] = []
    const listening = (async () => {
      for await (const message of channel.messages()) {
        const said = decodeFromRelay(message)
        heard.push(said.kind === "error" ? said.value.code : said.kind)
      }
    })()
    for (const message of messages) await channel.send(message).catch(() => undefined)
    await rig.clock.advance(0)
    await channel.close()
    await listening.catch(() => undefined)
    const [fault] = rig.relay.faults
    if (fault !== undefined) throw fault
    return [...new Set(heard)].toSorted().join(" ")
  } finally {
    await rig.close()
  }
}

/** A client whose relay says one of these after each thing that it is asked. */
const answers: FuzzTarget = {
  name: "relay-answers",
  form: "cbor",
  isSequence: true,
  batch: 64,
  open: async () => {
    const { heard } = await conversation()
    const { key } = await relayKey()
    return {
      seeds: [heard, heard.slice(0, 5)].map(joinMessages),
      errors,
      run: (input) => hear(splitMessages(input), key),
    }
  },
}

/** The transport key of the rig's relay: who must have signed the receipts. */
async function relayKey(): Promise<{ readonly key: Uint8Array }> {
  const rig = await openRig()
  const { channel } = await rig.dial()
  const key = channel.remotePublicKey
  await rig.close()
  return { key }
}

async function hear(messages: readonly Uint8Array[], key: Uint8Array): Promise<string> {
  const ended = Promise.withResolvers<void>()
  const queue = [...messages]
  let isEnded = false
  const end = () => {
    isEnded = true
    ended.resolve()
  }
  const channel: RelayChannel = {
    remotePublicKey: key,
    closed: ended.promise,
    send: async () => undefined,
    async *messages() {
      // Each once the client has done what it can after the one before; then the relay has gone.
      for (const message of queue) {
        await turn()
        if (isEnded) return
        yield message
      }
      await turn()
      end()
    },
    close: async () => end(),
    abort: end,
  }
  const clock = manualClock()
  const options = { clock, dialerKey: new Uint8Array(32) }
  const client = await connectRelay(channel, options)
  try {
    await useAll(client, clock)
    return "all"
  } finally {
    await client.close()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

const protocol: FuzzTarget = {
  name: "relay-protocol",
  form: "cbor",
  open: async () => {
    const { sent, heard } = await conversation()
    return {
      seeds: [...sent, ...heard],
      errors,
      run(input) {
        const kinds = [decodeRequest, decodeFromRelay, verifyReceipt].map((read) =>
          kindOf(read, input),
        )
        return kinds.join(" ")
      },
    }
  },
}

function kindOf(read: (bytes: Uint8Array) => unknown, input: Uint8Array): string {
  try {
    const value = read(input)
    if (read === decodeRequest) {
      const { method, id } = decodeRequest(input)
      holds(equalBytes(encodeRequest({ id, method }), input), "a request is written as it was read")
      return method.kind
    }
    return typeof value
  } catch (error) {
    if (error instanceof RelayError) return error.code
    throw error
  }
}

export const relayTargets: readonly FuzzTarget[] = [protocol, requests, answers]
