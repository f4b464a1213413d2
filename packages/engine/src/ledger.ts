/**
 * The ledger: the record's log on this device and what it adds up to — membership, items, documents.
 *
 * Everything that changes the record goes through {@link Ledger.transact}: one step at a time,
 * gathered, staged in the logs of all spaces that it touches, and written in ONE flushed batch;
 * only then does it count. Everything that arrives goes through {@link Ledger.admit}. The logs are
 * the truth: the tables beside them (`engine.items`, `engine.changes`, `engine.saved`) are a cache
 * up to the arrival number in `engine.applied`, brought forward when the ledger opens.
 *
 * Source: DESIGN, "Layers" and "Record and shares".
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import type { Documents, Edit, EditResult, Reload } from "@fulcrum/record/documents"
import type { Vault, VaultOp } from "@fulcrum/store/vault"
