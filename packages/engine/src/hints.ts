/**
 * What a new device was told at pairing and needs until it has the log: whom it may meet, where,
 * and where the record lies.
 *
 * Table `engine.hints`, group empty: canonical CBOR of {@link Hints}.
 *
 * @module
 */
import { type DeviceCertificate, deviceCertificateSchema } from "@fulcrum/access/device"
import { array, bytes, decodeAs, encodeAs, type Schema, struct, text } from "@fulcrum/codec/schema"
import type { Vault, VaultOp } from "@fulcrum/store/vault"

export interface Hints {
  readonly members: readonly DeviceCertificate[]
  readonly addresses: readonly string[]
  readonly mailboxes: readonly { readonly relays: readonly string[]; readonly seed: Uint8Array }[]
}

const schema: Schema<Hints> = struct({
  members: array(deviceCertificateSchema, 64),
  addresses: array(text(512), 16),
  mailboxes: array(struct({ relays: array(text(512), 16), seed: bytes(32) }), 16),
})

const NOTHING = new Uint8Array(0)

export async function readHints(vault: Vault): Promise<Hints> {
  const stored = await vault.table("engine.hints").get(NOTHING)
  if (stored === undefined) return { members: [], addresses: [], mailboxes: [] }
  return decodeAs(schema, stored, { bytesMax: 256 * 1024 })
}

export function putHints(vault: Vault, { members, addresses, mailboxes }: Hints): VaultOp {
  const hints = {
    members,
    addresses,
    mailboxes: mailboxes.map(({ relays, seed }) => ({ relays, seed })),
  }
  return vault.table("engine.hints").put(NOTHING, 0, encodeAs(schema, hints))
}
