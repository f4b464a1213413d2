/**
 * Files on their way between a command and the daemon that does its work: a piece in each request, so
 * that neither side holds more than one, whatever the file's size.
 *
 * @module
 */

/** In one request or answer. */
export const PIECE_BYTES_MAX: number = 1024 * 1024

/** What an empty piece means: there is no more. */
const END: Uint8Array = new Uint8Array(0)

interface Stream {
  /** @param piece - From the command. @returns For the command. */
  exchange(piece: Uint8Array): Promise<Uint8Array>
}

export class DaemonStreams {
  readonly #open = new Map<string, Stream>()

  /** @returns What the command sends from now on; each piece is asked for when it is wanted. */
  incoming(id: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    let arrived = Promise.withResolvers<Uint8Array>()
    let taken = Promise.withResolvers<void>()
    taken.resolve()
    const stop = (): void => {
      arrived.reject(signal.reason)
      arrived.promise.catch(() => undefined)
      taken.resolve()
      this.#open.delete(id)
    }
    signal.addEventListener("abort", stop, { once: true })
    this.#open.set(id, {
      async exchange(piece) {
        await taken.promise
        taken = Promise.withResolvers()
        arrived.resolve(piece)
        if (piece.length > 0) await taken.promise
        return END
      },
    })
    if (signal.aborted) stop()
    const open = this.#open
    return (async function* () {
      try {
        for (;;) {
          signal.throwIfAborted()
          const piece = await arrived.promise
          arrived = Promise.withResolvers()
          taken.resolve()
          if (piece.length === 0) return
          yield piece
        }
      } finally {
        signal.removeEventListener("abort", stop)
        open.delete(id)
        taken.resolve()
      }
    })()
  }

  /** Gives content to the command, as it asks for it. @returns What ends that. */
  outgoing(
    id: string,
    content: AsyncIterable<Uint8Array>,
    failed: (error: unknown) => void,
  ): () => void {
    const pieces = content[Symbol.asyncIterator]()
    let left: Uint8Array = END
    this.#open.set(id, {
      async exchange() {
        try {
          while (left.length === 0) {
            const next = await pieces.next()
            if (next.done) return END
            left = next.value
          }
        } catch (error) {
          failed(error)
          throw error
        }
        const piece = left.subarray(0, PIECE_BYTES_MAX)
        left = left.subarray(piece.length)
        return piece
      },
    })
    return () => {
      this.#open.delete(id)
      void pieces.return?.()
    }
  }

  /** @returns `undefined`: nobody waits for it. */
  exchange(id: string, piece: Uint8Array): Promise<Uint8Array> | undefined {
    return this.#open.get(id)?.exchange(piece)
  }
}
