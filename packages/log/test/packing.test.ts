/** What is deflated, and what is kept as it is: whatever is chosen, the same comes out. */
import { seededRandom } from "@fulcrum/crypto/random"
import { describe, expect, test } from "vitest"
import { type Deflate, systemDeflate } from "../src/deflate.ts"
import { packContent, unpackContent } from "../src/packing.ts"

const random = seededRandom("packing")
const noise = (length: number) => random.bytes(length)
const words = (length: number) =>
  Uint8Array.from({ length }, (_, at) => 97 + ((at * at + (at >> 3)) % 26))

/** @returns How many bytes it was asked to deflate, by what it came to. */
function counting(): { readonly deflate: Deflate; readonly asked: () => readonly number[] } {
  const system = systemDeflate()
  const lengths: number[] = []
  return {
    deflate: {
      deflate(bytes) {
        lengths.push(bytes.length)
        return system.deflate(bytes)
      },
      inflate: (bytes, length) => system.inflate(bytes, length),
    },
    asked: () => lengths,
  }
}

function deflatedOf(content: Uint8Array): readonly number[] {
  const { deflate, asked } = counting()
  const packed = packContent(content, deflate)
  expect(unpackContent(packed, systemDeflate())).toEqual(content)
  return asked()
}

describe("[L25] content", () => {
  test("that is short is kept as it is", () => {
    for (const length of [0, 1, 511, 512]) expect(deflatedOf(words(length))).toEqual([])
  })

  test("is deflated as a whole up to some kilobytes, and above where its samples shrink", () => {
    expect(deflatedOf(words(513))).toEqual([513])
    expect(deflatedOf(noise(8191))).toEqual([8191])
    expect(deflatedOf(words(8192))).toEqual([4096, 8192])
    expect(deflatedOf(words(300_001))).toEqual([4096, 300_001])
    expect(deflatedOf(noise(512 * 1024 + 1))).toEqual([512 * 1024 + 1])
  })

  test("that is as good as random costs its samples only", () => {
    for (const length of [8192, 8193, 26_000, 512 * 1024]) {
      expect(deflatedOf(noise(length))).toEqual([4096])
    }
  })

  test("that is large is deflated whatever samples would say", () => {
    const length = 1024 * 1024
    const content = words(length)
    const apart = Math.floor((length - 1024) / 3)
    for (let at = 0; at < 4; at++) content.set(noise(1024), at * apart)
    const { deflate, asked } = counting()
    expect(packContent(content, deflate).length).toBeLessThan(length / 2)
    expect(asked()).toEqual([length])
  })

  test("of which a quarter can be deflated is", () => {
    for (let quarter = 0; quarter < 4; quarter++) {
      const content = noise(40_000)
      content.set(words(10_000), quarter * 10_000)
      const { deflate, asked } = counting()
      expect(packContent(content, deflate).length).toBeLessThan(36_000)
      expect(asked()).toEqual([4096, 40_000])
    }
  })
})
