/**
 * Receipts: what a relay signs once an item is flushed.
 *
 * A receipt is the canonical CBOR of `[statement: bytes, signature: bytes(64)]`; the statement is
 * the canonical CBOR of `[1, relay key, mailbox name, sequence id, position, item hash, root]`
 * (`receiptSchema`), signed with the relay's transport key (the one in its `/p2p/` address) under
 * the context `relayReceipt`. The root runs over all items before (see `protocol.ts`), so two
 * receipts that contradict each other prove a relay that forks, rolls back or withholds.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { bytes, bytesMax, decodeAs, encodeAs, struct } from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import { type SigningKey, sign, verify } from "@fulcrum/crypto/ed25519"
import { RECEIPT_BYTES_MAX } from "./limits.ts"
import { type ReceiptFields, receiptSchema } from "./protocol.ts"
import { RelayError } from "./relay-error.ts"

const envelope = struct({ statement: bytesMax(RECEIPT_BYTES_MAX), signature: bytes(64) })

/** A receipt whose signature was checked. */
export interface RelayReceipt extends ReceiptFields {
  /** As signed: what to keep as proof. */
  readonly bytes: Uint8Array
}

export function signReceipt(
  key: SigningKey,
  fields: Omit<ReceiptFields, "version" | "relay">,
): Uint8Array {
  const statement = encodeAs(receiptSchema, { ...fields, version: 1, relay: key.publicKey })
  return encodeAs(envelope, { statement, signature: sign(contexts.relayReceipt, key, statement) })
}

/**
 * Checks a receipt's form and signature.
 *
 * @param relay - The key that must have signed it; absent: whichever the receipt names.
 * @throws {RelayError} `RELAY_PROTOCOL`.
 */
export function verifyReceipt(receipt: Uint8Array, relay?: Uint8Array): RelayReceipt {
  const { fields, statement, signature } = readReceipt(receipt)
  if (relay !== undefined && !equalBytes(relay, fields.relay)) {
    throw new RelayError("RELAY_PROTOCOL", "a receipt by another relay")
  }
  if (!verify(contexts.relayReceipt, fields.relay, statement, signature)) {
    throw new RelayError("RELAY_PROTOCOL", "a receipt whose signature is wrong")
  }
  return { ...fields, bytes: receipt }
}

/**
 * What a receipt says, whoever signed it: for one that is known to be right.
 *
 * @throws {RelayError} `RELAY_PROTOCOL`.
 */
export function receiptFields(receipt: Uint8Array): ReceiptFields {
  return readReceipt(receipt).fields
}

function readReceipt(receipt: Uint8Array): {
  fields: ReceiptFields
  statement: Uint8Array
  signature: Uint8Array
} {
  try {
    const { statement, signature } = decodeAs(envelope, receipt, { bytesMax: RECEIPT_BYTES_MAX })
    const fields = decodeAs(receiptSchema, statement, { bytesMax: RECEIPT_BYTES_MAX })
    return { fields, statement, signature }
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new RelayError("RELAY_PROTOCOL", "not a receipt", { cause })
  }
}
