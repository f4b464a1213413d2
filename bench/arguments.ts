/**
 * What `npm run bench` is told to do.
 *
 * @module
 */
import { parseArgs } from "node:util"

export interface BenchArguments {
  readonly compare: boolean
  readonly relayed: boolean
  readonly growth: boolean
  readonly devices: boolean
  readonly counts: boolean
  readonly quick: boolean
  readonly updateBaseline: boolean
  readonly history: number | undefined
  readonly later: number | undefined
  readonly opening: number | undefined
  readonly idle: number | undefined
  /** Of how many MiB. */
  readonly attachment: number | undefined
  readonly profile: string | undefined
}

export const USAGE = `usage: npm run bench -- [--quick | --counts [--update-baseline]] [--profile FOLDER]
       npm run bench -- --compare
       npm run bench -- --relayed [--profile FOLDER]
       npm run bench -- --growth
       npm run bench -- --devices
       npm run bench -- --history EDITS
       npm run bench -- --later EDITS
       npm run bench -- --opening DOCUMENTS
       npm run bench -- --idle DEVICES
       npm run bench -- --attachment MIB [--profile FOLDER]
What each does is in bench/README.md.`

/** @returns `undefined`: it was asked how to use it. @throws {TypeError} It cannot be used so. */
export function readBenchArguments(args: readonly string[]): BenchArguments | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      compare: { type: "boolean", default: false },
      relayed: { type: "boolean", default: false },
      growth: { type: "boolean", default: false },
      devices: { type: "boolean", default: false },
      counts: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      history: { type: "string" },
      later: { type: "string" },
      opening: { type: "string" },
      idle: { type: "string" },
      attachment: { type: "string" },
      "update-baseline": { type: "boolean", default: false },
      profile: { type: "string" },
    },
  })
  if (values.help) return undefined
  const { compare, relayed, growth, devices, counts, quick, profile } = values
  const { history, later, opening, idle, attachment } = values
  return {
    ...{ compare, relayed, growth, devices, counts, quick, profile },
    updateBaseline: values["update-baseline"],
    history: history === undefined ? undefined : countOf("history", history),
    later: later === undefined ? undefined : countOf("later", later),
    opening: opening === undefined ? undefined : countOf("opening", opening),
    idle: idle === undefined ? undefined : countOf("idle", idle),
    attachment: attachment === undefined ? undefined : countOf("attachment", attachment),
  }
}

function countOf(name: string, typed: string): number {
  const count = Number(typed)
  if (Number.isSafeInteger(count) && count > 0) return count
  throw new TypeError(`--${name} takes a number of 1 and more, not '${typed}'`)
}
