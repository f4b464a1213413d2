/**
 * Every bound of the relay, each with its unit and reason.
 *
 * `FORMAT` limits are part of the protocol: both sides hold to them. `RelayLimits` are this
 * relay's own and may be set by whoever runs it.
 *
 * @module
 */

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const DAY_SECONDS = 86_400

/** Bytes of one span: what one message of the transport carries, less its framing. */
export const ITEM_BYTES_MAX: number = 4 * MIB
/** Bytes of one message to a front door: a connect message fits many times over. */
export const KNOCK_BYTES_MAX: number = 64 * KIB
/** Bytes of a mailbox's one public object: DESIGN, "front door". */
export const PIN_BYTES_MAX: number = 16 * KIB
/** Bytes of one message at a meeting: holds the keys of a few thousand epochs. */
export const MEET_BYTES_MAX: number = 256 * KIB
/** Bytes of one request: a span and what is around it. */
export const REQUEST_BYTES_MAX: number = ITEM_BYTES_MAX + 16 * KIB
/** Bytes of one answer: a page of items, or one item of the largest size, with its receipts. */
export const ANSWER_BYTES_MAX: number = ITEM_BYTES_MAX + 64 * KIB
/** Bytes of a page's items and receipts, one item of the largest size excepted. */
export const READ_BYTES_MAX: number = ITEM_BYTES_MAX
/** Items in one page. */
export const READ_ITEMS_MAX = 1024
/** Removed items that one page names, 45 bytes each. */
export const READ_SKIPPED_MAX = 512
/** Keys that must acknowledge before an item of a drop is removed: person and vendor, and room. */
export const READERS_MAX = 16
/** Token hashes registered by one request, 34 bytes each. */
export const TOKENS_PER_REQUEST_MAX = 1024
/** Positions that one merged span may replace: as many entries as it may have, and earlier merges. */
export const REPLACED_MAX = 10_000
/** Bytes of a capability: its fields take about 200. */
export const CAPABILITY_BYTES_MAX = 512
/** Bytes of a binding proof: one signature. */
export const PROOF_BYTES_MAX = 128
/** Bytes of a receipt: its fields take about 250. */
export const RECEIPT_BYTES_MAX = 512
/** Leading zero bits that a front door may ask for: 24 take a phone about a minute. */
export const WORK_BITS_MAX = 24
/** Bits that make a stranger's message cost about a second, and checking it one hash. */
export const WORK_BITS_DEFAULT = 18

/** Requests that a client has under way; further ones wait here for a place. */
export const CLIENT_PENDING_MAX = 64
/** Requests that wait in a client for a place, before it says `RELAY_BUSY`. */
export const CLIENT_WAITING_MAX = 16_384
/** Milliseconds without any answer after which a client gives a connection up. */
export const CLIENT_SILENCE_MS = 30_000
/** Milliseconds for a relay's challenge. */
export const CLIENT_CHALLENGE_MS = 10_000
/** Receipts of one mailbox that a client compares with later ones, 200 bytes each. */
export const TRAIL_RECEIPTS_MAX = 256
/** Messages of a meeting not yet taken by the program; more end the connection. */
export const CLIENT_MET_MAX = 64

export interface RelayLimits {
  /** Bytes of items that one mailbox holds. */
  readonly mailboxBytesMax: number
  /** Items that one mailbox holds: bounds listing and removing. */
  readonly mailboxItemsMax: number
  /** Bytes of items in all: leaves a disk room for its own work. */
  readonly relayBytesMax: number
  /** Mailboxes in all, about 1 kB of memory each. */
  readonly mailboxesMax: number
  /** Mailboxes made without a token, in all: strangers cannot crowd out customers. */
  readonly freeMailboxesMax: number
  /** Mailboxes made on one connection: a person's record and its first relationships. */
  readonly mailboxesPerConnectionMax: number
  /** Mailboxes made against the tokens of one front door. */
  readonly sponsoredMailboxesMax: number
  /** Bytes in the mailboxes made against the tokens of one front door. */
  readonly sponsoredBytesMax: number
  /** Tokens that one front door has registered. */
  readonly tokensMax: number
  /** Days that a drop or a front door keeps what was not acknowledged. */
  readonly retainDays: number
  /** Seconds before a merge may replace spans that nobody else has confirmed: DESIGN, §4. */
  readonly mergeAloneSeconds: number
  /** Days after which an empty drop that nobody used is forgotten: a capability's life. */
  readonly idleDays: number
  /** Removed items whose hash and receipt are still known, per mailbox. */
  readonly rememberedMax: number

  /** Connections at a time. */
  readonly connectionsMax: number
  /** Seconds that a connection may take to its first valid request. */
  readonly greetSeconds: number
  /** Seconds that one message may take to leave for a slow reader. */
  readonly sendSeconds: number
  /** Requests of one connection under way at a time. */
  readonly inFlightMax: number
  /** Bytes of requests of one connection under way at a time. */
  readonly inFlightBytesMax: number
  /** Open mailboxes of one connection, 250 bytes each: a vendor opens two for each customer. */
  readonly handlesMax: number
  /** Requests per second of one connection, sustained; faster ones are slowed, not refused. */
  readonly requestsPerSecond: number
  /** Bytes per second of one connection, sustained; likewise. */
  readonly bytesPerSecond: number
  /** Refused requests (malformed, forbidden) of one connection before it is closed. */
  readonly refusalsMax: number
  /** Messages to front doors on one connection. */
  readonly knocksPerConnectionMax: number
  /** Meetings begun or joined on one connection. */
  readonly meetsPerConnectionMax: number
  /** Nameplates in use or remembered as used, of 65,536. */
  readonly nameplatesMax: number
  /** Seconds in which a guest may come to a nameplate. */
  readonly nameplateSeconds: number
  /** Seconds that a meeting may last: time for a person to look and approve. */
  readonly meetingSeconds: number
  /** Messages each way at one meeting. */
  readonly meetMessagesMax: number
  /** Seconds between two sweeps for what is past its time. */
  readonly sweepSeconds: number
}

export const RELAY_LIMITS: RelayLimits = {
  mailboxBytesMax: GIB,
  mailboxItemsMax: 262_144,
  relayBytesMax: 256 * GIB,
  mailboxesMax: 131_072,
  freeMailboxesMax: 65_536,
  mailboxesPerConnectionMax: 64,
  sponsoredMailboxesMax: 65_536,
  sponsoredBytesMax: 16 * GIB,
  tokensMax: 65_536,
  retainDays: 30,
  mergeAloneSeconds: DAY_SECONDS,
  idleDays: 400,
  rememberedMax: 4096,

  connectionsMax: 4096,
  greetSeconds: 30,
  sendSeconds: 30,
  inFlightMax: 64,
  inFlightBytesMax: 8 * MIB,
  handlesMax: 16_384,
  requestsPerSecond: 4000,
  bytesPerSecond: 64 * MIB,
  refusalsMax: 256,
  knocksPerConnectionMax: 64,
  meetsPerConnectionMax: 16,
  nameplatesMax: 16_384,
  nameplateSeconds: 120,
  meetingSeconds: 900,
  meetMessagesMax: 256,
  sweepSeconds: 600,
}
