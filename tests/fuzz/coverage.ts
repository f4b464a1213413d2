/**
 * Which code of the product was run: V8's precise block coverage, through Node's own inspector.
 *
 * A report says for each function that ran since the last report how often each of its blocks did.
 * Blocks come nested, and one that ran as often as the block around it is left out, so a block has
 * no name that is the same in each report. What is kept is therefore a bit for each character of
 * a function's source: whether a block that holds it ever ran.
 *
 * A report costs one to five milliseconds, so it is taken for many inputs at once.
 *
 * @module
 */
import { type Profiler, Session } from "node:inspector"

/** What ran that had not run before: characters of source, by function. */
export type News = readonly { readonly key: string; readonly at: readonly number[] }[]

export class CoverageMeter implements Disposable {
  readonly #session = new Session()
  readonly #isOurs: (url: string) => boolean
  readonly #known = new Map<string, Uint8Array>()
  #characters = 0

  constructor(isOurs: (url: string) => boolean) {
    this.#isOurs = isOurs
    this.#session.connect()
    this.#session.post("Profiler.enable")
    this.start()
  }

  /** Characters of source that ran so far. */
  get characters(): number {
    return this.#characters
  }

  start(): void {
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
  }

  /** Code runs as it does without a fuzzer until `start`. */
  stop(): void {
    this.#session.post("Profiler.stopPreciseCoverage")
  }

  /** What ran since the last report and is not known. */
  take(): News {
    let scripts: readonly Profiler.ScriptCoverage[] = []
    this.#session.post("Profiler.takePreciseCoverage", (failure, answer) => {
      if (failure) throw new Error("no coverage", { cause: failure })
      scripts = answer.result
    })
    const news: { key: string; at: number[] }[] = []
    for (const { scriptId, url, functions } of scripts) {
      if (!this.#isOurs(url)) continue
      for (const { ranges } of functions) {
        const [whole] = ranges
        if (whole === undefined) continue
        const key = `${scriptId} ${whole.startOffset} ${whole.endOffset}`
        const at = this.#unknown(key, ranges)
        if (at.length > 0) news.push({ key, at })
      }
    }
    return news
  }

  learn(news: News): void {
    for (const { key, at } of news) {
      const known = this.#known.get(key)
      for (const offset of at) {
        if (known?.[offset] === 0) this.#characters++
        if (known) known[offset] = 1
      }
    }
  }

  #unknown(key: string, ranges: readonly Profiler.CoverageRange[]): number[] {
    const from = ranges[0]?.startOffset ?? 0
    const length = (ranges[0]?.endOffset ?? 0) - from
    let known = this.#known.get(key)
    if (known === undefined) {
      known = new Uint8Array(length)
      this.#known.set(key, known)
    }
    const ran = new Uint8Array(length)
    // From the outermost to the innermost.
    for (const { startOffset, endOffset, count } of ranges) {
      ran.fill(count > 0 ? 1 : 0, startOffset - from, endOffset - from)
    }
    const at: number[] = []
    for (let i = 0; i < length; i++) if (ran[i] === 1 && known[i] === 0) at.push(i)
    return at
  }

  [Symbol.dispose](): void {
    this.#session.disconnect()
  }
}
