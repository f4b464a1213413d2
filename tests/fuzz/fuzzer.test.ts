import { describe, expect, test } from "vitest"
import { Dice } from "./dice.ts"
import { joinMessages, splitMessages } from "./messages.ts"
import { minimise } from "./minimise.ts"
import { Mutator } from "./mutate.ts"
import { WorkerThread } from "./worker-thread.ts"

const program = new URL("./broken-worker.ts", import.meta.url)
const RUNS = 200_000

async function fuzzed(
  target: string,
  runs: number,
  more: { isBlind?: boolean; seed?: string } = {},
) {
  await using thread = new WorkerThread({ program, hangMs: 2_000 })
  return await thread.run({ target, seed: "1", runs, ...more })
}

describe("the fuzzer", () => {
  test("[E7] finds what lies behind four bytes, by what code the inputs ran", async () => {
    const { finds, runs } = await fuzzed("buried", RUNS)
    expect(finds.map(({ message }) => message.split("\n")[0])).toEqual([
      "TypeError: not a function",
    ])
    expect(runs).toBeLessThanOrEqual(RUNS + 1)
    const [found] = finds
    // Nothing is left in it that is not needed.
    expect([...(found?.input ?? [])]).toEqual([0xca, 0, 0, 0xfe, 0, 0, 0xba, 0, 0, 0xbe])
  }, 60_000)

  test("[E7] and not without", async () => {
    const { finds, runs } = await fuzzed("buried", RUNS, { isBlind: true })
    expect(finds).toEqual([])
    expect(runs).toBeGreaterThanOrEqual(RUNS)
  }, 60_000)

  test("[E7] does the same again for the same seed, and something else for another", async () => {
    const [one, same, other] = await Promise.all([
      fuzzed("buried", 3000, { seed: "a" }),
      fuzzed("buried", 3000, { seed: "a" }),
      fuzzed("buried", 3000, { seed: "b" }),
    ])
    const shown = ({ runs, again, corpus, covered }: typeof one) => [runs, again, corpus, covered]
    expect(shown(one)).toEqual(shown(same))
    expect(shown(one)).not.toEqual(shown(other))
  }, 60_000)

  test.each([
    ["endless", "hangs", 7],
    ["exits", "died", 5],
    ["untended", /^untended TypeError nobody waits/, 9],
    ["wrong-error", /^RangeError Invalid array length/, 3],
  ])(
    "[E7] finds what is %s",
    async (target, key, first) => {
      const { finds } = await fuzzed(target, 40_000)
      expect(finds).toHaveLength(1)
      expect(finds[0]?.key).toMatch(key)
      expect(finds[0]?.input[0]).toBe(first)
    },
    60_000,
  )

  test.each(["slow", "large", "growing"])(
    "[E7] finds what is %s",
    async (target) => {
      const { finds } = await fuzzed(target, 40_000)
      expect(finds.map(({ key }) => key)).toEqual([target === "growing" ? "grows" : target])
    },
    60_000,
  )
})

test("an input is made as small as it gets", async () => {
  const input = new Uint8Array(500).fill(9).with(100, 1).with(400, 2)
  const has = async (bytes: Uint8Array) => bytes.indexOf(2) > bytes.indexOf(1) && bytes.includes(1)
  expect(await minimise(input, has, 2000)).toEqual(Uint8Array.of(1, 2))
})

test("any bytes are some messages, and messages are their bytes again", () => {
  const dice = new Dice("messages")
  for (let i = 0; i < 200; i++) {
    const messages = Array.from({ length: dice.below(6) }, () => dice.bytes(dice.below(400)))
    expect(splitMessages(joinMessages(messages))).toEqual(messages)
    const noise = splitMessages(dice.bytes(dice.below(50)))
    expect(splitMessages(joinMessages(noise))).toEqual(noise)
  }
})

test.each(["bytes", "cbor", "json", "lines"] as const)("mutations of %s stay in bounds", (form) => {
  const dice = new Dice(form)
  const tokens = ["token", Uint8Array.of(1, 2, 3)]
  const mutator = new Mutator(dice, { form, isSequence: form === "cbor", bytesMax: 300, tokens })
  const begin = new TextEncoder().encode('{"a":[1,"b",null]}\nline two\n')
  const seen = new Set<string>()
  let input: Uint8Array = begin
  for (let i = 0; i < 3000; i++) {
    input = mutator.mutate(i % 20 === 0 ? begin : input, begin)
    expect(input.length).toBeLessThanOrEqual(300)
    seen.add(input.join())
  }
  expect(seen.size).toBeGreaterThan(1000)
})
