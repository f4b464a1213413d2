/**
 * Turns for the clock of a run.
 *
 * Node runs what was asked for at its next tick once no promise job is left, which is all that the
 * clock wants to know, and goes without the look at files and sockets that a turn of the event
 * loop begins with (17 µs, measured). Every so often one is taken all the same: only then does Node
 * report rejections that nobody took care of, and messages of this process's parent.
 *
 * Source: Node's documentation, "When to use `queueMicrotask()` vs. `process.nextTick()`".
 *
 * @module
 */
const LOOP_EVERY = 32

/**
 * For one run: where in it the loop is gone to does not depend on the runs before it, unless it is
 * the first that needs a town, which is settled by its turns.
 *
 * @returns Resolves once no promise job is left.
 */
export function turns(): () => Promise<void> {
  let taken = 0
  return () =>
    new Promise((resolve) => {
      if (++taken % LOOP_EVERY === 0) setImmediate(resolve)
      else process.nextTick(resolve)
    })
}
