#!/usr/bin/env node
/**
 * Checks an exported agreement by itself: Node 20 or newer, no dependencies.
 *
 *   node check-agreement.mjs agreement.json
 *
 * The file is `{"agreement": {…}, "signatures": [{"by": did:key, "sig": base64url}, …]}`. Each of
 * the two whom the agreement names must have signed its canonical JSON (RFC 8785): Ed25519 over
 * the context, a zero byte, and the JSON in UTF-8. Exits 0 if both have, else 1. Whose keys these
 * are is not in the file: compare them with what you know.
 */
import { createPublicKey, verify } from "node:crypto"
import { readFileSync } from "node:fs"

const CONTEXT = "fulcrum/v1/relation-agreement"
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

/** RFC 8785: members in order of UTF-16 code units, numbers and texts as JavaScript writes them. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const names = Object.keys(value).sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`
}

/** `did:key:z` and the base58 of 0xed 0x01 and the key's 32 bytes. */
function keyOf(did) {
  if (!/^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/.test(did)) throw new Error(`not a key: ${did}`)
  let number = 0n
  for (const digit of did.slice(9)) number = number * 58n + BigInt(BASE58.indexOf(digit))
  const hex = number.toString(16).padStart(68, "0")
  if (!hex.startsWith("ed01") || hex.length !== 68) throw new Error(`not an Ed25519 key: ${did}`)
  const x = Buffer.from(hex.slice(4), "hex").toString("base64url")
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" })
}

function check(text) {
  const { agreement, signatures } = JSON.parse(text)
  if (text.trim() !== canonical({ agreement, signatures })) throw new Error("not canonical JSON")
  const message = Buffer.from(`${CONTEXT}\0${canonical(agreement)}`)
  for (const side of ["person", "vendor"]) {
    const did = agreement[side]
    const signature = signatures.find(({ by }) => by === did)
    if (signature === undefined) throw new Error(`the ${side} has not signed`)
    if (!verify(null, message, keyOf(did), Buffer.from(signature.sig, "base64url"))) {
      throw new Error(`the ${side}'s signature is not right`)
    }
  }
  return agreement
}

try {
  const agreement = check(readFileSync(process.argv[2] ?? 0, "utf8"))
  const { person, vendor, from, until, fields } = agreement
  console.log(`signed by both: ${agreement.agreement}`)
  console.log(`person  ${person}\nvendor  ${vendor}\nfrom    ${from} until ${until}`)
  for (const { path, purpose, retention, follow } of fields) {
    console.log(`field   ${path} for ${purpose}, kept ${retention}${follow ? ", followed" : ""}`)
  }
} catch (error) {
  console.error(`not a signed agreement: ${error.message}`)
  process.exitCode = 1
}
