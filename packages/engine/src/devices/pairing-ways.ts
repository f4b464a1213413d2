/**
 * Where the two sides of a pairing find each other, by the code that both have.
 *
 * | code    | own addresses | on the local network         | at a relay                       |
 * | ------- | ------------- | ---------------------------- | -------------------------------- |
 * | typed   | as given      | a tag with the nameplate     | as given, at the nameplate       |
 * | scanned | as it says    | a tag made of its secret     | as it says, at a name so made    |
 *
 * Where somebody says by hand where the other device is, it is looked for there and nowhere else.
 *
 * @module
 */
import { type GivenCode, isScanned, scannedMeetingName } from "@fulcrum/access/scanned-code"
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { MeetingPlace } from "@fulcrum/relay/protocol"

/** Of the name at a relay, this much is announced: enough to be the only one. */
const TAG_BYTES = 16

export interface PairingWays {
  readonly addresses: readonly string[]
  /** What the other device announces; `undefined`: not looked for. */
  readonly tag: string | undefined
  /** Tried in their order, once nobody is met directly. */
  readonly relays: readonly string[]
  readonly place: MeetingPlace
}

/** Said by hand. */
export interface GivenWay {
  readonly relay?: string | undefined
  readonly at?: string | undefined
}

export function waysTo(code: GivenCode, { relay, at }: GivenWay): PairingWays {
  const place = placeOf(code)
  if (relay !== undefined) return { place, addresses: [], tag: undefined, relays: [relay] }
  if (at !== undefined) return { place, addresses: [at], tag: undefined, relays: [] }
  const tag = pairingTag(code)
  if (!isScanned(code)) return { place, addresses: [], tag, relays: [] }
  const { addresses, relays } = code
  return { place, addresses, tag, relays }
}

/** What a code is announced by on the local network. */
export function pairingTag(code: GivenCode): string {
  if (!isScanned(code)) return `pair-${code.nameplate}`
  return `pair-${bytesToHex(scannedMeetingName(code).slice(0, TAG_BYTES))}`
}

function placeOf(code: GivenCode): MeetingPlace {
  return isScanned(code)
    ? { kind: "name", value: scannedMeetingName(code) }
    : { kind: "nameplate", value: code.nameplate }
}
