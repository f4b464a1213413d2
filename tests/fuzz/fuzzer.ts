/**
 * The loop: takes an input that was worth keeping, changes it, gives it to the target, and keeps it
 * too if it ran code that none before it did.
 *
 * Coverage is taken once for many inputs. Where it shows something new, halves of them are run
 * again until the inputs are found that ran it. All chance is from the seed and nothing depends on
 * time, so a run is repeated by its seed, its number of inputs, and how many of them are guided.
 *
 * @module
 */
import { Corpus } from "./corpus.ts"
import type { CoverageMeter } from "./coverage.ts"
import { Dice } from "./dice.ts"
import { collectGarbage, type Find, Judge, memoryInUse, type Verdict } from "./judge.ts"
import { BATCH_INPUTS, FINDS_MAX } from "./limits.ts"
import { minimise } from "./minimise.ts"
import { INPUT_BYTES_MAX, Mutator } from "./mutate.ts"
import type { FuzzTarget, OpenTarget } from "./target.ts"

export interface FuzzOptions {
  readonly target: FuzzTarget
  readonly open: OpenTarget
  readonly kept: readonly Uint8Array[]
  readonly seed: string
  readonly runs: number
  /** Absent: nothing that is run is kept, and chance alone is left. */
  readonly coverage: CoverageMeter | undefined
  /** After so many, what they kept is changed by chance alone, at many times the pace; absent: never. */
  readonly guided?: number | undefined
  /** Called with each input before it is run: should it never end, it is known. */
  readonly before?: (input: Uint8Array) => void
  readonly progress?: (report: FuzzReport) => void
}

export interface FoundInput extends Find {
  readonly input: Uint8Array
  /** How many inputs had been run. */
  readonly at: number
}

export interface FuzzReport {
  /** Inputs that were run, but for those that were run again to find out more. */
  readonly runs: number
  /** Those that were run again. */
  readonly again: number
  readonly corpus: number
  /** Characters of the product's source that ran. */
  readonly covered: number
  readonly outcomes: number
  /** Memory that stayed in use after a collection, at the first measurement and the most since. */
  readonly heapFirst: number
  readonly heapMost: number
  /** Time on the processor, in milliseconds. */
  readonly cpuMs: number
  readonly finds: readonly FoundInput[]
}

/** Measured after so many batches, once the code is warm. */
const MEMORY_EVERY = 32
/** What the loop itself may come to hold, the corpus aside. */
const MEMORY_GROWTH_MAX: number = 64 << 20
const OUTCOMES_MAX = 8192

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const run = new FuzzRun(options)
  return await run.all()
}

class FuzzRun {
  readonly #options: FuzzOptions
  readonly #judge: Judge
  readonly #dice: Dice
  readonly #mutator: Mutator
  readonly #corpus = new Corpus()
  readonly #outcomes = new Set<string>()
  readonly #finds = new Map<string, FoundInput>()
  readonly #begunCpuMs = cpuMs()
  /** As long as it guides. */
  #meter: CoverageMeter | undefined
  #runs = 0
  #again = 0
  #heapFirst = 0
  #heapMost = 0

  constructor(options: FuzzOptions) {
    this.#options = options
    const { target, seed } = options
    this.#meter = options.coverage
    this.#judge = new Judge(options.open, async (measure) => {
      this.#meter?.stop()
      await measure()
      this.#meter?.start()
    })
    this.#dice = new Dice(`${target.name} ${seed}`)
    this.#mutator = new Mutator(this.#dice, {
      form: target.form,
      isSequence: target.isSequence ?? false,
      bytesMax: target.bytesMax ?? INPUT_BYTES_MAX,
      tokens: target.tokens ?? [],
    })
  }

  get report(): FuzzReport {
    return {
      runs: this.#runs,
      again: this.#again,
      corpus: this.#corpus.size,
      covered: this.#options.coverage?.characters ?? 0,
      outcomes: this.#outcomes.size,
      heapFirst: this.#heapFirst,
      heapMost: this.#heapMost,
      cpuMs: cpuMs() - this.#begunCpuMs,
      finds: [...this.#finds.values()],
    }
  }

  async all(): Promise<FuzzReport> {
    const { open, kept, target, runs, guided = runs } = this.#options
    const begin = [...open.seeds, ...kept]
    for (const input of begin) this.#corpus.add(input)
    await this.#batch(begin)
    const full = target.batch ?? BATCH_INPUTS
    // Nearly everything is new at first.
    let size = Math.min(8, full)
    for (let batches = 1; this.#runs < runs && this.#finds.size < FINDS_MAX; batches++) {
      if (this.#runs >= guided) this.#goBlind()
      const inputs: Uint8Array[] = []
      for (let i = Math.min(size, runs - this.#runs); i > 0; i--) {
        const parent = this.#corpus.pick(this.#dice)
        inputs.push(this.#mutator.mutate(parent, this.#corpus.pick(this.#dice)))
      }
      await this.#batch(inputs)
      size = Math.min(full, size + 8)
      if (batches % MEMORY_EVERY === 0) this.#measureMemory()
      this.#options.progress?.(this.report)
    }
    return this.report
  }

  #goBlind(): void {
    this.#meter?.stop()
    this.#meter = undefined
  }

  async #batch(inputs: readonly Uint8Array[]): Promise<void> {
    const coverage = this.#meter
    // What the mutators ran of the product is no news.
    coverage?.take()
    for (const input of inputs) {
      this.#runs++
      const verdict = await this.#run(input)
      if (verdict.find) {
        await this.#found(input, verdict.find)
        if (this.#finds.size >= FINDS_MAX) return
      } else if (coverage && this.#isNewOutcome(verdict.outcome ?? "")) this.#corpus.add(input)
    }
    await this.#untended(inputs)
    if (coverage === undefined) return
    const news = coverage.take()
    if (news.length === 0) return
    await this.#whose(inputs, coverage)
    // What a second run of the same inputs does not reach again, such as what is done once only.
    coverage.learn(news)
  }

  /** Finds the inputs that run what is not known, and keeps them. */
  async #whose(inputs: readonly Uint8Array[], coverage: CoverageMeter): Promise<void> {
    coverage.take()
    for (const input of inputs) {
      this.#again++
      await this.#run(input)
    }
    const news = coverage.take()
    if (news.length === 0) return
    const [only] = inputs
    if (inputs.length === 1 && only) {
      coverage.learn(news)
      this.#corpus.add(only)
      return
    }
    const half = inputs.length >> 1
    await this.#whose(inputs.slice(0, half), coverage)
    await this.#whose(inputs.slice(half), coverage)
  }

  #run(input: Uint8Array): Verdict | Promise<Verdict> {
    this.#options.before?.(input)
    return this.#judge.judge(input)
  }

  #isNewOutcome(outcome: string): boolean {
    if (this.#outcomes.has(outcome) || this.#outcomes.size >= OUTCOMES_MAX) return false
    this.#outcomes.add(outcome)
    return true
  }

  async #found(input: Uint8Array, find: Find): Promise<void> {
    if (this.#finds.has(find.key)) return
    const isSame = async (smaller: Uint8Array) => (await this.#run(smaller)).find?.key === find.key
    const smallest = await minimise(input, isSame, find.key === "slow" ? 40 : 2000)
    this.#finds.set(find.key, { ...find, input: smallest, at: this.#runs })
  }

  /** A rejection that nobody takes care of is noticed a turn later: whose it was is found then. */
  async #untended(inputs: readonly Uint8Array[]): Promise<void> {
    await turn()
    const [untended] = takeUntended()
    if (untended === undefined) return
    for (const input of inputs) {
      await this.#run(input)
      await turn()
      const [own] = takeUntended()
      if (own === undefined) continue
      const find = { ...own, key: `untended ${own.key}` }
      this.#finds.set(find.key, { ...find, input, at: this.#runs })
      return
    }
    const input = inputs[0] ?? new Uint8Array()
    this.#finds.set(untended.key, { ...untended, input, at: this.#runs })
  }

  #measureMemory(): void {
    collectGarbage()
    const inUse = memoryInUse() - this.#corpus.bytes
    if (this.#heapFirst === 0) this.#heapFirst = inUse
    this.#heapMost = Math.max(this.#heapMost, inUse)
    if (inUse - this.#heapFirst <= MEMORY_GROWTH_MAX) return
    const grown = Math.round((inUse - this.#heapFirst) / 1e6)
    const message = `${grown} MB stay in use after ${this.#runs} inputs`
    const input = new Uint8Array()
    this.#finds.set("grows", { key: "grows", message, input, at: this.#runs })
  }
}

const untended: Find[] = []

/** For the process that runs the loop: what nobody caught. */
export function noteUntended(find: Find): void {
  untended.push(find)
}

function takeUntended(): readonly Find[] {
  return untended.splice(0)
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
