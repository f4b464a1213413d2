/**
 * The mutators: from one input that was worth keeping, and another, to the next one to try.
 *
 * Most know the input's form, so that what they make gets past its first check; some know only
 * bytes, so that the first check is tried too. Several are applied now and then, one on another.
 *
 * @module
 */
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { decodeCbor, encodeCbor } from "@fulcrum/codec/cbor"
import type { Dice } from "./dice.ts"
import { joinMessages, splitMessages } from "./messages.ts"
import { type Around, mutateBytes } from "./mutate-bytes.ts"
import { mutateText, mutateValue, type Tree } from "./mutate-values.ts"
import type { InputForm } from "./target.ts"

export const INPUT_BYTES_MAX: number = 16 * 1024

/** One change in so many is one of bare bytes, whatever the form. */
const BARE_IN = 4
/** CBOR inside of CBOR, in byte strings, is opened as deep as this. */
const OPENED_MAX = 4

export interface MutatorOptions {
  readonly form: InputForm
  readonly isSequence: boolean
  readonly bytesMax: number
  readonly tokens: readonly (string | Uint8Array)[]
}

export class Mutator {
  readonly #options: MutatorOptions
  readonly #dice: Dice
  readonly #tokens: readonly Uint8Array[]
  readonly #texts: readonly string[]

  constructor(dice: Dice, options: MutatorOptions) {
    this.#dice = dice
    this.#options = options
    this.#tokens = options.tokens.map((token) =>
      typeof token === "string" ? utf8ToBytes(token) : token,
    )
    this.#texts = [
      ...options.tokens.filter((token) => typeof token === "string"),
      ...["__proto__", "constructor", "", "\u0000", "9999-12-31", "-1", "1e309", "null"],
    ]
  }

  mutate(input: Uint8Array, other: Uint8Array): Uint8Array {
    let mutated = input
    for (let times = this.#dice.few(4); times > 0; times--) mutated = this.#once(mutated, other)
    return mutated.length > this.#options.bytesMax
      ? mutated.slice(0, this.#options.bytesMax)
      : mutated
  }

  #once(input: Uint8Array, other: Uint8Array): Uint8Array {
    if (!this.#options.isSequence) return this.#message(input, other)
    if (this.#dice.once(16)) return mutateBytes(input, this.#around(other))
    return joinMessages(this.#sequence(splitMessages(input), splitMessages(other)))
  }

  #sequence(messages: readonly Uint8Array[], others: readonly Uint8Array[]): readonly Uint8Array[] {
    const dice = this.#dice
    const at = dice.below(messages.length)
    const message = messages[at]
    if (message === undefined) return others
    const other = dice.pick(others) ?? message
    switch (dice.below(12)) {
      case 0:
        return messages.toSpliced(at, 1)
      case 1:
        return messages.toSpliced(dice.below(messages.length + 1), 0, message)
      case 2:
        return messages.toSpliced(dice.below(messages.length + 1), 0, other)
      case 3:
        return [...messages.slice(0, at), ...others.slice(dice.below(others.length))]
      case 4: {
        const to = dice.below(messages.length)
        return messages.with(at, messages[to] ?? message).with(to, message)
      }
      default:
        return messages.with(at, this.#message(message, other))
    }
  }

  #message(message: Uint8Array, other: Uint8Array): Uint8Array {
    const { form } = this.#options
    const around = this.#around(other)
    if (form === "bytes" || this.#dice.once(BARE_IN)) return mutateBytes(message, around)
    if (form === "cbor") return this.#cbor(message, around, OPENED_MAX)
    if (form === "json") return this.#json(message, around)
    return this.#lines(message, around)
  }

  #around(other: Uint8Array): Around {
    return { dice: this.#dice, other, tokens: this.#tokens }
  }

  #cbor(bytes: Uint8Array, around: Around, opens: number): Uint8Array {
    const value = opens > 0 && !this.#dice.once(8) ? readCbor(bytes) : undefined
    if (value === undefined) return mutateBytes(bytes, around)
    const changed = mutateValue(value, {
      dice: this.#dice,
      other: readCbor(around.other) ?? null,
      texts: this.#texts,
      bytes: (inner) => this.#inside(inner, around, opens - 1),
    })
    try {
      return encodeCbor(changed)
    } catch (error) {
      // Too deep, too much, or text that has no UTF-8.
      if (error instanceof RangeError) return mutateBytes(bytes, around)
      throw error
    }
  }

  /** A byte string: what is in it, or only its length. */
  #inside(bytes: Uint8Array, around: Around, opens: number): Uint8Array {
    const value = bytes.length > 2 ? readCbor(bytes) : undefined
    if (Array.isArray(value) || value instanceof Map) return this.#cbor(bytes, around, opens)
    // Keys, hashes and signatures have one length, and another one is refused at once.
    const other = this.#dice.bytes(bytes.length)
    if (this.#dice.once(3)) return other
    return mutateBytes(bytes, { ...around, other })
  }

  #json(bytes: Uint8Array, around: Around): Uint8Array {
    const value = readJson(bytes)
    if (value === undefined) return mutateBytes(bytes, around)
    const changed = mutateValue(value, {
      dice: this.#dice,
      other: readJson(around.other) ?? null,
      texts: this.#texts,
      bytes: (inner) => inner,
    })
    return utf8ToBytes(writeJson(changed).toWellFormed())
  }

  #lines(bytes: Uint8Array, { other }: Around): Uint8Array {
    const dice = this.#dice
    const lines = fromUtf8.decode(bytes).split("\n")
    const others = fromUtf8.decode(other).split("\n")
    const at = dice.below(lines.length)
    const line = lines[at] ?? ""
    const change = (): readonly string[] => {
      switch (dice.below(9)) {
        case 0:
          return lines.toSpliced(at, dice.few(3))
        case 1:
          return lines.toSpliced(dice.below(lines.length + 1), 0, line)
        case 2:
          return lines.toSpliced(dice.below(lines.length + 1), 0, dice.pick(others) ?? "")
        case 3:
          return lines.toSpliced(at, 1, ...Array.from({ length: dice.few(300) }, () => line))
        case 4:
          return lines.with(at, line.replace(/[:;=,]/, dice.pick([":", ";", "=", ",", ""]) ?? ""))
        case 5: {
          // Folded in another place.
          const cut = dice.below(line.length + 1)
          return lines.toSpliced(at, 1, line.slice(0, cut), ` ${line.slice(cut)}`)
        }
        case 6:
          return lines.with(at, `${dice.pick(this.#texts) ?? ""}${line}`)
        default:
          return lines.with(at, mutateText(line, dice, this.#texts))
      }
    }
    return utf8ToBytes(change().join("\n").toWellFormed())
  }
}

const fromUtf8 = new TextDecoder()

function readCbor(bytes: Uint8Array): Tree | undefined {
  try {
    return decodeCbor(bytes, { bytesMax: bytes.length })
  } catch {
    return undefined
  }
}

function readJson(bytes: Uint8Array): Tree | undefined {
  try {
    return treeOf(JSON.parse(fromUtf8.decode(bytes)))
  } catch {
    return undefined
  }
}

function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return value.map(treeOf)
  if (typeof value === "object" && value !== null) {
    return new Map(Object.entries(value).map(([key, inner]) => [key, treeOf(inner)]))
  }
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? value
    : null
}

/** By hand, since a key `__proto__` must come out as one. */
function writeJson(value: Tree): string {
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString("base64url"))
  if (typeof value === "bigint") return String(value)
  if (Array.isArray(value)) return `[${value.map(writeJson).join(",")}]`
  if (value instanceof Map) {
    const members = [...value].map(
      ([key, inner]) => `${JSON.stringify(`${key}`)}:${writeJson(inner)}`,
    )
    return `{${members.join(",")}}`
  }
  return JSON.stringify(value)
}
