/**
 * How quickly an attachment goes from one device to another, durable there, beside as many bytes over
 * a bare libp2p stream (Noise, yamux) between the same two processes, which keeps nothing.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { attachmentShape } from "@fulcrum/attachments/format"
import { startChild } from "../child.ts"
import { fieldsOf, number, text } from "../json-fields.ts"
import { startForeignTime } from "../processor-time.ts"
import { type Summary, summarise } from "../statistics.ts"
import { formatNumber, formatSummary, formatTable } from "../table.ts"

export const ATTACHMENT = "attachment"

const ROUNDS = 5
const MB = 1e6
const MIB = 2 ** 20

export interface AttachmentReport {
  readonly bytes: number
  /** Of list and chunks: what goes over the wire, but for the stream's own frames. */
  readonly sealedBytes: number
  /** MB a second. */
  readonly sealing: number
  readonly raw: Summary
  readonly rawAgain: Summary
  readonly fetched: Summary
  /** The most that the fetching process ever took, both ways of fetching together. */
  readonly maxRssBytes: number
  readonly foreignCores: number
}

export interface AttachmentOptions {
  readonly bytes: number
  readonly profileFolder?: string | undefined
  /** Absent: {@link ROUNDS}. */
  readonly rounds?: number
  progress(what: string): void
}

export async function runAttachment(options: AttachmentOptions): Promise<AttachmentReport> {
  const { bytes, profileFolder, progress, rounds: roundCount = ROUNDS } = options
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-attachment-"))
  try {
    const start = (script: string, task: object) =>
      startChild({ script, argument: JSON.stringify(task), profileFolder })
    progress("attaching it")
    await using holder = start("attachment/holder-process.ts", { folder, bytes })
    const held = fieldsOf(await holder.line())
    const [at, raw] = [text(held, "at"), text(held, "raw")]
    holder.send("pair")
    const code = text(fieldsOf(await holder.line()), "code")
    await using fetcher = start("attachment/fetcher-process.ts", { folder, bytes, at, raw, code })
    await fetcher.line()
    const foreign = startForeignTime([holder.pid, fetcher.pid, process.pid])
    let maxRssBytes = 0
    const fetch = async (what: "raw" | "sealed"): Promise<number> => {
      fetcher.send(what)
      const told = fieldsOf(await fetcher.line())
      maxRssBytes = number(told, "maxRssBytes")
      return bytes / MB / (number(told, "ms") / 1000)
    }
    const rates: Record<"raw" | "again" | "sealed", number[]> = { raw: [], again: [], sealed: [] }
    for (let round = 0; round <= roundCount; round++) {
      progress(`round ${round} of ${roundCount}`)
      const [first, sealed, again] = [await fetch("raw"), await fetch("sealed"), await fetch("raw")]
      // The first of all meets everything for the first time.
      if (round === 0) continue
      rates.raw.push(first)
      rates.sealed.push(sealed)
      rates.again.push(again)
    }
    return {
      bytes,
      sealedBytes: attachmentShape(bytes).fileBytes,
      sealing: bytes / MB / (number(held, "sealMs") / 1000),
      raw: summarise(rates.raw),
      rawAgain: summarise(rates.again),
      fetched: summarise(rates.sealed),
      maxRssBytes,
      foreignCores: foreign(),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export function formatAttachment(report: AttachmentReport): string {
  const { bytes, raw, rawAgain, fetched, sealing, maxRssBytes, foreignCores } = report
  const share = (one: Summary): string => `${formatNumber((100 * one.median) / raw.median)} %`
  const table = formatTable([
    [`${formatNumber(bytes / MIB)} MiB`, "MB a second", "of the stream"],
    ["a bare libp2p stream, nothing kept", formatSummary(raw), ""],
    ["the same again (noise)", formatSummary(rawAgain), share(rawAgain)],
    ["fetched, checked and durable", formatSummary(fetched), share(fetched)],
  ])
  return [
    table,
    `sealed and durable when it was attached: ${formatNumber(sealing)} MB a second`,
    `${report.sealedBytes.toLocaleString("en")} bytes sealed; the fetching process took ${formatNumber(maxRssBytes / MIB)} MiB at most; others' cores ${formatNumber(foreignCores)}`,
  ].join("\n")
}
