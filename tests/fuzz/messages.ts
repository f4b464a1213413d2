/**
 * Several messages in one input: each is its length, u24 big-endian, then its bytes. Whatever the
 * bytes are they are read as some messages, so that a mutation never makes an input useless.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"

export const MESSAGES_MAX = 64

export function joinMessages(messages: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    messages.slice(0, MESSAGES_MAX).flatMap((message) => {
      const { length } = message
      return [Uint8Array.of(length >>> 16, length >>> 8, length), message]
    }),
  )
}

export function splitMessages(input: Uint8Array): readonly Uint8Array[] {
  const messages: Uint8Array[] = []
  let at = 0
  while (at + 3 <= input.length && messages.length < MESSAGES_MAX) {
    const length = ((input[at] ?? 0) << 16) | ((input[at + 1] ?? 0) << 8) | (input[at + 2] ?? 0)
    at += 3
    messages.push(input.slice(at, at + length))
    at += length
  }
  return messages
}
