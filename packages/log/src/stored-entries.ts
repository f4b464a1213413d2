/**
 * Entries as they are read back: opened from the spans they are kept in, in the order in which they
 * arrived, or by their place in their log.
 *
 * A merge may take in a span between the reading of its record and of its bytes; whoever reads then
 * looks again.
 *
 * @module
 */
import { type AdmittedEntry, admittedEntries, announcementOf } from "./admitted-entry.ts"
import { type ChainHash, type IncarnationId, idKey } from "./ids.ts"
import { LogError } from "./log-error.ts"
import type { NamedRun, StoredSpan } from "./log-records.ts"
import type { LogTables } from "./log-tables.ts"
import type { Span } from "./span.ts"
import type { SpanEntry } from "./span-entries.ts"
import { type LogSecrets, openStored } from "./stored-span.ts"

/** Spans kept open: as many as there are lines that are likely to have been written in turn. */
const OPENED_MAX = 8

/** Spans whose chain hashes are kept, 256 KiB each at most. */
const CHAINS_MAX = 16

/** How often a record is read again whose span was merged meanwhile: each merge takes in more. */
const LOOKS_MAX = 16

interface Opened {
  readonly span: Span
  readonly entries: readonly SpanEntry[]
}

export class StoredEntries {
  readonly #tables: LogTables
  /** Chain hashes of spans that were asked for, so that many questions about one open it once. */
  readonly #chains = new Map<string, readonly ChainHash[]>()
  readonly #secrets: LogSecrets

  constructor(tables: LogTables, secrets: LogSecrets) {
    this.#tables = tables
    this.#secrets = secrets
  }

  /**
   * Runs whose last entry arrived at `from` or later, before `to`, in the order of arrival.
   *
   * @throws {LogError} `LOG_SEAL` when the keyring lacks an epoch by the time its span is read.
   */
  async *runs(
    from: number,
    to?: number,
  ): AsyncIterable<{ readonly arrival: number; readonly entries: readonly AdmittedEntry[] }> {
    const opened = new Map<string, Opened>()
    for await (const run of this.#tables.runsByArrival(from, to)) {
      const { arrival } = run
      if ("bytes" in run) yield { arrival, entries: this.#ofStored(run) }
      else yield { arrival, entries: await this.#ofNamed(run, opened) }
    }
  }

  /** Entries whose arrival number is above `arrival`, in that order. @throws {LogError} As `runs`. */
  async *entriesAfter(arrival: number): AsyncIterable<AdmittedEntry> {
    // A span whose first write failed but landed all the same may be on disk twice.
    const reached = new Map<string, number>()
    for await (const { entries } of this.runs(arrival + 1)) {
      for (const entry of entries) {
        const key = idKey(entry.incarnation)
        if (entry.arrival <= arrival || entry.sequence <= (reached.get(key) ?? 0)) continue
        reached.set(key, entry.sequence)
        yield entry
      }
    }
  }

  /** The chain hash of an entry that is here. */
  async chainAt(incarnation: IncarnationId, sequence: number): Promise<ChainHash | undefined> {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const record = await this.#tables.recordOf(incarnation, sequence)
      if (record === undefined) return undefined
      if (record.end === sequence) return record.chainEnd
      const key = `${record.start} ${record.arrival}`
      let chains = this.#chains.get(key)
      if (chains === undefined) {
        const [stored] = await this.#tables.spansAt([record.arrival])
        if (stored === undefined) continue
        const { span, entries } = openStored(stored.bytes, this.#secrets)
        if (span.header.start !== record.start) continue
        chains = entries.map(({ chain }) => chain)
      }
      remember(this.#chains, key, chains, CHAINS_MAX)
      return chains[sequence - record.start]
    }
    throw lost()
  }

  #ofStored({ arrival, skipped, kept, bytes }: StoredSpan): readonly AdmittedEntry[] {
    return admitted(openStored(bytes, this.#secrets), skipped, kept, arrival)
  }

  async #ofNamed(run: NamedRun, opened: Map<string, Opened>): Promise<readonly AdmittedEntry[]> {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const record = await this.#tables.recordOf(run.incarnation, run.from, run.end)
      if (record === undefined) break
      const key = `${record.start} ${record.arrival}`
      let open = opened.get(key)
      if (open === undefined) {
        const [stored] = await this.#tables.spansAt([record.arrival])
        if (stored === undefined) continue
        open = openStored(stored.bytes, this.#secrets)
      }
      remember(opened, key, open, OPENED_MAX)
      const { start } = open.span.header
      return admitted(open, run.from - start, run.end - start + 1, run.arrival)
    }
    throw lost()
  }
}

function admitted(
  { span, entries }: Opened,
  from: number,
  to: number,
  lastArrival: number,
): readonly AdmittedEntry[] {
  const { writer, start } = span.header
  const end = start + to - 1
  const announces = announcementOf(span)
  return admittedEntries({ writer, end, lastArrival, announces }, entries.slice(from, to))
}

/** Of what is kept so, that goes first which was used the longest ago. */
function remember<T>(kept: Map<string, T>, key: string, value: T, most: number): void {
  kept.delete(key)
  const [oldest] = kept.keys()
  if (oldest !== undefined && kept.size >= most) kept.delete(oldest)
  kept.set(key, value)
}

function lost(): LogError {
  return new LogError("LOG_CHAIN", "entries of which the span is gone")
}
