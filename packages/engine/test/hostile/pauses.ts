/**
 * How long the main thread was kept from its event loop, looked at every millisecond.
 *
 * A machine that has other things to do stops a thread as well, so each gap is told with the
 * processor time that this thread itself used in it: what is above a bound in both is ours.
 *
 * @module
 */

export interface Pauses extends Disposable {
  /** Longest gap by the clock, in milliseconds. */
  readonly wallMs: number
  /** Most processor time of this thread within one gap, in milliseconds. */
  readonly ownMs: number
}

export function watchPauses(): Pauses {
  let wallMs = 0
  let ownMs = 0
  let at = performance.now()
  let used = process.threadCpuUsage()
  const look = (): void => {
    const now = performance.now()
    const { user, system } = process.threadCpuUsage(used)
    wallMs = Math.max(wallMs, now - at - 1)
    ownMs = Math.max(ownMs, Math.min((user + system) / 1000, now - at))
    at = now
    used = process.threadCpuUsage()
  }
  const timer = setInterval(look, 1)
  return {
    get wallMs() {
      return wallMs
    },
    get ownMs() {
      return ownMs
    },
    [Symbol.dispose]() {
      look()
      clearInterval(timer)
    },
  }
}
