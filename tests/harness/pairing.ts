/**
 * Adding a device as two people at two screens would: one reads out the code, both compare the
 * check words, one approves.
 *
 * @module
 */
import { Device } from "./device.ts"
import { codeIn, type Finished, type Running, type Stage } from "./programs.ts"
import { until } from "./until.ts"

export interface Pairing {
  readonly pair: Finished
  readonly join: Finished
  /** The check words were seen on both screens and are the same. */
  readonly compared: boolean
}

/** Moments at which a test may want to step in. */
export interface PairingMoments {
  readonly onStart?: (pair: Running) => void
  readonly onCode?: (code: string) => void
  readonly onJoin?: (join: Running) => void
}

/** Runs `pair` on one and `join` on the other to their ends; either may fail. */
export async function pairDevices(
  host: Device,
  guest: Device,
  moments: PairingMoments = {},
): Promise<Pairing> {
  const pair = await host.start("pair")
  moments.onStart?.(pair)
  const shown = await shownBy(pair)
  if (typeof shown === "string") {
    return { pair: await pair.finished, join: NOT_STARTED, compared: false }
  }
  const { code } = shown
  moments.onCode?.(code)
  const join = await guest.start(...joinArgs(code, guest))
  moments.onJoin?.(join)
  const compared = await compareWords(pair, join)
  if (!compared && !pair.ended && codeIn(join.stderr) !== undefined) {
    // The guest has failed: whoever sits at the other screen gives up.
    await join.finished
    pair.kill("SIGINT")
  }
  return { pair: await pair.finished, join: await join.finished, compared }
}

/** Pairs two devices. @throws If it does not work. */
export async function addDevice(
  stage: Stage,
  host: Device,
  name: string,
): Promise<{ readonly device: Device }> {
  const device = new Device(stage, { name, relay: host.relay })
  const { pair, join, compared } = await pairDevices(host, device)
  if (pair.status !== 0 || join.status !== 0 || !compared) {
    throw new Error(`pairing failed\npair: ${pair.stderr}\njoin: ${join.stderr}`)
  }
  return { device }
}

const NOT_STARTED: Finished = { status: null, signal: null, stdout: "", stderr: "" }

export function joinArgs(code: string, guest: Device): readonly string[] {
  return ["join", code, "--relay", guest.relay, "--name", guest.name, "--no-passphrase"]
}

/**
 * The code that `pair` shows; `resumed` if it goes on with a device that was approved before, and
 * `ended` if it ends without either.
 */
export async function shownBy(
  pair: Running,
): Promise<{ readonly code: string } | "resumed" | "ended"> {
  return await until(
    () => {
      const line = pair.lines.find((text) => text.includes('"code"'))
      if (line !== undefined) return JSON.parse(line)
      if (pair.stderr.includes("Going on to add")) return "resumed"
      return pair.ended && "ended"
    },
    { what: "a pairing code", everyMs: 25 },
  )
}

/** Answers both questions with yes if both show the same words, else both with no. */
export async function compareWords(pair: Running, join: Running): Promise<boolean> {
  const seen = await until(
    () => {
      if (pair.ended || join.ended) return { hosts: undefined, guests: undefined }
      const hosts = hostWords(pair)
      const guests = /Check words: (.+)/.exec(join.stderr)?.[1]
      return hosts !== undefined && guests !== undefined && { hosts, guests }
    },
    { what: "check words on both screens", everyMs: 25 },
  )
  if (seen.hosts === undefined) return false
  const same = seen.hosts === seen.guests
  for (const screen of [join, pair]) screen.write(same ? "y\n" : "n\n", { end: true })
  return same
}

function hostWords(pair: Running): string | undefined {
  const line = pair.lines.find((text) => text.includes('"asking"'))
  if (line === undefined) return undefined
  const { asking }: { readonly asking: { readonly words: readonly string[] } } = JSON.parse(line)
  return asking.words.join(" ")
}
