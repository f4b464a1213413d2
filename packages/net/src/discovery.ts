/**
 * The discovery contract: addresses announced and found on the local network, under a tag.
 *
 * A tag is no secret to whoever listens on the network; it says nothing else if it derives from a
 * secret and changes daily. What is found is a claim by anybody: who answers there is proved inside.
 *
 * @module
 */

export interface Discovery {
  /**
   * Answers whoever looks for the tag, until disposed of.
   *
   * @param tag - 1 to `TAG_CHARS_MAX` lower-case letters, digits and hyphens.
   * @param addresses - Multiaddrs ending in `/p2p/ID`.
   */
  announce(tag: string, addresses: readonly string[]): AsyncDisposable

  /**
   * Addresses under the tag as they are found, each once, at most `FOUND_MAX`, until the signal
   * fires, which ends the loop without an error.
   */
  find(tag: string, options: { signal: AbortSignal }): AsyncIterable<string>
}

/** What is left of a DNS label of 63 characters beside our prefix. */
export const TAG_CHARS_MAX = 50
/** Addresses given for one search; a household has fewer, and a flood stops mattering. */
export const FOUND_MAX = 256

/** @throws {RangeError} The tag does not fit into a DNS label. */
export function checkTag(tag: string): void {
  if (!/^[a-z\d-]+$/.test(tag) || tag.length > TAG_CHARS_MAX) {
    throw new RangeError(`a tag has 1 to ${TAG_CHARS_MAX} lower-case letters, digits and hyphens`)
  }
}

/** Collects what is found, each address once, for the one loop that reads it. */
export class Findings {
  readonly #seen = new Set<string>()
  readonly #waiting: string[] = []
  #wake: () => void = () => undefined

  add(address: string): void {
    if (this.#seen.has(address) || this.#seen.size >= FOUND_MAX) return
    this.#seen.add(address)
    this.#waiting.push(address)
    this.#wake()
  }

  async *read(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const onAbort = (): void => this.#wake()
    signal.addEventListener("abort", onAbort)
    try {
      while (!signal.aborted) {
        const next = this.#waiting.shift()
        if (next !== undefined) {
          yield next
          continue
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      signal.removeEventListener("abort", onAbort)
    }
  }
}
