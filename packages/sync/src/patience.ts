/**
 * How long a session waits for its peer.
 *
 * @module
 */

/** How long a peer may take to say hello, in milliseconds. */
export const HELLO_TIMEOUT_MS = 10_000

/** How long a peer may leave what was sent to it unacknowledged, in milliseconds. */
export const STALL_TIMEOUT_MS = 60_000

export class Patience {
  #connectedMs: number | undefined
  #heardMs: number | undefined
  #hasHeard = false

  /** The peer said something. */
  heard(): void {
    this.#hasHeard = true
  }

  /**
   * To be asked now and then, from the connection on.
   *
   * @param peer - Whether it has said hello, and owes an answer.
   */
  isOver(nowMs: number, peer: { readonly hasHello: boolean; readonly isOwed: boolean }): boolean {
    // Neither can lie after now: the clock was put back.
    this.#connectedMs = Math.min(this.#connectedMs ?? nowMs, nowMs)
    if (this.#heardMs !== undefined) this.#heardMs = Math.min(this.#heardMs, nowMs)
    if (this.#hasHeard || !peer.isOwed || this.#heardMs === undefined) this.#heardMs = nowMs
    this.#hasHeard = false
    const isSilent = !peer.hasHello && nowMs - this.#connectedMs > HELLO_TIMEOUT_MS
    return isSilent || nowMs - this.#heardMs > STALL_TIMEOUT_MS
  }
}
