/**
 * Commands that go on: an answer at once, and another whenever it changed.
 *
 * With `--json` the first line is `{"ready":true,"addresses":[]}`.
 *
 * @module
 */
import type { PersonEvent } from "@fulcrum/engine/person"
import type { CommandContext, Outcome } from "../command.ts"

export interface Watched {
  readonly events: readonly PersonEvent[]
  look(): Promise<{ readonly outcome: Outcome; readonly isLast: boolean }>
}

/** Several changes within this time are shown as one. */
const QUIET_MS = 100

/** Ends with the last answer, or with the signal. */
export async function watch(context: CommandContext, watched: Watched): Promise<void> {
  const { person, io, clock, signal, goOnline } = context
  let wake: (() => void) | undefined
  let isStale = true
  const stop = person.onChange((event) => {
    if (!watched.events.includes(event)) return
    isStale = true
    wake?.()
  })
  const interrupt = (): void => wake?.()
  signal.addEventListener("abort", interrupt)
  try {
    await goOnline({ listen: false })
    io.emit({ document: { ready: true, addresses: [] }, text: "" })
    let shown: string | undefined
    while (!signal.aborted) {
      if (!isStale) {
        await new Promise<void>((resolve) => {
          wake = resolve
          if (isStale || signal.aborted) resolve()
        })
        if (signal.aborted) return
        await clock.sleep(QUIET_MS)
      }
      isStale = false
      const { outcome, isLast } = await watched.look()
      const text = JSON.stringify(outcome)
      if (text !== shown) io.emit(outcome)
      shown = text
      if (isLast) return
    }
  } finally {
    signal.removeEventListener("abort", interrupt)
    stop()
  }
}
