/**
 * The transport contract: hosts that listen and dial, and channels that carry whole messages.
 *
 * A channel is reliable and ordered while it lasts, private (only the peer with
 * `remotePublicKey` reads it) and bounded in both directions. What it does not give: a message
 * that was sent has not therefore arrived, so what matters is acknowledged above, and a peer that
 * vanished without a word is noticed late, so whoever waits for an answer sets a deadline.
 *
 * Importing this file loads no transport.
 *
 * @module
 */

/** The largest message: one span of 4 MiB and what surrounds it. */
export const MESSAGE_BYTES_MAX: number = 4 * 1024 * 1024 + 64 * 1024

export type NetErrorCode =
  /** Nobody answers at that address. */
  | "NET_UNREACHABLE"
  /** The caller's signal fired first. */
  | "NET_TIMEOUT"
  /** Somebody answers, and does not speak this protocol with us. */
  | "NET_REFUSED"
  /** Somebody else answers than the address names. */
  | "NET_PEER_MISMATCH"
  | "NET_ADDRESS_INVALID"
  | "NET_ADDRESS_IN_USE"
  | "NET_MESSAGE_TOO_LARGE"
  /** The channel, or its host, is closed, or the connection broke. */
  | "NET_CLOSED"

export class NetError extends Error {
  override readonly name = "NetError"
  readonly code: NetErrorCode

  constructor(code: NetErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export interface HostOptions {
  /** Ed25519 seed, 32 bytes; absent: a throw-away key. */
  readonly key?: Uint8Array
}

export interface Network {
  host(options?: HostOptions): Promise<Host>
}

export interface Host extends AsyncDisposable {
  /** Peer id as text, `12D3Koo…`. */
  readonly id: string
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array

  /**
   * Listens at each address; port 0 draws a free one.
   *
   * @returns Multiaddrs ending in `/p2p/ID`, ports filled in, one for each interface that is met.
   * @throws {NetError} `NET_ADDRESS_INVALID`, `NET_ADDRESS_IN_USE`, `NET_CLOSED`. Nothing listens
   * at any of them then.
   */
  listen(addresses: readonly string[]): Promise<readonly string[]>

  /**
   * Serves a protocol. The handler owns the channel and closes it; a protocol has one handler.
   * If the handler throws or rejects, its channel is aborted; a `NetError` ends there, anything
   * else goes on as the mistake that it is.
   *
   * @throws {RangeError} The protocol already has a handler.
   */
  handle(protocol: string, handler: (channel: Channel) => unknown): void

  /**
   * Opens a connection of its own and on it one long-lived channel; closing it closes both.
   *
   * @param address - If it names a peer, only that peer is spoken to.
   * @throws {NetError} `NET_UNREACHABLE`, `NET_TIMEOUT`, `NET_REFUSED`, `NET_PEER_MISMATCH`,
   * `NET_ADDRESS_INVALID`, `NET_CLOSED`.
   */
  dial(address: string, protocol: string, options: { signal: AbortSignal }): Promise<Channel>

  /** Ends within a second, whatever the peers do, and leaves nothing open. */
  close(): Promise<void>
}

export interface SendOptions {
  /** Nobody waits for it: it may go out with whatever else is sent in this turn of the event loop. */
  readonly mayWait?: boolean
}

export interface Channel {
  readonly localId: string
  readonly remoteId: string
  /** Raw Ed25519 public key, 32 bytes; the peer proved that it holds the private one. */
  readonly remotePublicKey: Uint8Array
  /** Whether this side dialed. */
  readonly outbound: boolean

  /**
   * Sends one message, in the order of the calls.
   *
   * @param message - 0 to `MESSAGE_BYTES_MAX` bytes; may be reused once the promise resolves.
   * @returns When the transport can take more. Await it: what is not awaited piles up, and above
   * `SEND_QUEUE_BYTES_MAX` is a `RangeError`.
   * @throws {NetError} `NET_MESSAGE_TOO_LARGE`, `NET_CLOSED`.
   */
  send(message: Uint8Array, options?: SendOptions): Promise<void>

  /**
   * Whole messages, for a single consumer, read ahead within bounds. The caller owns the bytes.
   * Returns when either side has closed (what had arrived before the peer closed is still given);
   * leaving the loop early closes nothing.
   *
   * @throws {NetError} `NET_CLOSED` when the channel was aborted or broke,
   * `NET_MESSAGE_TOO_LARGE` when the peer announced more than `MESSAGE_BYTES_MAX`, which also
   * aborts this channel.
   */
  messages(): AsyncIterable<Uint8Array>

  /**
   * Opens another channel on the same connection, with whoever is at the other end, whichever side
   * dialed. Closing it closes it alone; it ends with the connection at the latest, which is when
   * the channel ends that was dialed.
   *
   * @throws {NetError} `NET_REFUSED` (the peer does not serve the protocol), `NET_TIMEOUT`,
   * `NET_CLOSED`.
   */
  beside(protocol: string, options: { signal: AbortSignal }): Promise<Channel>

  /** Hands over what was sent, then closes both directions; after a few seconds it aborts. */
  close(): Promise<void>

  /** Drops everything at once; the peer's side fails with `NET_CLOSED`. */
  abort(reason: Error): void

  /** Resolves once nothing of the channel is left here, however it ended; never rejects. */
  readonly closed: Promise<void>
}

/** What may wait in one channel's `send`, in bytes: enough for several of the largest messages. */
export const SEND_QUEUE_BYTES_MAX: number = 64 * 1024 * 1024
