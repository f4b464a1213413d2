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
import type { RecordState } from "../items/record-state.ts"

export interface Hints {
  readonly members: readonly DeviceCertificate[]
  readonly addresses: readonly string[]
  readonly mailboxes: readonly { readonly relays: readonly string[]; readonly seed: Uint8Array }[]
}

const MEMBERS_MAX = 64
/** Addresses, and mailboxes. */
const PLACES_MAX = 16

export const hintsSchema: Schema<Hints> = struct({
  members: array(deviceCertificateSchema, MEMBERS_MAX),
  addresses: array(text(512), PLACES_MAX),
  mailboxes: array(struct({ relays: array(text(512), 16), seed: bytes(32) }), PLACES_MAX),
})

export const NO_HINTS: Hints = { members: [], addresses: [], mailboxes: [] }

const NOTHING = new Uint8Array(0)

export async function readHints(vault: Vault): Promise<Hints> {
  const stored = await vault.table("engine.hints").get(NOTHING)
  if (stored === undefined) return NO_HINTS
  return decodeAs(hintsSchema, stored, { bytesMax: 256 * 1024 })
}

export function putHints(vault: Vault, { members, addresses, mailboxes }: Hints): VaultOp {
  const hints = {
    members,
    addresses,
    mailboxes: mailboxes.map(({ relays, seed }) => ({ relays, seed })),
  }
  return vault.table("engine.hints").put(NOTHING, 0, encodeAs(hintsSchema, hints))
}

/** What a record says, and `before` it where it says nothing; the newest, as many as there may be. */
export function hintsOf(
  certificates: readonly DeviceCertificate[],
  { addresses, relays }: Pick<RecordState, "addresses" | "relays">,
  before: Hints,
): Hints {
  const places = relays.map(({ address, mailboxSeed }) => ({
    relays: [address],
    seed: mailboxSeed,
  }))
  return {
    members: (certificates.length > 0 ? certificates : before.members).slice(-MEMBERS_MAX),
    addresses: [...new Set([...before.addresses, ...[...addresses.values()].flat()])].slice(
      -PLACES_MAX,
    ),
    mailboxes: (places.length > 0 ? places : before.mailboxes).slice(-PLACES_MAX),
  }
}
