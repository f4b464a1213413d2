/**
 * `fulcrum-relay up`: runs a relay until it is told to end.
 *
 * @module
 */
import { describeFailure } from "./program-error.ts"
import { defaultHome } from "./relay-home.ts"
import { type RunningRelay, startRelay } from "./relay-program.ts"

/** From the signal to the end, in milliseconds; what was acknowledged is flushed long before. */
const END_MS = 950

export interface UpOptions {
  readonly home?: string
  readonly listen?: readonly string[]
  readonly http?: string
  readonly quota?: number
  readonly retain?: number
  readonly json: boolean
}

/** Resolves when the relay has ended; gives the exit status. */
export async function up(options: UpOptions): Promise<number> {
  const ended = Promise.withResolvers<void>()
  const stop = (): void => ended.resolve()
  process.once("SIGTERM", stop)
  process.once("SIGINT", stop)
  let relay: RunningRelay
  try {
    relay = await startRelay({
      home: options.home ?? (process.env.FULCRUM_HOME || defaultHome()),
      ...(options.listen && { listen: options.listen }),
      ...(options.http !== undefined && { http: options.http }),
      ...(options.quota !== undefined && { quotaBytes: options.quota }),
      ...(options.retain !== undefined && { retainDays: options.retain }),
      onFault: reportFault,
    })
  } catch (error) {
    const line = describeFailure(error)
    if (line === undefined) throw error
    process.stderr.write(`${line}\n`)
    return 1
  }
  process.stdout.write(options.json ? readyJson(relay) : readyText(relay))
  await ended.promise
  // A peer or a disk that hangs must not keep the program: nothing of value is only in memory.
  setTimeout(() => process.exit(0), END_MS).unref()
  await relay.close()
  return 0
}

function readyJson({ addresses, http }: RunningRelay): string {
  return `${JSON.stringify({ ready: true, addresses, http })}\n`
}

function readyText({ addresses, http }: RunningRelay): string {
  const lines = addresses.map((address, i) => `${i === 0 ? "address" : "       "}  ${address}`)
  return `${[...lines, `health   ${http}/health`, `metrics  ${http}/metrics`].join("\n")}\n`
}

/** Says that there was a fault, by kind: messages and stacks could hold more than a log may. */
function reportFault(error: unknown): void {
  const known = error instanceof Error && "code" in error ? String(error.code) : undefined
  const kind = error instanceof Error ? error.name : typeof error
  process.stderr.write(
    `fulcrum-relay: ${known ?? "FAULT"} one connection ended by ${kind}; please report it\n`,
  )
}
