/**
 * What comes from the transport: frames, addresses, peer ids.
 *
 * @module
 */
import { bytesToUtf8, concatBytes, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { seededRandom } from "@fulcrum/crypto/random"
import { NetError } from "@fulcrum/net"
import { addressParts } from "@fulcrum/net/address"
import { peerIdToPublicKey, publicKeyToPeerId } from "@fulcrum/net/peer-id"
import { FrameReader, frameHeader } from "../../../packages/net/src/frame.ts"
import { joinMessages, splitMessages } from "../messages.ts"
import { type FuzzTarget, holds } from "../target.ts"

const FRAME_BYTES_MAX = 4096
const random = seededRandom("fuzz net")

const frame = (bytes: Uint8Array) => concatBytes([frameHeader(bytes.length), bytes])

/** Chunks as a stream may bring them, with frames that begin and end anywhere. */
const frames: FuzzTarget = {
  name: "frames",
  form: "bytes",
  isSequence: true,
  open: () => ({
    seeds: [
      [frame(random.bytes(10)), frame(new Uint8Array()), frame(random.bytes(1500))],
      [frame(random.bytes(20)).subarray(0, 2), frame(random.bytes(20)).subarray(2)],
      [concatBytes([frame(random.bytes(5)), frame(random.bytes(900))]), frame(random.bytes(4096))],
    ].map(joinMessages),
    errors: [NetError],
    run(input) {
      const reader = new FrameReader(FRAME_BYTES_MAX)
      const chunks = splitMessages(input)
      const whole = concatBytes(chunks)
      let at = 0
      let count = 0
      for (const chunk of chunks) {
        reader.push(chunk)
        for (let next = reader.next(); next !== undefined; next = reader.next()) {
          at += 4 + next.length
          count++
          const sent = whole.subarray(at - next.length, at)
          holds(
            next.length <= FRAME_BYTES_MAX && equalBytes(next, sent),
            "the bytes are those sent",
          )
        }
      }
      holds(reader.bytes === whole.length - at, "what is held is what was not taken")
      return `${Math.min(count, 4)} ${reader.wanted > 0}`
    },
  }),
}

const PEER = publicKeyToPeerId(new Uint8Array(32).fill(9))

const addresses: FuzzTarget = {
  name: "addresses",
  form: "lines",
  tokens: ["/p2p/", "/dns4/", "/ip6/::", "/ws", "/wss", "/tcp/65536", "1", PEER],
  bytesMax: 600,
  open: () => ({
    seeds: [
      `/ip4/127.0.0.1/tcp/4001/p2p/${PEER}`,
      "/ip6/::1/tcp/0/ws",
      `/dns4/relay.example/tcp/443/wss/p2p/${PEER}`,
      "/memory/name",
    ].map(utf8ToBytes),
    errors: [NetError, CodecError],
    run(input) {
      const { transport, peerId } = addressParts(bytesToUtf8(input))
      if (peerId !== undefined) {
        holds(publicKeyToPeerId(peerIdToPublicKey(peerId)) === peerId, "one id for one key")
      }
      return `${transport} ${peerId !== undefined}`
    },
  }),
}

export const netTargets: readonly FuzzTarget[] = [frames, addresses]
