/**
 * Work whose helpers end with it: sleeps and waits that it began and no longer needs.
 *
 * @module
 */

/** One for all: making an error costs more than most of what is ended with it. */
const OVER = new Error("the work is over")

/** Runs `work` under a signal that fires when `signal` does, and once the work has ended. */
export async function inScope<T>(
  signal: AbortSignal,
  work: (scope: AbortSignal) => Promise<T>,
): Promise<T> {
  const scope = new AbortController()
  const end = () => scope.abort(signal.reason)
  if (signal.aborted) end()
  else signal.addEventListener("abort", end, { once: true })
  try {
    return await work(scope.signal)
  } finally {
    signal.removeEventListener("abort", end)
    scope.abort(OVER)
  }
}
