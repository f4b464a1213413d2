/**
 * Recovery from another device: whoever has the recovery words asks a device of the record that runs for all
 * of it, and hands over the change of who belongs that lets the new device in.
 *
 * The dialer speaks first and proves that it has the words, over the transport keys of both ends, so that it
 * is of no use on another connection; a device whose record has other words says nothing and hangs up. Then
 * one message after another, each with a byte before it that says what it is:
 *
 * | message | from   | is                                                                       |
 * | ------- | ------ | ------------------------------------------------------------------------ |
 * | ask     | dialer | canonical CBOR `[1, the words' key(32), signature(64)]`, without the byte |
 * | 0       | device | a piece of a backup of the record (`backup.ts`), without attached files  |
 * | 1       | device | that was all of it                                                       |
 * | 2       | dialer | a span of the record                                                     |
 * | 3       | dialer | that were all of them                                                    |
 * | 4       | device | they are on its disk                                                     |
 *
 * What is handed over is sealed for the words (`backup-file.ts`), as it is in a file.
 *
 * @module
 */
import type { RecoveryKeys } from "@fulcrum/access/recovery-words"
import { concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { bytes, decodeAs, encodeAs, literal, type Schema, struct } from "@fulcrum/codec/schema"
import type { Clock } from "@fulcrum/crypto/clock"
import { contexts } from "@fulcrum/crypto/contexts"
import { sign, verify } from "@fulcrum/crypto/ed25519"
import { type Channel, type Host, NetError, type Network } from "@fulcrum/net/contract"
import { EngineError } from "../failures/engine-error.ts"
import { errorCode } from "../failures/error-code.ts"
import { DIAL_MS_MAX, deadline } from "../mailboxes/relay-visit.ts"

export const RECOVERY_PROTOCOL = "/fulcrum/recover/1"

const PIECE = 0
const END = 1
const SPAN = 2
const LAST = 3
const STORED = 4
/** Bytes of one piece. */
const PIECE_BYTES = 256 * 1024
/** Of the one change of who belongs that lets a device in. */
const SPANS_MAX = 16
/** How long the other end may be silent, and while it reads a record of many years. */
const SILENCE_MS = 30_000
const READING_MS: number = 15 * 60_000

interface Ask {
  readonly version: 1
  readonly writer: Uint8Array
  readonly signature: Uint8Array
}

export const askSchema: Schema<Ask> = struct({
  version: literal(1),
  writer: bytes(32),
  signature: bytes(64),
})

/** The other device, while a record is taken from it. */
export interface DeviceSource extends AsyncDisposable {
  /** What it hands over, once. @throws {EngineError} `RECOVERY_NOT_FOUND`, `RECOVERY_UNREACHABLE`. */
  content(): AsyncIterable<Uint8Array>
  /** Resolves once it has these on its disk. @throws {EngineError} `RECOVERY_NOT_STORED`. */
  bring(spans: readonly Uint8Array[]): Promise<void>
}

/** @throws {EngineError} `RECOVERY_UNREACHABLE`: nobody answers there. */
export async function askDevice(asked: {
  readonly network: Network
  readonly clock: Clock
  readonly address: string
  readonly recovery: RecoveryKeys
  readonly signal: AbortSignal
}): Promise<DeviceSource> {
  const { network, clock, address, recovery, signal } = asked
  const host = await network.host()
  try {
    const channel = await dial(host, { clock, address, signal })
    const leave = () => channel.abort(new Error("stopped"))
    signal.addEventListener("abort", leave, { once: true })
    const { writer } = recovery
    const binding = concatBytes([host.publicKey, channel.remotePublicKey])
    const signature = sign(contexts.recoveryAsk, writer, binding)
    await channel.send(encodeAs(askSchema, { version: 1, writer: writer.publicKey, signature }))
    const next = messagesOf(channel, clock)
    return {
      content: () => contentOf(next),
      bring: (spans) => bring(channel, next, spans),
      async [Symbol.asyncDispose]() {
        signal.removeEventListener("abort", leave)
        await channel.close()
        await host.close()
      },
    }
  } catch (error) {
    await host.close()
    throw error
  }
}

async function dial(
  host: Host,
  { clock, address, signal }: { clock: Clock; address: string; signal: AbortSignal },
): Promise<Channel> {
  const late = deadline(clock, signal, DIAL_MS_MAX)
  try {
    return await host.dial(address, RECOVERY_PROTOCOL, { signal: late.signal })
  } catch (cause) {
    signal.throwIfAborted()
    if (!(cause instanceof NetError)) throw cause
    throw new EngineError("RECOVERY_UNREACHABLE", "no device answers there", { cause })
  } finally {
    late.done()
  }
}

async function* contentOf(next: NextMessage): AsyncGenerator<Uint8Array> {
  let isFirst = true
  for (;;) {
    const message = await next()
    if (message === undefined) {
      if (isFirst) {
        throw new EngineError("RECOVERY_NOT_FOUND", "that device has no record for these words")
      }
      throw new EngineError("RECOVERY_UNREACHABLE", "the other device went away")
    }
    isFirst = false
    if (message[0] === END) return
    if (message[0] === PIECE) yield message.subarray(1)
  }
}

async function bring(
  channel: Channel,
  next: NextMessage,
  spans: readonly Uint8Array[],
): Promise<void> {
  try {
    for (const span of spans) await channel.send(concatBytes([Uint8Array.of(SPAN), span]))
    await channel.send(Uint8Array.of(LAST))
    const answer = await next()
    if (answer?.[0] === STORED) return
  } catch (cause) {
    if (!(cause instanceof NetError)) throw cause
  }
  throw new EngineError("RECOVERY_NOT_STORED", "the other device did not take this one in")
}

/** What a device gives to whoever has its record's words. */
export interface RecoveryServer {
  readonly host: Pick<Host, "publicKey">
  readonly clock: Clock
  /** The key of the words that count now. */
  readonly words: () => Uint8Array | undefined
  readonly files: () => AsyncIterable<Uint8Array>
  /** Durable when it resolves. */
  admit(spans: readonly Uint8Array[]): Promise<void>
}

/** Whoever has other words, or none, gets nothing. */
export async function serveRecovery(channel: Channel, server: RecoveryServer): Promise<void> {
  const { host, clock, words, files, admit } = server
  const next = messagesOf(channel, clock)
  try {
    const first = await next()
    const binding = concatBytes([channel.remotePublicKey, host.publicKey])
    if (first === undefined || !isAskBy(first, words(), binding)) return
    for await (const piece of files()) {
      for (let at = 0; at < piece.length; at += PIECE_BYTES) {
        const part = piece.subarray(at, at + PIECE_BYTES)
        await channel.send(concatBytes([Uint8Array.of(PIECE), part]))
      }
    }
    await channel.send(Uint8Array.of(END))
    const spans: Uint8Array[] = []
    for (;;) {
      const message = await next(READING_MS)
      if (message?.[0] === LAST) break
      if (message?.[0] !== SPAN || spans.length >= SPANS_MAX) return
      spans.push(message.slice(1))
    }
    await admit(spans)
    await channel.send(Uint8Array.of(STORED))
  } catch (error) {
    // The line broke, or a disk failed: whoever asked tries again.
    if (errorCode(error) === undefined) throw error
    channel.abort(new Error("no recovery"))
  } finally {
    await channel.close()
  }
}

function isAskBy(message: Uint8Array, words: Uint8Array | undefined, binding: Uint8Array): boolean {
  try {
    const { writer, signature } = decodeAs(askSchema, message, { bytesMax: 256 })
    const isTheirs = words !== undefined && equalBytes(writer, words)
    return isTheirs && verify(contexts.recoveryAsk, writer, binding, signature)
  } catch (error) {
    if (error instanceof CodecError) return false
    throw error
  }
}

/** `undefined`: there are no more; the channel is cut off where none comes for too long. */
type NextMessage = (silenceMs?: number) => Promise<Uint8Array | undefined>

function messagesOf(channel: Channel, clock: Clock): NextMessage {
  const messages = channel.messages()[Symbol.asyncIterator]()
  return async (silenceMs = SILENCE_MS) => {
    const come = new AbortController()
    clock.sleep(silenceMs, come.signal).then(
      () => channel.abort(new Error("silent for too long")),
      () => undefined,
    )
    try {
      const { value, done } = await messages.next()
      return done === true ? undefined : value
    } catch (error) {
      if (error instanceof NetError) return undefined
      throw error
    } finally {
      come.abort()
    }
  }
}
