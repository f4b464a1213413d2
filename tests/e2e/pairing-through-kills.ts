/**
 * Pairing as a script does it that is cut off at any moment: what died is started, the command
 * that was cut is typed again, and a code that is used up is replaced by a new one.
 *
 * @module
 */
import type { Device } from "../harness/device.ts"
import type { KillingStage } from "../harness/killing-stage.ts"
import { joinArgs, shownBy } from "../harness/pairing.ts"
import { codeIn, type Running } from "../harness/programs.ts"
import { until } from "../harness/until.ts"

const ATTEMPTS_MAX = 12
/** A device that was cut off after approval looks for the other one this long. */
const TURN_MS_MAX = 80_000

export interface PairedThroughKills {
  /** Every code that was shown, the last one the one that worked. */
  readonly codes: readonly string[]
  /** How each command ended that did not end well: a code, or the signal that killed it. */
  readonly endings: readonly string[]
}

/**
 * @param code - One that was shown before, for a pairing that goes on.
 * @throws If it does not come to an end.
 */
export async function pairThroughKills(
  stage: KillingStage,
  host: Device,
  guest: Device,
  code?: string,
): Promise<PairedThroughKills> {
  const codes: string[] = code === undefined ? [] : [code]
  const endings: string[] = []
  let pair: Running | undefined
  let join: Running | undefined
  let isAdded = false
  let hasJoined = false
  /** Whether the latest `join` has ended, and it is known how. */
  let isSeen = false
  let goesOn = false
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    await stage.raise()
    if (!isAdded && (pair === undefined || pair.ended)) {
      pair = await host.start("pair", "--yes")
      stage.attend(pair)
      const shown = await shownBy(pair)
      goesOn = typeof shown === "string"
      if (typeof shown === "object") codes.push(shown.code)
    }
    const newest = codes.at(-1)
    // A `pair` that goes on waits for the newcomer: the same command there brings it back.
    const isJoinDue = join === undefined || (isSeen && (!hasJoined || goesOn))
    if (newest !== undefined && isJoinDue && !(pair?.ended && !isAdded)) {
      join = await guest.start(...joinArgs(newest, guest), "--yes")
      stage.attend(join)
      isSeen = false
      hasJoined = false
    }
    const ends = () => (!isAdded && pair?.ended) || (!hasJoined && join?.ended)
    const what = "an end of `pair` or `join`"
    await until(ends, { what, timeoutMs: TURN_MS_MAX, everyMs: 50 }).catch((cause: unknown) => {
      const said = [
        `codes ${codes.join(", ")}; endings ${endings.join(", ")}`,
        `pair ${isAdded ? "added" : "waits"}: ${pair?.lines.join(" ")} ${pair?.stderr}`,
        `join ${hasJoined ? "joined" : "waits"}: ${join?.lines.join(" ")} ${join?.stderr}`,
      ]
      throw new Error(`${String(cause)}\n${said.join("\n")}`, { cause })
    })
    if (!hasJoined && join?.ended) {
      isSeen = true
      const { ending, isDone } = await endOf(join)
      hasJoined = isDone
      if (!isDone) endings.push(`join ${ending}`)
      // Its code is used up, and whoever showed it is told so by the failure: a new one is needed.
      if (ending.startsWith("PAIR_")) pair?.kill("SIGINT")
      if (ending.startsWith("PAIR_")) await pair?.finished
    }
    if (!isAdded && pair?.ended) {
      const { ending, isDone } = await endOf(pair)
      isAdded = isDone
      if (!isDone) endings.push(`pair ${ending}`)
    }
    if (isAdded && hasJoined) return { codes, endings }
  }
  throw new Error(`not paired after ${ATTEMPTS_MAX} attempts: ${endings.join(", ")}`)
}

async function endOf(
  running: Running,
): Promise<{ readonly ending: string; readonly isDone: boolean }> {
  const { status, signal, stderr } = await running.finished
  const ending = signal ?? codeIn(stderr) ?? String(status)
  const isTold = running.lines.some((line) => line.startsWith('{"device":'))
  return { ending, isDone: status === 0 || isTold }
}
