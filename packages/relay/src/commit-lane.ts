/**
 * A commit lane: one mailbox's changes, one after another, flushed together.
 *
 * While a batch is being flushed, further changes wait and make the next batch, so a busy mailbox
 * costs one flush for many appends, and no change ever sees a state that was not durable. If a
 * flush fails, all of its changes fail, and the state is read again from the disk: a disk that
 * fails does not say how far it got.
 *
 * @module
 */

/** Changes in one batch; with `BATCH_BYTES_MAX` it bounds the size of one atomic write. */
const BATCH_CHANGES_MAX = 512
const BATCH_BYTES_MAX = 8 * 1024 * 1024

/** What a batch of changes has come to so far. */
export interface Draft<State, Op> {
  /** Replaced, never mutated, by a change. */
  state: State
  readonly ops: Op[]
  /** Undone if the flush fails: what was reserved elsewhere. */
  readonly undo: (() => void)[]
  /** Done once the flush is through. */
  readonly after: (() => void)[]
  /** What was durable when the batch began. */
  readonly base: State
  /** What earlier changes of this batch want later ones to find, under names of their choosing. */
  readonly notes: Map<string, Uint8Array>
}

/** Checks first and throws, then changes the draft: never half. */
export type Change<State, Op, T> = (draft: Draft<State, Op>) => T | Promise<T>

export interface CommitLane<State, Op> {
  /**
   * Resolves with the change's result once it is durable.
   *
   * @param bytes - About how much the change writes; bounds the batch.
   */
  run<T>(change: Change<State, Op, T>, bytes?: number): Promise<T>
  readonly idle: boolean
}

interface Waiting<State, Op> {
  readonly bytes: number
  /** Applies the change; gives what to call once the flush ended, or nothing if it was refused. */
  apply(draft: Draft<State, Op>): Promise<((failure: unknown) => void) | undefined>
  refuse(error: unknown): void
}

/**
 * @param load - Reads the durable state; called before the first batch and after a failed flush.
 * @param flush - Makes the ops and the state durable; called only if there is something new.
 * @param failed - Makes of a disk's failure the error that the changes' callers get.
 */
export function createCommitLane<State, Op>(options: {
  load(): Promise<State>
  flush(draft: Draft<State, Op>): Promise<void>
  failed(error: unknown): unknown
}): CommitLane<State, Op> {
  const queue: Waiting<State, Op>[] = []
  let current: { state: State } | undefined
  let running = false

  async function work(): Promise<void> {
    running = true
    while (queue.length > 0) {
      const batch = take(queue)
      try {
        current ??= { state: await options.load() }
      } catch (error) {
        for (const waiting of batch) waiting.refuse(options.failed(error))
        continue
      }
      const draft: Draft<State, Op> = {
        state: current.state,
        ops: [],
        undo: [],
        after: [],
        base: current.state,
        notes: new Map(),
      }
      const settles: ((failure: unknown) => void)[] = []
      for (const waiting of batch) {
        const settle = await waiting.apply(draft)
        if (settle !== undefined) settles.push(settle)
      }
      let failure: unknown
      try {
        if (draft.ops.length > 0 || draft.state !== draft.base) await options.flush(draft)
        current = { state: draft.state }
        for (const done of draft.after) done()
      } catch (error) {
        failure = options.failed(error)
        current = undefined
        for (const undo of draft.undo) undo()
      }
      for (const settle of settles) settle(failure)
    }
    running = false
  }

  return {
    get idle() {
      return !running
    },
    run<T>(change: Change<State, Op, T>, bytes = 0): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        queue.push({
          bytes,
          async apply(draft) {
            try {
              const result = await change(draft)
              return (failure) => (failure === undefined ? resolve(result) : reject(failure))
            } catch (error) {
              reject(error)
              return undefined
            }
          },
          refuse: reject,
        })
        if (!running) void work()
      })
    },
  }
}

function take<State, Op>(queue: Waiting<State, Op>[]): Waiting<State, Op>[] {
  let bytes = 0
  let count = 0
  for (const waiting of queue) {
    if (count > 0 && (count >= BATCH_CHANGES_MAX || bytes + waiting.bytes > BATCH_BYTES_MAX)) break
    bytes += waiting.bytes
    count++
  }
  return queue.splice(0, count)
}
