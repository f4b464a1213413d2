#!/usr/bin/env node
/**
 * Makes of the 24 recovery words what opens a backup with age alone: Node 20 or newer, no dependencies.
 *
 *   node words-to-age.mjs english.txt words.txt > identity.txt
 *   age --decrypt --identity identity.txt record.age | tar -x
 *
 * `english.txt` is BIP-39's list of 2048 words, one a line; `words.txt` holds the 24, in their order.
 * The identity is as secret as the words: delete it afterwards.
 *
 * The words stand for 256 bits and a checksum (BIP-39). The key is HKDF-SHA-256 of those bits without
 * salt, its info the context's length in eight bytes, the context, and "wrap"; age (1.3 and newer) writes
 * such a key in Bech32 (BIP-173) after `AGE-SECRET-KEY-PQ-`.
 */
import { createHash, hkdfSync } from "node:crypto"
import { readFileSync } from "node:fs"

const CONTEXT = "fulcrum/v1/recovery-keys"
const CHARACTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

function entropyOf(typed, list) {
  const words = typed.toLowerCase().match(/[a-z]+/g) ?? []
  if (words.length !== 24) throw new Error(`24 words, not ${words.length}`)
  let bits = ""
  for (const word of words) {
    if (!list.includes(word)) throw new Error("a word that is not on the list")
    bits += list.indexOf(word).toString(2).padStart(11, "0")
  }
  const bytes = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)))
  const entropy = bytes.subarray(0, 32)
  if (createHash("sha256").update(entropy).digest()[0] !== bytes[32]) {
    throw new Error("the words do not fit together")
  }
  return entropy
}

function keyOf(entropy) {
  const length = Buffer.alloc(8)
  length.writeBigUInt64BE(BigInt(CONTEXT.length))
  const info = Buffer.concat([length, Buffer.from(CONTEXT), Buffer.from("wrap")])
  return Buffer.from(hkdfSync("sha256", entropy, Buffer.alloc(0), info, 32))
}

function checksumOf(values) {
  let sum = 1
  for (const value of values) {
    const top = sum >>> 25
    sum = ((sum & 0x1ffffff) << 5) ^ value
    const terms = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
    for (const [bit, term] of terms.entries()) if ((top >>> bit) & 1) sum ^= term
  }
  return sum
}

function bech32(prefix, bytes) {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("")
  const data = bits.match(/.{1,5}/g).map((five) => Number.parseInt(five.padEnd(5, "0"), 2))
  const codes = [...prefix].map((character) => character.charCodeAt(0))
  const head = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)]
  const sum = checksumOf([...head, ...data, 0, 0, 0, 0, 0, 0]) ^ 1
  const check = [25, 20, 15, 10, 5, 0].map((shift) => (sum >>> shift) & 31)
  return `${prefix}1${[...data, ...check].map((value) => CHARACTERS[value]).join("")}`
}

try {
  const [listFile, wordsFile] = process.argv.slice(2)
  const list = readFileSync(listFile, "utf8").trim().split(/\s+/)
  const key = keyOf(entropyOf(readFileSync(wordsFile, "utf8"), list))
  console.log(bech32("age-secret-key-pq-", key).toUpperCase())
} catch (error) {
  console.error(`words-to-age: ${error.message}`)
  process.exit(1)
}
